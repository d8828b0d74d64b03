"""The audit trail as documents: who did what."""

from itertools import islice
from typing import Any

from worker.core.storage_format import rfc3339
from worker.store.audit import Audit, AuditEntry, AuditFilter


def audit_document(audit: Audit, chosen: AuditFilter, page: int, most: int) -> dict[str, Any]:
    """One page of the entries that match, newest first; the first page is 1."""
    start = (page - 1) * most
    found = list(islice(audit.entries(chosen), start, start + most + 1))
    return {
        "entries": [audit_fields(entry) for entry in found[:most]],
        "page": page,
        "more": len(found) > most,
    }


def audit_fields(entry: AuditEntry) -> dict[str, str]:
    """One entry, for people and programs."""
    return {
        "at": rfc3339(entry.at_ms),
        "by": entry.by,
        "what": entry.what,
        "subject": entry.subject,
        "detail": entry.detail,
    }
