"""Events of devices that are known by their MACs, said of the ports that they are plugged in at.

So the end-to-end tests run on routers whose leases are by option 82 as they are: each device has a
port of its own, whose circuit id is made of its MAC, and rows are shown with that MAC.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from producers.publisher import Publisher
from worker.core.rows.option82 import hex_of

_PORT: Final = "port "
_NODE: Final = "olt-7"


def ids(mac: str) -> dict[str, str]:
    """What the access node adds to what the device with a MAC asks."""
    return {"circuit_id": f"{_PORT}{mac}", "remote_id": _NODE}


def lease_fields(mac: str) -> dict[str, str]:
    """The ids as a lease has them."""
    circuit, remote = (hex_of(each) for each in ids(mac).values())
    return {"agent-circuit-id": circuit, "agent-remote-id": remote}


def plugged_in(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the BSS of an ISP with option 82 sends it; one that names no device stays."""
    said = deepcopy(dict(event))
    data = said.get("data", {})
    if ".mac_changed." in said["type"]:
        said["type"] = "leasewire.service.device_swapped.v1"
        data["device"] = {"mac": data.pop("mac")}
    for block in (data, data.get("service", {})):
        device = block.get("device", {})
        if device.keys() <= {"mac", "serial"} and "mac" in device:
            device |= ids(device["mac"])
    return said


def shown(row: Mapping[str, str]) -> dict[str, str]:
    """A lease with the MAC that its port is made of; one of no such port as it is."""
    port = bytes.fromhex(row.get("agent-circuit-id", "")).decode("latin-1")
    mac = {"mac-address": port.removeprefix(_PORT)} if port.startswith(_PORT) else {}
    return {**row, **mac}


class PluggingPublisher:
    """Publishes what it is given as `plugged_in` says."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def publish(self, events: Iterable[Mapping[str, Any]], **how: Any) -> Any:
        """See `Publisher.publish`."""
        return self._publisher.publish([plugged_in(event) for event in events], **how)
