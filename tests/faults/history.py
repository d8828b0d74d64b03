"""Legal histories: what a BSS would say of many services, in the order in which it happened.

At every moment no two services of a router have one MAC or address, but for the two events of a
swap, which follow each other. In a conflicting history services share MACs and addresses by design.
Revisions count up per service.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests import builders

SOURCE = builders.SOURCE
SERVER = "dhcp-vlan-32"


@dataclass
class _Service:
    number: int
    router: str
    macs: list[str]
    addresses: list[str]
    revision: int = 0
    status: str = "none"
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"SVC-{self.number}"


def mac_of(number: int, choice: int) -> str:
    return f"00:00:5E:{number >> 8:02X}:{number & 255:02X}:{choice:02X}"


def _address(number: int, choice: int) -> str:
    return f"100.{64 + choice}.{number >> 8}.{number & 255}"


def history(  # noqa: C901 - one case an event
    rng: random.Random,
    routers: Sequence[str],
    services: int,
    events: int,
    *,
    conflicting: bool = False,
) -> list[dict]:
    """As many events of as many services, in the order in which they happened.

    Args:
        rng: decides all.
        routers: to choose from.
        services: how many.
        events: how many.
        conflicting: two of three services must share their MACs, and their addresses, with others.
    """
    macs, addresses = (services // 3, 3) if conflicting else (services, 1)
    every = [
        _Service(
            n,
            rng.choice(routers),
            [mac_of(n % macs, c) for c in range(3)],
            [_address(n // addresses, c) for c in (0, 1)],
        )
        for n in range(services)
    ]
    said: list[dict[str, Any]] = []
    while len(said) < events:
        service = rng.choice(every)
        if service.status in ("none", "cancelled"):
            said.append(_say(service, "activated"))
            service.status = "on"
            continue
        what = rng.choices(
            ["mac", "suspend", "resume", "snapshot", "move", "swap", "cancel"],
            [5, 3, 3, 2, 2, 2, 2],
        )[0]
        match what:
            case "mac":
                rng.shuffle(service.macs)
                mac = service.macs[0]
                swapped = {"device": {"mac": mac, "serial": f"HX-{mac[-2:]}"}}
                name, data = rng.choice(
                    [("mac_changed", {"mac": mac}), ("device_swapped", swapped)]
                )
                said.append(_say(service, name, **data))
            case "suspend":
                said.append(_say(service, "suspended"))
            case "resume":
                said.append(_say(service, "resumed"))
            case "snapshot":
                rng.shuffle(service.addresses)
                said.append(_say(service, "snapshot"))
            case "move":
                service.router = rng.choice(routers)
                access = {"router": service.router, "dhcp_server": SERVER}
                name, data = rng.choice([("snapshot", {}), ("moved", {"access": access})])
                said.append(_say(service, name, **data))
            case "swap":
                other = rng.choice(every)
                if other is service or other.status != "on" or other.router != service.router:
                    continue
                service.addresses, other.addresses = other.addresses, service.addresses
                said += [_say(service, "snapshot"), _say(other, "snapshot")]
            case "cancel":
                said.append(_say(service, "cancelled"))
                service.status = "cancelled"
    return said


def _say(service: _Service, name: str, **data: Any) -> dict[str, Any]:
    service.revision += 1
    if name in ("activated", "snapshot"):
        data["service"] = builders.service_block(
            router=service.router,
            server=SERVER,
            mac=service.macs[0],
            ipv4=service.addresses[0],
        )
    return builders.event(name, service.id, revision=service.revision, **data)


def deliveries(
    rng: random.Random, events: Sequence[dict], *, duplicates: float, displaced_by: int
) -> list[dict]:
    """The events as they arrive: some twice, each up to so many places from where it was."""
    copies = [event for event in events if rng.random() < duplicates]
    places = {id(event): n for n, event in enumerate(events)}
    arriving = [
        (places[id(event)] + rng.uniform(-displaced_by, displaced_by), event)
        for event in [*events, *copies]
    ]
    return [event for _, event in sorted(arriving, key=lambda pair: pair[0])]
