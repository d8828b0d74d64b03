"""The audit trail as a file, for command and console."""

import csv
import io
import json
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Final

from producers.files.cells import escape, printable
from worker.admin.audit import audit_fields
from worker.store.audit import Audit, AuditFilter

_COLUMNS: Final = ("at", "by", "what", "subject", "detail")
_AT_ONCE: Final = 500
"""Entries of one part of a file."""


class AuditFormat(StrEnum):
    """Format of an exported trail."""

    CSV = "csv"
    NDJSON = "ndjson"


def audit_file(audit: Audit, chosen: AuditFilter, form: AuditFormat) -> Iterator[str]:
    """All entries that match, newest first, as parts of a file.

    No spreadsheet takes a cell of the CSV for a formula: such cells begin with an apostrophe.
    """
    write = _csv if form is AuditFormat.CSV else _ndjson
    if form is AuditFormat.CSV:
        yield write([{name: name for name in _COLUMNS}])
    entries = map(audit_fields, audit.entries(chosen))
    while part := list(islice(entries, _AT_ONCE)):
        yield write(part)


def _ndjson(part: list[dict[str, str]]) -> str:
    return "".join(f"{json.dumps(fields)}\n" for fields in part)


def _csv(part: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([escape(printable(fields[name])) for name in _COLUMNS] for fields in part)
    return text.getvalue()
