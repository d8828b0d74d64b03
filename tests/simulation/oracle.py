"""What routers must hold after some events, from the contract alone: it shares no code with ours.

For the events of `tests/faults/history.py` that are not wide: one DHCP server a service, addresses
that events name, and the default way to suspend, which is to block.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Wanted(NamedTuple):
    """A lease: what identifies it, and whether its device may use the network."""

    mac: str
    address: str
    server: str
    blocked: bool


def wanted_rows(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Wanted]]:
    """Router -> service -> its lease, in whatever order the events are given.

    Args:
        events: with revisions; the highest of a service was said last.
    """
    said: dict[str, dict[int, Mapping[str, Any]]] = {}
    for event in events:
        data = event["data"]
        said.setdefault(data["service_id"], {})[data["revision"]] = event
    found: dict[str, dict[str, Wanted]] = {}
    for service, by_revision in said.items():
        state: dict[str, Any] = {}
        for revision in sorted(by_revision):
            _apply(state, by_revision[revision])
        if state.get("on"):
            lease = Wanted(state["mac"], state["address"], state["server"], state["blocked"])
            found.setdefault(state["router"], {})[service] = lease
    return found


def _apply(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    name, data = event["type"].split(".")[-2], event["data"]
    match name:
        case "activated" | "snapshot":
            block = data["service"]
            state |= {
                "on": True,
                "router": block["access"]["router"],
                "server": block["access"]["dhcp_server"],
                "mac": block["device"]["mac"],
                "address": block["address"]["ipv4"],
                "blocked": block["status"] == "suspended",
            }
        case "mac_changed":
            state["mac"] = data["mac"]
        case "device_swapped":
            state["mac"] = data["device"]["mac"]
        case "moved":
            state["router"] = data["access"]["router"]
            state["server"] = data["access"].get("dhcp_server", state.get("server"))
        case "suspended":
            state["blocked"] = True
        case "resumed":
            state["blocked"] = False
        case "cancelled":
            state["on"] = False
        case _:
            raise ValueError(f"the oracle does not know {name}")
