"""Services with several devices: what a BSS says of them, and what routers must hold then.

What they must hold is worked out from the contract, by nothing of ours that knows of further
devices: each has the plan, the options and the suspension of its service, so its row is that of a
service which has this device alone.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NUMBERS: Final = (2, 3, 8)
_LISTED_SHARE: Final = 0.4
_OF_THE_FIRST: Final = frozenset(
    {"mac_changed", "device_swapped", "address_changed", "ppp_changed"}
)
"""Events about the first device alone."""
_NOT_OF_THEM: Final = frozenset({"devices", "ipv6", "ppp"})
"""What of a block no further device has."""


@dataclass
class Further:
    """The further devices of one service. It has more MACs, addresses and ports than devices.

    Attributes:
        macs, addresses: that no other service has.
        ports: ids of option 82; empty: its devices are known by MACs alone.
        held: by number, as events say them.
    """

    macs: list[str]
    addresses: list[str]
    ports: Sequence[Mapping[str, str]]
    held: dict[int, dict[str, Any]] = field(default_factory=dict)

    def change(self, rng: random.Random) -> tuple[str, dict[str, Any]]:
        """A device comes, is replaced or goes: the event's name and data."""
        number = rng.choice(NUMBERS)
        if number in self.held and rng.random() < 1 / 2:
            del self.held[number]
            return "device_removed", {"number": number}
        return "device_added", {"device": self._put(rng, number)}

    def change_all(self, rng: random.Random) -> None:
        """Some others than before, as the next block lists them."""
        self.held.clear()
        for number in NUMBERS:
            if rng.random() < _LISTED_SHARE:
                self._put(rng, number)

    def trade(self, rng: random.Random, address: str) -> str:
        """One of them has this address from now on; returns its former one."""
        device = rng.choice(list(self.held.values()))
        former: str = device["address"]["ipv4"]
        self.addresses[self.addresses.index(former)] = address
        self.held[device["number"]] = {**device, "address": _fixed(address)}
        return former

    def may_give(self, other: "Further") -> bool:
        """Whether one of these devices may become another service's."""
        shares = {*self.macs, *self.addresses} & {*other.macs, *other.addresses}
        return bool(self.held) and len(self.macs) > len(NUMBERS) and not shares

    def give(self, rng: random.Random, other: "Further") -> tuple[int, dict[str, Any]]:
        """One of them is another service's from now on: its former number, and what is said there.

        The port stays here.
        """
        given = self.held.pop(rng.choice(list(self.held)))
        mac, address, number = given["mac"], given["address"], rng.choice(NUMBERS)
        self.macs.remove(mac)
        other.macs.append(mac)
        self.addresses.remove(address["ipv4"])
        other.addresses.append(address["ipv4"])
        other.held[number] = {"number": number, "mac": mac, "address": address}
        return given["number"], other.held[number]

    def in_block(self) -> dict[str, Any]:
        """What a `service` block says of them: nothing where there are none."""
        return {"devices": list(self.held.values())} if self.held else {}

    def _put(self, rng: random.Random, number: int) -> dict[str, Any]:
        others = [device for of, device in self.held.items() if of != number]
        macs = {device["mac"] for device in others}
        addresses = {device["address"]["ipv4"] for device in others}
        circuits = {device.get("circuit_id") for device in others}
        ports = [port for port in self.ports if port["circuit_id"] not in circuits]
        self.held[number] = {
            "number": number,
            "mac": rng.choice([mac for mac in self.macs if mac not in macs]),
            **(rng.choice(ports) if ports and rng.random() < 1 / 2 else {}),
            "address": _fixed(
                rng.choice([each for each in self.addresses if each not in addresses])
            ),
        }
        return self.held[number]


def _fixed(address: str) -> dict[str, str]:
    return {"mode": "static", "ipv4": address}


def as_services(events: Iterable[Mapping[str, Any]], number: int) -> Iterator[dict[str, Any]]:
    """A history as it would be if each service that has this device now had it alone.

    Args:
        events: in the order in which they happened.
        number: of the device.
    """
    events = list(events)
    held: dict[str, Mapping[str, Any] | None] = {}
    for event in events:
        name, data = _name(event), event["data"]
        if "service" in data:  # a block is the whole service
            listed = {each["number"]: each for each in data["service"].get("devices", ())}
            held[data["service_id"]] = listed.get(number)
        elif name == "device_added" and data["device"]["number"] == number:
            held[data["service_id"]] = data["device"]
        elif name == "device_removed" and data["number"] == number:
            held[data["service_id"]] = None
    for event in events:
        device = held.get(event["data"]["service_id"])
        if device is None or _name(event) in {"device_added", "device_removed"} | _OF_THE_FIRST:
            continue
        data = {
            key: value for key, value in event["data"].items() if key not in ("address", "ipv6")
        }
        if "service" in data:
            block = {k: v for k, v in data["service"].items() if k not in _NOT_OF_THEM}
            known = {k: v for k, v in device.items() if k not in ("number", "address")}
            data["service"] = {**block, "device": known, "address": device["address"]}
        yield {**event, "data": data}


def _name(event: Mapping[str, Any]) -> str:
    return str(event["type"]).split(".")[2]
