"""Events of devices that are known by their MACs, said of devices that log in by PPPoE.

So the end-to-end tests run on routers with PPP secrets as they are: each device logs in with its
MAC, and rows are shown with that MAC and in the fields of a lease.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from contracts.sealing import Sealer, sealed_event
from producers.publisher import Publisher

_ISP = "@isp"
_LEASE_NAMES = {"remote-address": "address", "disabled": "block-access"}


def login(mac: str) -> dict[str, str]:
    """What the device with a MAC logs in with."""
    digits = mac.replace(":", "").lower()
    return {"name": f"{digits}{_ISP}", "password": f"never-shown-{digits}"}


def dialled(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the BSS of an ISP with PPPoE sends it; one that names no device stays."""
    said = deepcopy(dict(event))
    data, name = said.get("data", {}), said["type"]
    block = data.get("service", {})
    if "device" in block:
        block["ppp"] = login(block.pop("device")["mac"])
        block["access"].pop("dhcp_server", None)
    elif ".mac_changed." in name or ".device_swapped." in name:
        mac = data.pop("mac", None) or data.pop("device")["mac"]
        said["type"] = "leasewire.service.ppp_changed.v1"
        data["ppp"] = login(mac)
    return said


def shown(row: Mapping[str, str]) -> dict[str, str]:
    """A secret in the fields of a lease; a name of nobody here stays a name."""
    digits, _, isp = row["name"].partition("@")
    fields = {_LEASE_NAMES.get(name, name): value for name, value in row.items()}
    if f"@{isp}" == _ISP:
        fields["mac-address"] = ":".join(digits[i : i + 2] for i in range(0, 12, 2)).upper()
    return fields


class DiallingPublisher:
    """Publishes what it is given as `dialled` says, with the passwords sealed.

    Args:
        publisher: by which.
        sealer: of the installation.
    """

    def __init__(self, publisher: Publisher, sealer: Sealer) -> None:
        self._publisher, self._sealer = publisher, sealer

    def publish(self, events: Iterable[Mapping[str, Any]], **how: Any) -> Any:
        """See `Publisher.publish`."""
        sealed = [sealed_event(dialled(event), self._sealer)[0] for event in events]
        return self._publisher.publish(sealed, **how)
