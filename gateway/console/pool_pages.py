"""Pages `pools` and `pool`: how full the pools of the inventory are, and who has what."""

from typing import Annotated, Final

import htpy as h
from fastapi import Query
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import PAGE_SIZE, Done, Form, NotDone, PageNumber, Pages
from gateway.console.people import Role
from gateway.console.pictures import Bar, bar_picture, line_picture, series
from worker.admin.pool_documents import (
    in_quarantine,
    pool_document,
    pool_documents,
    pool_named,
    value_document,
)
from worker.core.policy.address_pool import AddressPool
from worker.errors import NotPossible

_LONGEST: Final = 200
_COUNTS: Final = {
    "size": "Size",
    "given": "Given",
    "quarantine": "In quarantine",
    "free": "Free",
    "waiting": "Services wait",
}
_GAP_MS: Final = 3 * 3_600_000
"""Hours without a sample, after which the lines of a picture are not joined."""
_LINES: Final = {
    "given": "given",
    "quarantine": "in quarantine",
    "waiting": "services wait",
}

Name = Annotated[str, Query(max_length=_LONGEST)]


class PoolPages(Pages):
    """Reads pools, and ends the quarantine of a value."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/pools", self.read, show_pools, title="Pools")
        self.page("/pool", self.pool, show_pool, title="Pool {pool}")
        self.confirmation("/pool/free", self.value, show_value, self.free, title="Free {value}")

    def read(self) -> Document:
        """How much of each pool is used."""
        return {"pools": pool_documents(self.console.store, self.console.inventory().pools)}

    def pool(self, id: Name, page: PageNumber = 1) -> Document:  # noqa: A002 - as the query has it
        """A pool with one page of its values."""
        begin = (page - 1) * PAGE_SIZE
        return pool_document(self.console.store, self._pool(id), begin, PAGE_SIZE) | {"page": page}

    def value(self, id: Name, value: Name) -> Document:  # noqa: A002 - as the query has it
        """A value that is in quarantine."""
        try:
            held = in_quarantine(self.console.store, self._pool(id), value)
        except NotPossible as error:
            raise Refused("not-found", str(error)) from None
        if held is None:
            raise Refused("not-found", f"{value} of pool {id} is free already")
        return {"pool": id, **value_document(held)}

    def free(self, viewer: Viewer, form: Form) -> Done:
        """End the quarantine of a value."""
        name, value = form.get("id", ""), form.get("value", "")
        pool, back = self._pool(name), ui.address("/pool", id=name)
        try:
            held = in_quarantine(self.console.store, pool, value)
        except NotPossible as error:
            raise NotDone(str(error), back) from None
        if held is None:
            raise NotDone(f"Nothing was changed: {value} is free already.", back)
        if not self.console.store.pools.free(held.value, name, viewer.actor):
            raise NotDone("Nothing was changed: it just changed. Look again.", back)
        return Done(f"Any service may get {held.value} of pool {name} now.", back)

    def _pool(self, name: str) -> AddressPool:
        try:
            return pool_named(self.console.inventory().pools, name)
        except NotPossible as error:
            raise Refused("not-found", str(error)) from None


def show_pools(document: Document, viewer: Viewer) -> Node:
    """The pools as bars and as a table."""
    del viewer
    pools = document["pools"]
    rows = [
        {
            "Pool": ui.link("/pool", pool["pool"], id=pool["pool"]),
            "Kind": pool["kind"],
            "Events call it": pool.get("known_as"),
            "Routers": ", ".join(pool.get("routers", ["all"])),
            **{name: f"{pool[field]:,}" for field, name in _COUNTS.items()},
            "Days left": pool["days_left"],
        }
        for pool in pools
    ]
    empty = "the inventory has no pools, so Leasewire assigns nothing."
    bars = [Bar(pool["pool"], pool["given"] + pool["quarantine"], pool["size"]) for pool in pools]
    return [
        h.p["Leasewire assigns addresses and prefixes from these pools of the inventory."],
        bar_picture("Given or in quarantine", bars) if bars else None,
        ui.table("Pools", rows, empty),
    ]


def show_pool(document: Document, viewer: Viewer) -> Node:
    """What the inventory says of a pool, its use in the last weeks, who waits, and its values."""
    name = document["pool"]
    waiting = [
        {"Service": ui.service_link(at["service"]), "Since": ui.moment(at["since"], viewer)}
        for at in document["waiting_services"]
    ]
    lines = [series(text, document["samples"], field) for field, text in _LINES.items()]
    values = [_value_row(name, value, viewer) for value in document["values"]]
    return [
        ui.fields(
            ("Kind", document["kind"]),
            ("Events call it", document.get("known_as")),
            ("Routers", ", ".join(document.get("routers", ["all"]))),
            ("Ranges", ", ".join(document["ranges"])),
            ("Excluded", ", ".join(document["exclude"])),
            ("Prefix length", document.get("prefix_length")),
            ("Quarantine", f"{document['quarantine_s']} s"),
            *((name, f"{document[field]:,}") for field, name in _COUNTS.items()),
            ("Days left", document["days_left"]),
        ),
        line_picture("Use", lines, viewer.zone, gap_ms=_GAP_MS),
        ui.table("Services that wait longest", waiting),
        ui.table("Values that are not free", values, "All are free."),
        ui.pager("/pool", document, id=name),
    ]


def _value_row(pool: str, value: Document, viewer: Viewer) -> dict[str, Node]:
    may_free = value["state"] in ("quarantine", "foreign-row") and viewer.may(Role.OPERATOR)
    action = ui.link("/pool/free", "Free it …", id=pool, value=value["value"]) if may_free else None
    return {
        "Value": value["value"],
        "State": ui.badge(value["state"]),
        "Service": ui.service_link(value.get("service")),
        "Until": ui.moment(value.get("until"), viewer),
        "Action": action,
    }


def show_value(document: Document, viewer: Viewer) -> Node:
    """What a value is, and the form that ends its quarantine."""
    hidden = {"id": document["pool"], "value": document["value"]}
    return [
        h.p["Any service may get it then. Do so if you know that no device uses it any more."],
        ui.fields(
            ("Pool", ui.link("/pool", document["pool"], id=document["pool"])),
            ("State", document["state"]),
            ("Last service", ui.service_link(document.get("service"))),
            ("Until", ui.moment(document.get("until"), viewer)),
        ),
        ui.confirm_form(viewer, "/pool/free", hidden, "Free it", reason=False),
    ]
