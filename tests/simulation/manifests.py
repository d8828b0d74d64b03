"""Manifests that a BSS says: lists of all its services, each in two parts."""

from datetime import UTC, datetime
from typing import Any, Final

from tests import builders
from tests.simulation.asked import CHANGES_S, LATE
from tests.simulation.virtual import BEGAN_S, CHANCE

WAITS_S: Final = CHANGES_S + 30.0
"""So long after all came to rest a list is of services that did not change lately."""


def early(services: int) -> list[dict[str, Any]]:
    """One that is said while all services change: it ends none."""
    return _parts("early", "cancel", BEGAN_S, _some(services))


def late(services: int, now_s: float) -> list[dict[str, Any]]:
    """One that is said long after the last change: it ends the services that it does not list."""
    return _parts(LATE, CHANCE.choice(["suspend", "cancel"]), now_s, _some(services))


def _some(services: int) -> list[str]:
    return [f"SVC-{number}" for number in range(services) if CHANCE.random() < 0.5]


def _parts(name: str, missing: str, at_s: float, listed: list[str]) -> list[dict[str, Any]]:
    time = datetime.fromtimestamp(round(at_s, 3), UTC).isoformat()
    half = len(listed) // 2
    return [
        {
            "specversion": "1.0",
            "id": f"{name}-{part}",
            "source": builders.SOURCE,
            "type": "leasewire.inventory.manifest.v1",
            "subject": f"inventory/{name}",
            "time": time,
            "datacontenttype": "application/json",
            "data": {
                "manifest_id": name,
                "part": part,
                "parts": 2,
                "taken_at": time,
                "missing": missing,
                "services": [{"service_id": service} for service in some],
            },
        }
        for part, some in ((1, listed[:half]), (2, listed[half:]))
    ]
