"""Pages `sources` and `keys`: who publishes events; API keys, for admins."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import htpy as h
from fastapi import Query
from htpy import Node

from gateway.api.api_keys import DEFAULT_RATE, LEAST_RATE, KeyScope
from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import Done, Form, NotDone, PageNumber, Pages, Shown, page_of
from gateway.console.people import Role
from worker.admin.json_fields import clean
from worker.admin.source_documents import source_documents
from worker.errors import ConfigurationError

_SCOPES: Final[Mapping[KeyScope, str]] = {
    KeyScope.PUBLISH: "publish events of its sources",
    KeyScope.READ: "read events and services of its sources",
    KeyScope.OPS: "read everything, settle dead letters and approvals",
    KeyScope.OVERRIDE: "change services of other sources, where the inventory allows its source to",
}
_LONGEST: Final = 200
_MOST_RATE: Final = 1_000_000

Id = Annotated[str, Query(max_length=_LONGEST)]


class SourcePages(Pages):
    """Reads sources and keys; creates and revokes keys."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        admin = Role.ADMIN
        self.page("/sources", self.sources, show_sources, title="Sources")
        self.page("/keys", self.keys, show_keys, title="API keys", role=admin)
        self.confirmation(
            *("/keys/create", self.new, show_new, self.create),
            title="Create an API key",
            role=admin,
        )
        self.confirmation(
            *("/keys/revoke", self.key, show_revoke, self.revoke),
            title="Revoke an API key",
            role=admin,
        )

    def sources(self, page: PageNumber = 1) -> Document:
        """One page of the sources."""
        found = source_documents(self.console.store, self.console.inventory().sources)
        return page_of("sources", found, page)

    def keys(self, page: PageNumber = 1) -> Document:
        """One page of the keys, without secrets."""
        used = self.console.api_keys.used()
        found = [
            key.document() | {"last_used": used.get(key.id)} for key in self.console.api_keys.all()
        ]
        return page_of("keys", found, page)

    def new(self) -> Document:
        """What a key may be made of."""
        return {"sources": sorted(self.console.inventory().sources)}

    def key(self, id: Id) -> Document:  # noqa: A002 - as the query has it
        """One key, without secrets."""
        for key in self.console.api_keys.all():
            if key.id == id:
                return key.document() | {"last_used": self.console.api_keys.used().get(id)}
        raise Refused("not-found", "there is no such key: it may be revoked already")

    def create(self, viewer: Viewer, form: Form) -> Done | Shown:
        """Make a key, and show it in this one answer."""
        sources = form.get("sources", "").split()
        try:
            scopes = [scope for scope in KeyScope if form.get(f"scope-{scope}")]
            made = self.console.api_keys.create(
                clean(form.get("name", "").strip()),
                sources,
                scopes,
                rate=_rate(form.get("rate", "")),
                signature_required=bool(form.get("signed")),
                created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251 - the time of a write
                actor=viewer.actor,
            )
        except ConfigurationError as error:
            raise NotDone(f"No key was created: {error}.", ui.address("/keys/create")) from None
        secrets = {"key": made.token, "signing_secret": made.key.signing_secret}
        document = made.key.document()
        unknown = sorted(set(sources) - self.console.inventory().sources.keys())
        body = show_made(document, secrets, unknown, viewer)
        return Shown(f"Key {made.key.id}", body, written=True)

    def revoke(self, viewer: Viewer, form: Form) -> Done:
        """Delete a key."""
        key = form.get("id", "")
        if not self.console.api_keys.revoke(key, viewer.actor):
            raise NotDone("There is no such key: it may be revoked already.", ui.address("/keys"))
        return Done(f"Key {key} is revoked: it stops working within a second.", ui.address("/keys"))


def _rate(text: str) -> float:
    try:
        rate = float(text or DEFAULT_RATE)
    except ValueError:
        rate = 0.0
    if not LEAST_RATE <= rate <= _MOST_RATE:
        raise ConfigurationError([f"the rate is a number, at least {LEAST_RATE} events a second"])
    return rate


def show_sources(document: Document, viewer: Viewer) -> Node:
    """The sources with their figures."""
    rows = [
        {
            "Source": source["source"],
            "Order": source.get("order", "not in the inventory"),
            "May": ", ".join(source.get("scopes", ())),
            "Services": str(source["services"]),
            "Events": str(source["events"]),
            "Superseded": f"{source['superseded_percent']} %" if source["events"] else "",
            "Last event": ui.moment(source.get("last_event_at"), viewer),
            "Mostly superseded since": ui.moment(source.get("alarm_since"), viewer),
        }
        for source in document["sources"]
    ]
    keys = h.p[ui.link("/keys", "API keys")] if viewer.may(Role.ADMIN) else None
    return [
        h.p[
            "Services are those that a source owns and that are not cancelled. A source of which "
            "most events are superseded may count from lower revisions after a restore."
        ],
        h.p["Then: ", h.code["leasewire sources rebase SOURCE"]],
        keys,
        ui.table("Sources", rows),
        ui.pager("/sources", document),
    ]


def show_keys(document: Document, viewer: Viewer) -> Node:
    """The keys."""
    rows = [
        {
            "Id": key["id"],
            "Name": key["name"],
            "Sources": ", ".join(key["sources"]),
            "May": ", ".join(key["scopes"]),
            "Rate": f"{key['rate']:g}/s",
            "Signatures": "required" if key["signed"] else "",
            "Created": ui.moment(key["created_at"], viewer),
            "Used in the hour": ui.moment(key["last_used"], viewer) or "never",
            "Action": ui.link("/keys/revoke", "Revoke", id=key["id"]),
        }
        for key in document["keys"]
    ]
    return [
        h.p(".actions")[ui.link("/keys/create", "Create a key")],
        ui.table("API keys", rows),
        ui.pager("/keys", document),
    ]


def show_new(document: Document, viewer: Viewer) -> Node:
    """The form for a new key."""
    usual = (KeyScope.PUBLISH, KeyScope.READ)
    scopes = [
        h.label(".check")[
            h.input(type="checkbox", name=f"scope-{scope}", value="1", checked=scope in usual),
            f" {scope}: {text}",
        ]
        for scope, text in _SCOPES.items()
    ]
    sources = h.textarea(".short", name="sources", rows="3", maxlength="2000", spellcheck="false")
    return [
        h.p["The key is shown once. Redis keeps only a hash of it."],
        ui.confirm_form(
            viewer,
            "/keys/create",
            {},
            "Create the key",
            asked=[
                h.label["Name of its owner", h.input(name="name", required=True, maxlength="100")],
                h.label["Sources, one a line", sources],
                h.p(".dim")["Known: ", ", ".join(document["sources"]) or "none"],
                h.fieldset[h.legend["It may"], scopes],
                h.label["Events a second", h.input(name="rate", value=f"{DEFAULT_RATE:g}")],
                h.label(".check")[
                    h.input(type="checkbox", name="signed", value="1"),
                    " What it publishes must be signed",
                ],
            ],
            reason=False,
        ),
    ]


def show_made(
    document: Document, secrets: Mapping[str, str], unknown: list[str], viewer: Viewer
) -> Node:
    """A new key with its secrets: the only time that they are shown."""
    message = f"Not in the inventory, so their events are refused: {', '.join(unknown)}."
    return [
        ui.note("warning", "Save the key and the signing secret now: they are not shown again."),
        ui.note("warning", message) if unknown else None,
        ui.fields(
            ("Key", h.code[secrets["key"]]),
            ("Signing secret", h.code[secrets["signing_secret"]]),
            *_key_fields(document, viewer),
        ),
        h.p[ui.link("/keys", "All keys")],
    ]


def show_revoke(document: Document, viewer: Viewer) -> Node:
    """The key, and the form that revokes it."""
    button = f"Revoke the key of {document['name']}"
    return [
        h.p["Programs that use this key are refused from then on. It cannot be undone."],
        ui.fields(
            *_key_fields(document, viewer),
            ("Used in the hour", ui.moment(document["last_used"], viewer) or "never"),
        ),
        ui.confirm_form(
            viewer, "/keys/revoke", {"id": document["id"]}, button, reason=False, danger=True
        ),
    ]


def _key_fields(document: Document, viewer: Viewer) -> list[tuple[str, Node]]:
    return [
        ("Id", document["id"]),
        ("Name", document["name"]),
        ("Sources", ", ".join(document["sources"])),
        ("It may", ", ".join(document["scopes"])),
        ("Rate", f"{document['rate']:g} events a second"),
        ("Signatures", "required" if document["signed"] else "not required"),
        ("Created", ui.moment(document["created_at"], viewer)),
    ]
