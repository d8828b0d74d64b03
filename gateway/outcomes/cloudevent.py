"""What the feed and the webhooks say: each change of an event's outcome as a CloudEvent.

Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

TYPE: Final = "leasewire.outcome.{state}.v1"
TEST: Final = "leasewire.outcome.test.v1"
"""A person tries whether a target takes what it is sent: no event is meant."""
MISSED: Final = "leasewire.outcome.missed.v1"
"""Some were let go before they could be delivered: read the state of services instead."""


def outcome_event(item_id: str, installation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """One item of the feed.

    Args:
        item_id: of the feed; no two items of an installation have one.
        installation: whose.
        document: the outcome, as `leasewire events show --json` has it.
    """
    return {
        "specversion": "1.0",
        "id": f"outcome-{item_id}",
        "source": f"urn:leasewire:{installation}",
        "type": TYPE.format(state=document["state"]),
        **({"subject": f"service/{document['service']}"} if "service" in document else {}),
        "time": document["at"],
        "datacontenttype": "application/json",
        "data": dict(document),
    }


def missed_event(after: str, installation: str, time: str) -> dict[str, Any]:
    """Says that items after a cursor are not kept any more; `time` in RFC 3339."""
    return {
        "specversion": "1.0",
        "id": f"missed-{after}",
        "source": f"urn:leasewire:{installation}",
        "type": MISSED,
        "time": time,
        "datacontenttype": "application/json",
        "data": {
            "detail": "outcomes after this cursor were let go before they could be delivered: "
            "GET /v1/services/{id} says what is",
            "cursor": after,
        },
    }


def trial_event(token: str, installation: str, time: str, source: str) -> dict[str, Any]:
    """An outcome of no event, for a person who tries a target.

    Args:
        token: makes its id one of its own.
        installation: whose.
        time: in RFC 3339.
        source: one of the target's.
    """
    return {
        "specversion": "1.0",
        "id": f"test-{token}",
        "source": f"urn:leasewire:{installation}",
        "type": TEST,
        "time": time,
        "datacontenttype": "application/json",
        "data": {
            "state": "test",
            "source": source,
            "detail": "sent by `leasewire outcomes test`: no event is meant",
        },
    }
