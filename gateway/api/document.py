"""Finishes the OpenAPI document: a name and a typed answer for each operation, components.

A route that is not in `_OPERATIONS` keeps what FastAPI says of it, and a test fails.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.api.answers import EXAMPLES, SCHEMAS, problem_example, ref
from gateway.api.problems import KINDS

_JSON: Final = "application/json"
_FASTAPIS: Final = ("HTTPValidationError", "ValidationError")


class _Operation(NamedTuple):
    """What the document says of an operation.

    Attributes:
        id: its name in generated clients.
        answer: component of its usual answer; empty where that is none of ours.
        status: of that answer.
    """

    id: str
    answer: str = ""
    status: str = "200"


_OPERATIONS: Final[Mapping[tuple[str, str], _Operation]] = {
    ("get", "/healthz"): _Operation("getHealth", "Health"),
    ("get", "/readyz"): _Operation("getReadiness", "Health"),
    ("get", "/v1/schemas"): _Operation("listSchemas", "SchemaList"),
    ("get", "/v1/schemas/{event_type}"): _Operation("getSchema"),
    ("post", "/v1/events"): _Operation("publishEvents", "Receipts", "202"),
    ("post", "/v1/validate"): _Operation("validateEvents", "Valid"),
    ("get", "/v1/events/{event_id}"): _Operation("getEvent", "Event"),
    ("get", "/v1/services"): _Operation("listServices", "ServicePage"),
    ("get", "/v1/services/{service_id}"): _Operation("getService", "Service"),
    ("get", "/v1/services/{service_id}/events"): _Operation("getServiceHistory", "HistoryPage"),
    ("get", "/v1/outcomes"): _Operation("followOutcomes", "OutcomePage"),
    ("get", "/v1/dead-letters"): _Operation("listDeadLetters", "DeadLetters"),
    ("post", "/v1/dead-letters/{dead_letter_id}/retry"): _Operation(
        "retryDeadLetter", "Done", "202"
    ),
    ("post", "/v1/dead-letters/{dead_letter_id}/discard"): _Operation("discardDeadLetter", "Done"),
    ("get", "/v1/approvals"): _Operation("listApprovals", "Approvals"),
    ("post", "/v1/approvals/{approval_id}/approve"): _Operation(
        "approveHeldServices", "Done", "202"
    ),
    ("post", "/v1/approvals/{approval_id}/reject"): _Operation("rejectHeldServices", "Done", "202"),
    ("post", "/v1/hooks/{adapter}/{endpoint_id}"): _Operation("postHook"),
    ("get", "/v1/hooks/{adapter}/{endpoint_id}"): _Operation("probeHook"),
}


def complete(document: dict[str, Any]) -> None:
    """Finish the document that FastAPI made, in place."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _leave_out_fastapis_own(operation["responses"])
            said = _OPERATIONS.get((method, path))
            if said is None:
                continue
            operation["operationId"] = said.id
            answer = operation["responses"][said.status]
            if said.answer:
                shape = {"schema": ref(said.answer), "example": EXAMPLES[said.answer]}
                answer["content"] = {_JSON: shape}
            elif said.id == "getSchema":
                answer["content"] = {"application/schema+json": {"schema": {"type": "object"}}}
            else:
                answer.pop("content", None)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FASTAPIS:
        schemas.pop(name, None)
    schemas.update(SCHEMAS)
    components["examples"] = {kind: {"value": problem_example(kind)} for kind in KINDS}


def _leave_out_fastapis_own(responses: dict[str, Any]) -> None:
    """FastAPI's own 422: here it is 400, a problem like all others."""
    if any(name in str(responses.get("422", {})) for name in _FASTAPIS):
        del responses["422"]
