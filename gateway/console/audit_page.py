"""Page `audit`: who did what, filtered; and the same as a file."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Final

import htpy as h
from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.audit_file import AuditFormat, audit_file
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import PAGE_SIZE, PageNumber, Pages, Reader
from worker.admin.audit import audit_document
from worker.store.audit import AuditFilter

_KINDS: Final = (
    *("alert", "backup", "brake", "claim", "dead_letter", "delivery", "event", "key", "person"),
    *("pool", "router", "service", "source"),
)
"""Kinds of things, as the first word of what happened to them."""
_LINKS: Final = {"router": "/router", "service": "/service"}
_LONGEST: Final = 200

Text = Annotated[str, Query(max_length=_LONGEST)]
From = Annotated[str, Query(alias="from", max_length=_LONGEST)]


def _given(
    by: Text = "", kind: Text = "", subject: Text = "", from_: From = "", until: Text = ""
) -> dict[str, str]:
    """The fields of the filter, as they are in the query."""
    return {"by": by, "kind": kind, "subject": subject, "from": from_, "until": until}


Given = Annotated[dict[str, str], Depends(_given)]


class AuditPage(Pages):
    """Reads the trail."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/audit", self.read, show_audit, title="Audit")
        for form in AuditFormat:
            self.get(f"/audit.{form}", response_model=None)(partial(self._file, form))

    def read(self, viewer: Reader, given: Given, page: PageNumber = 1) -> Document:
        """One page of the entries that match."""
        chosen = _chosen(viewer, given)
        return audit_document(self.console.store.audit, chosen, page, PAGE_SIZE) | {"filter": given}

    def _file(self, form: AuditFormat, viewer: Reader, given: Given) -> StreamingResponse:
        """All entries that match."""
        kind = "text/csv" if form is AuditFormat.CSV else "application/x-ndjson"
        headers = {"Content-Disposition": f'attachment; filename="audit.{form}"'}
        parts = audit_file(self.console.store.audit, _chosen(viewer, given), form)
        return StreamingResponse(parts, 200, headers, kind)


def show_audit(document: Document, viewer: Viewer) -> Node:
    """The filter, the entries, and links to the files."""
    given: dict[str, str] = document["filter"]
    rows = [
        {
            "At": ui.moment(entry["at"], viewer),
            "By": ui.link("/audit", entry["by"], by=entry["by"]),
            "What": ui.link("/audit", entry["what"], kind=entry["what"]),
            "Subject": _subject(entry),
            "Detail": entry["detail"],
        }
        for entry in document["entries"]
    ]
    return [
        _filter_form(given),
        ui.table("What people did, newest first", rows),
        ui.pager("/audit", document, **given),
        h.p[
            "All that match, as a file: ",
            h.a(href=ui.address("/audit.csv", **given))["CSV"],
            ", ",
            h.a(href=ui.address("/audit.ndjson", **given))["JSON lines"],
            ". The newest 10,000 writes are kept.",
        ],
    ]


def _filter_form(given: Mapping[str, str]) -> Node:
    kinds = {"": "all"} | {kind: kind for kind in (*_KINDS, given["kind"]) if kind}
    texts = [
        h.label[label, h.input(name=name, value=given[name], maxlength=_LONGEST, placeholder=hint)]
        for name, label, hint in (
            ("by", "Person", "part of a name"),
            ("subject", "Subject", "part of a router, service, …"),
            ("from", "From", "2026-12-01 06:00"),
            ("until", "Until", "2026-12-02 06:00"),
        )
    ]
    return h.form(".filter", action=f"{ui.ROOT}/audit", role="search", aria_label="Filter")[
        texts[0], ui.choice("Kind", "kind", kinds, given["kind"]), texts[1:], h.button["Filter"]
    ]


def _subject(entry: Mapping[str, str]) -> Node:
    what, _, happened = entry["what"].partition(".")
    if what in _LINKS and happened != "purged":
        return ui.link(_LINKS[what], entry["subject"], id=entry["subject"])
    return entry["subject"]


def _chosen(viewer: Viewer, given: Mapping[str, str]) -> AuditFilter:
    return AuditFilter(
        given["by"].strip(),
        given["kind"],
        given["subject"].strip(),
        _ms("from", given["from"], viewer),
        _ms("until", given["until"], viewer),
    )


def _ms(name: str, text: str, viewer: Viewer) -> int:
    """A time in the reader's zone, if it names none, as milliseconds since 1970; 0: none given.

    Raises:
        Refused: `malformed`.
    """
    if not text.strip():
        return 0
    try:
        at = datetime.fromisoformat(text.strip())
        return round((at if at.tzinfo else at.replace(tzinfo=viewer.zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        message = f"{name}: write a time such as 2026-12-01 06:00, in your zone"
        raise Refused("malformed", message) from None
