"""What a BSS asked for so far, by service: whether a write to a row has a reason.

By contracts/README.md alone: each field keeps what the highest revision said of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from tests.simulation.forms import FIRST

CHANGES_S: Final = 300.0
"""A list of services leaves alone what changed in so many seconds before it was made."""
LATE: Final = "late"
"""The manifest that ends services; others come while all of them change."""
NUMBERS: Final = range(FIRST, 9)
"""Of the devices of a service."""
_WHOLE: Final = ("activated", "snapshot")
"""They say all of a service."""

Event = Mapping[str, Any]


@dataclass
class Asked:
    """Events that were published, and those of them that were applied.

    Attributes:
        rows_at: the router that holds the rows of a router's services, where it is another one.
        listed: services in the parts of the manifest that ends others; None: none was said.
        edited: name -> service, of names that people gave to secrets. Once Redis lost its end,
            nobody knows whether an event changed them.
    """

    rows_at: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[str] | None = None
    edited: dict[str, str] = field(default_factory=dict)
    _forgot: bool = False
    _by_service: dict[str, dict[str, Event]] = field(default_factory=dict)
    _applied: dict[tuple[str, str], dict[str, Event]] = field(default_factory=dict)
    _done: dict[str, set[str]] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """An event is about to be published."""
        if "service_id" in event["data"]:
            self._by_service.setdefault(event["data"]["service_id"], {})[event["id"]] = event
        elif event["data"]["manifest_id"] == LATE:
            listed = {each["service_id"] for each in event["data"]["services"]}
            self.listed = (self.listed or frozenset()) | listed

    def note_done(self, service: str, event_id: str) -> None:
        """An event was applied, or newer ones came before it."""
        self._done.setdefault(service, set()).add(event_id)

    def note_applied(self, service: str, router: str, event_id: str) -> None:
        """An event was said to be applied at a router; at another one a pass may go on."""
        event = self._by_service.get(service, {}).get(event_id)
        if event is not None:
            self._applied.setdefault((service, router), {})[event_id] = event

    def forget(self) -> None:
        """Redis lost its end: what was applied may be older now."""
        self._applied.clear()
        self._done.clear()
        self._forgot = True

    def removal(self, member: str, router: str) -> bool:
        """Whether something asks that a device have no row on a router any more.

        A device, here and below, is a service, or `S/2` for one of its further devices.
        """
        service, number = _place(member)
        says = partial(said_of, number=number)
        return (
            self._is_unlisted(service)
            or self._asks(service, router, lambda e: name_of(e) == "cancelled", _says_all)
            or self.moving(service, router)
            or self._asks(service, router, lambda e: said_of(e, number) == {}, says)
        )

    def moving(self, service: str, router: str) -> bool:
        """Whether something asks that a service be at another router."""
        return self._asks(
            service,
            router,
            lambda e: self._router_of(e) not in (None, router),
            lambda e: self._router_of(e) == router,
        )

    def was_at(self, service: str, router: str) -> bool:
        """Whether a service was said to be at a router."""
        applied = self._applied.get((service, router), {}).values()
        return any(self._router_of(event) == router for event in applied)

    def _router_of(self, event: Event) -> str | None:
        router = _router_of(event)
        return self.rows_at.get(router, router) if router else None

    def blocking(self, service: str, router: str) -> bool:
        """Whether something asks that a service be suspended."""
        return self._is_unlisted(service) or self._asks(
            service,
            router,
            lambda e: name_of(e) == "suspended",
            lambda e: name_of(e) == "resumed" or _says_all(e),
        )

    def is_suspended(self, service: str, router: str) -> bool:
        """Whether it was suspended by the newest event that was applied there and says anything."""
        applied = self._applied.get((service, router), {}).values()
        said = [e for e in applied if name_of(e) in ("suspended", "resumed") or _says_all(e)]
        return bool(said) and name_of(max(said, key=order_of)) == "suspended"

    def is_over(self, service: str, router: str) -> bool:
        """Whether the newest event that was applied there, and says all or its end, ended it."""
        applied = self._applied.get((service, router), {}).values()
        said = [e for e in applied if name_of(e) == "cancelled" or _says_all(e)]
        return bool(said) and name_of(max(said, key=order_of)) == "cancelled"

    def unblocking(self, service: str, router: str) -> bool:
        """Whether something asks that a service be no longer suspended, or in another way."""
        return self._asks(
            service,
            router,
            lambda e: name_of(e) in ("resumed", "suspended") or _says_all(e),
            lambda e: name_of(e) == "suspended",
        )

    def device(self, member: str, router: str, device: str) -> bool:
        """Whether something asks that this be the device: a MAC, a name, or ids."""
        service, number = _place(member)
        kind = device.partition(":")[0]
        return self._asks(
            service,
            router,
            lambda e: device in devices_of(e, number).values(),
            lambda e: kind in devices_of(e, number) or said_of(e, number) == {},
        )

    def password(self, service: str, password: str) -> bool:
        """Whether something asks that a service have this password."""
        events = self._by_service.get(service, {}).values()
        return any(_login_of(event).get("password") == password for event in events)

    def ends(self, name: str, router: str) -> bool:
        """Whether something that is not done yet may end sessions of this name.

        A move is done when the new router has the row; the former one is cleaned after that. A
        name that a person gave to a secret is one of its service: if the writer died, nobody knows
        by which one the device logged in.
        """
        return (self._forgot and name in self.edited) or any(
            self._is_unlisted(service)
            or self.moving(service, router)
            or events.keys() - self._done.get(service, set())
            for service, events in self._by_service.items()
            if self.edited.get(name) == service
            or any(_login_of(event).get("name") == name for event in events.values())
        )

    def address(self, member: str, router: str, address: str) -> bool:
        """Whether something asks that a device have this address."""
        service, number = _place(member)
        return self._asks(
            service,
            router,
            lambda e: address_of(e, number) == address,
            lambda e: address_of(e, number) or said_of(e, number) == {},
        )

    def may_have(self, member: str, router: str, device: str, address: str) -> bool:
        """Whether this device, or this address, is what something asks for."""
        has_device = self.device(member, router, device)
        return has_device or self.address(member, router, address)

    def another_may_have(self, member: str, router: str, device: str, address: str) -> bool:
        """Whether this device, or this address, is what something asks for another one."""
        return any(
            self.may_have(f"{service}/{number}", router, device, address)
            for service in self._by_service
            for number in NUMBERS
            if (service, number) != _place(member)
        )

    def another_has(self, member: str, address: str) -> bool:
        """Whether something asks that another device have this address."""
        return any(
            address_of(event, number) == address
            for service, events in self._by_service.items()
            for event in events.values()
            for number in NUMBERS
            if (service, number) != _place(member)
        )

    def _is_unlisted(self, service: str) -> bool:
        return self.listed is not None and service not in self.listed

    def _asks(
        self,
        service: str,
        router: str,
        wants: Callable[[Event], object],
        settles: Callable[[Event], object],
    ) -> bool:
        """Whether an event wants it, and none that was applied there is newer and says otherwise.

        What is dated may take effect after newer ones.
        """
        settled = max(
            (order_of(e) for e in self._applied.get((service, router), {}).values() if settles(e)),
            default=None,
        )
        return any(
            settled is None or "effective_at" in e["data"] or order_of(e) >= settled
            for e in self._by_service.get(service, {}).values()
            if wants(e)
        )


def name_of(event: Event) -> str:
    """Such as `mac_changed`."""
    name: str = event["type"].split(".")[-2]
    return name


def order_of(event: Event) -> Any:
    """The revision, or the time where a source has none."""
    return event["data"].get("revision") or datetime.fromisoformat(event["time"])


def _says_all(event: Event) -> bool:
    return name_of(event) in _WHOLE


def _block_of(event: Event) -> Mapping[str, Any]:
    block: Mapping[str, Any] = event["data"].get("service") or event["data"]
    return block


def _router_of(event: Event) -> str | None:
    return (_block_of(event).get("access") or {}).get("router")


def _place(member: str) -> tuple[str, int]:
    """A service, and the number of its device."""
    service, _, number = member.partition("/")
    return service, int(number or FIRST)


def said_of(event: Event, number: int) -> Mapping[str, Any] | None:
    """What an event says of a device; empty: it is no more, None: nothing.

    A block without a further device ends it.
    """
    data, name = event["data"], name_of(event)
    if name in ("device_added", "device_removed"):
        device: Mapping[str, Any] = data.get("device", {})
        return device if (device or data)["number"] == number else None
    if number == FIRST:
        return _block_of(event)
    if name not in _WHOLE:
        return None
    given = {each["number"]: each for each in data["service"].get("devices", ())}
    return given.get(number, {})


def devices_of(event: Event, number: int = FIRST) -> dict[str, str]:
    """By what an event says that a device is known: `mac`, `name`, `option-82`."""
    block = said_of(event, number) or {}
    device = block.get("device") or block
    ids = [device.get(name, "") for name in ("circuit_id", "remote_id")]
    name = _login_of(event).get("name", "") if number == FIRST else ""
    found = {"mac": device.get("mac", ""), "name": name}
    found |= {"option-82": "+".join(ids)} if any(ids) else {}
    return {kind: f"{kind}:{value}" for kind, value in found.items() if value}


def _login_of(event: Event) -> Mapping[str, str]:
    return _block_of(event).get("ppp") or {}


def address_of(event: Event, number: int = FIRST) -> str | None:
    """The address, or the pool, that an event gives to a device."""
    address = (said_of(event, number) or {}).get("address") or {}
    return address.get("ipv4") or address.get("pool")


def addresses_of(event: Event) -> Iterator[str]:
    """All that an event gives to devices of its service."""
    yield from filter(None, (address_of(event, number) for number in NUMBERS))
