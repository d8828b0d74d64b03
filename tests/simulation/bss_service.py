"""One service as a BSS knows it, and what events say of it."""

from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

POOL: Final = "home"
_SAID: Final = [
    "router",
    "server",
    "macs",
    "logins",
    "ids",
    "addresses",
    "is_on",
    "is_assigned",
    "plan",
    "more",
    "spares",
]


@dataclass
class BssService:
    """One of them.

    Attributes:
        id, number: of the service.
        router, server: where it is.
        source: that owns it.
        macs, logins, ids, addresses: it has the first of each; it had, or gets, the others.
        is_on, is_suspended: whether it is served.
        revision: of its last event.
        is_assigned: it has an address of a pool of ours.
        plan: its code.
        has_ipv6: it has a prefix.
        more: MAC and address of its further devices, by number.
        spares: those that it had, or gets.
        before: what it had before its last event, where it may be so again.
    """

    id: str
    number: int
    router: str
    source: str
    server: str
    macs: list[str]
    logins: list[dict[str, str]]
    ids: list[dict[str, str]]
    addresses: list[str]
    is_on: bool = False
    is_suspended: bool = False
    revision: int = 0
    is_assigned: bool = False
    plan: str | None = None
    has_ipv6: bool = False
    more: dict[int, tuple[str, str]] = field(default_factory=dict)
    spares: list[tuple[str, str]] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)

    def note(self) -> dict[str, Any]:
        """Note what is said of it now; returns what was before that, where it may be again."""
        before, self.before = self.before, {name: copy(getattr(self, name)) for name in _SAID}
        return before


def address_of(service: BssService) -> dict[str, Any]:
    """The `address` of an event."""
    if service.is_assigned:
        return {"mode": "assigned", "pool": POOL}
    return {"mode": "static", "ipv4": service.addresses[0]}


def ipv6_of(service: BssService) -> dict[str, Any]:
    """The `ipv6` of an event, if it has one."""
    if not service.has_ipv6:
        return {}
    client = f"00030001{service.macs[0].replace(':', '').lower()}"
    length = 64 if service.logins[0] else 56  # a secret has one of 64 alone
    prefix = {"mode": "static", "ipv6": f"2001:db8:{service.number + 1:x}::/{length}"}
    return {"ipv6": {"prefix": prefix, "duid": client, "iaid": service.number + 1}}


def device_at(service: BssService, number: int) -> dict[str, Any]:
    """A further device, as events have it."""
    mac, address = service.more[number]
    return {"number": number, "mac": mac, "address": {"mode": "static", "ipv4": address}}


def block_of(service: BssService) -> dict[str, Any]:
    """The `service` block of an event."""
    plan = {} if service.plan is None else {"plan": {"code": service.plan}}
    login = {"ppp": service.logins[0]} if service.logins[0] else {}
    more = {"devices": [device_at(service, number) for number in service.more]}
    more = more if service.more else {}
    return {
        "status": "active",
        "access": {"router": service.router, "dhcp_server": service.server},
        "device": {"mac": service.macs[0], **service.ids[0]},
        **login,
        "address": address_of(service),
        **ipv6_of(service),
        **plan,
        **more,
    }
