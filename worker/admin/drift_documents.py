"""What was changed on a router by hand, as a document: the same for command and console."""

from typing import Any

from worker.admin.json_fields import clean
from worker.admin.router_reads import ReadResult, error_document
from worker.convergence.full_read import FullRead


def drift_document(router: str, result: ReadResult) -> dict[str, Any]:
    """What differs on a router from what was written there, for programs."""
    if not isinstance(result, FullRead):
        return error_document(router, result)
    return {
        "router": router,
        "services": result.services,
        "rows": result.rows,
        "pending": len(result.pending),
        "orphans": len(result.row_owners.orphans),
        "drift": [
            {
                "service": difference.service_id,
                "kind": difference.kind,
                "menu": difference.menu,
                "field": difference.field,
                "wanted": clean(difference.wanted),
                "found": clean(difference.found),
                "mendable": difference.mendable,
            }
            for difference in result.drift
        ],
    }
