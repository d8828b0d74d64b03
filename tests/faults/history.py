"""Legal histories: what a BSS would say of many services, in the order in which it happened.

At every moment no two services of a router have one MAC or address, but for the two events of a
swap, which follow each other. In a conflicting history services share MACs and addresses by design.
Revisions count up per service; what the source ordered by times says has a later time each.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests import builders, dialling
from tests.faults import estate
from tests.faults.further import Further
from tests.installation import MAC_ENTRIES, SECRETS

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
    source: str = SOURCE
    server: str = SERVER
    pool: str | None = None
    is_assigned: bool = False
    """Its address comes from a pool of ours."""
    logs_in: bool = False
    """Its events say what its device dials in with, too: its router may have PPP secrets."""
    secret: int = 0
    """Of its password."""
    ports: list[dict[str, str]] = field(default_factory=list)
    """Ids of option 82: those of its present port first; empty: its events give none."""
    ipv6: str = ""
    """`static` or `assigned`, or `learned` where its client is not stated; empty: none."""
    further: Further | None = None
    """None: it has one device, always."""
    more: dict[str, Any] = field(default_factory=dict)
    """Fields of its block besides."""

    @property
    def id(self) -> str:
        return f"SVC-{self.number}"


def mac_of(number: int, choice: int) -> str:
    return f"00:00:5E:{number >> 8:02X}:{number & 255:02X}:{choice:02X}"


def _address(number: int, choice: int) -> str:
    return f"100.{64 + choice}.{number >> 8}.{number & 255}"


def history(  # noqa: C901, PLR0912, PLR0913, PLR0915 - one case an event, and what decides them
    rng: random.Random,
    routers: Sequence[str],
    services: int,
    events: int,
    *,
    conflicting: bool = False,
    wide: bool = False,
) -> list[dict]:
    """As many events of as many services, in the order in which they happened.

    Args:
        rng: decides all.
        routers: to choose from.
        services: how many.
        events: how many.
        conflicting: two of three services must share their MACs, and their addresses, with others.
        wide: of routers as `estate.py` has them: pools, plans, options, two DHCP servers, two
            sources; and of one service in ten much is said.
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
    weights = [1] * services
    if wide:
        weights = [_OFTEN if n % _OFTEN == 0 else 1 for n in range(services)]
        for service in every:
            _widen(service, rng)
            if rng.random() < _AT_PORTS_SHARE:
                service.ports = [_port_of(service.number % macs, choice) for choice in (0, 1)]
            if rng.random() < _SEVERAL_SHARE:
                _give_several(service, service.number % macs, service.number // addresses)
                service.router = rng.choice(_fit_for(service, routers))
    said: list[dict[str, Any]] = []
    while len(said) < events:
        (service,) = rng.choices(every, weights)
        if wide and service.status == "on" and rng.random() < _WIDE_SHARE:
            said += _say_more(service, rng, every)
            continue
        if service.further and service.status != "on":
            service.further.change_all(rng)
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
                rng.shuffle(service.ports)
                device = {**_device_of(service), "serial": f"HX-{mac[-2:]}"}
                swapped = {"device": device, **_ipv6_of(service)}
                ways = [("mac_changed", {"mac": mac}), ("device_swapped", swapped)]
                name, data = rng.choice([*ways, *_other_logins(service, rng)])
                said.append(_say(service, name, **data))
            case "suspend":
                mode = rng.choice(_MODES) if wide else None
                said.append(_say(service, "suspended", suspension=mode and {"mode": mode}))
            case "resume":
                said.append(_say(service, "resumed"))
            case "snapshot":
                rng.shuffle(service.addresses)
                if service.further and service.further.held and rng.random() < 1 / 2:
                    service.addresses[0] = service.further.trade(rng, service.addresses[0])
                said.append(_say(service, "snapshot"))
            case "move":
                service.router = rng.choice(_fit_for(service, routers))
                if wide:
                    service.server = rng.choice(estate.SERVERS)
                access = {"router": service.router, "dhcp_server": service.server}
                # not each kind of router can give an address of a pool
                address = {"address": _block_of(service)["address"]} if wide else {}
                name, data = rng.choice([("snapshot", {}), ("moved", {"access": access} | address)])
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


def _widen(service: _Service, rng: random.Random) -> None:
    """Give a service what only some have."""
    service.server = rng.choice(estate.SERVERS)
    service.logs_in = True
    if service.number % 7 == 3:
        service.source = estate.BY_TIMES
    if rng.random() < _POOL_SHARE:
        service.pool = rng.choice(estate.POOLS)
    service.is_assigned = rng.random() < _ASSIGNED_SHARE
    service.ipv6 = rng.choice(_WAYS_TO_IPV6)
    service.more = {name: value(rng) for name, value in _MORE.items() if rng.random() < 1 / 2}


def _give_several(service: _Service, macs: int, addresses: int) -> None:
    """Let a service have further devices; the numbers tell whose MACs and addresses they have."""
    service.further = Further(
        [mac_of(macs, _FURTHER + choice) for choice in _CHOICES],
        [_address(addresses, choice) for choice in _CHOICES],
        [_port_of(macs, choice) for choice in _CHOICES if service.ports],
    )


def _fit_for(service: _Service, routers: Sequence[str]) -> Sequence[str]:
    """The routers where all devices of a service can be: a PPP secret is of one alone."""
    if service.further is None:
        return routers
    return [router for router in routers if estate.menu_of(router) != SECRETS]


def _plan(rng: random.Random) -> dict[str, Any]:
    rates = rng.choice([{}, {"down_kbps": rng.choice([20_000, 60_000]), "up_kbps": 5_000}])
    return {"code": rng.choice(estate.PLANS), **rates}


def _dns_servers(rng: random.Random) -> list[str]:
    return rng.sample(["9.9.9.9", "1.1.1.1", "8.8.8.8"], rng.randint(0, 2))


def _options(rng: random.Random) -> list[dict[str, Any]]:
    return rng.choice([[], [{"code": 42, "hex": "0a000001"}], [{"code": 66, "hex": "61"}]])


_MORE: Final = {"plan": _plan, "dns_servers": _dns_servers, "options": _options}
_MODES: Final = (None, None, "block", "walled_garden", "throttle")
_OFTEN: Final = 10
"""One service in so many is spoken of so much more often."""
_WIDE_SHARE: Final = 0.25
_POOL_SHARE: Final = 0.15
_AT_PORTS_SHARE: Final = 0.6
_ASSIGNED: Final = {"mode": "assigned", "pool": estate.ASSIGNED}
_ASSIGNED_SHARE: Final = 0.3
_SEVERAL_SHARE: Final = 0.25
_FURTHER: Final = 0x10
"""MACs of further devices end in this, and more."""
_CHOICES: Final = range(2, 6)
"""Of what further devices have: none of them is the first device's."""
_WAYS_TO_IPV6: Final = ("", "", "static", "assigned", "learned")
_BEGAN: Final = datetime.now(UTC)


def _say_more(
    service: _Service, rng: random.Random, every: Sequence[_Service]
) -> list[dict[str, Any]]:
    """What only wide histories have."""
    if service.further is None or rng.random() < 1 / 3:
        return [_say_other(service, rng)]
    other = rng.choice(every)
    if other.further and other.status == "on" and service.further.may_give(other.further):
        gone, device = service.further.give(rng, other.further)
        return [
            _say(service, "device_removed", number=gone),
            _say(other, "device_added", device=device),
        ]
    name, data = service.further.change(rng)
    return [_say(service, name, **data)]


def _say_other(service: _Service, rng: random.Random) -> dict[str, Any]:
    """One of the events that only wide histories have."""
    match rng.choice(["plan", "dns_servers", "options", "address"]):
        case "plan":
            service.more["plan"] = _plan(rng)
            return _say(service, "plan_changed", plan=service.more["plan"])
        case "dns_servers":
            service.more["dns_servers"] = _dns_servers(rng)
            return _say(service, "dns_changed", dns_servers=service.more["dns_servers"])
        case "options":
            service.more["options"] = _options(rng)
            return _say(service, "options_changed", options=service.more["options"])
        case _:
            service.pool = rng.choice([None, *estate.POOLS])
            service.is_assigned = rng.random() < _ASSIGNED_SHARE
            service.ipv6 = service.ipv6 and rng.choice(["static", "assigned", "learned"])
            address = _block_of(service)["address"]
            return _say(service, "address_changed", address=address, **_ipv6_of(service))


def _ipv6_of(service: _Service) -> dict[str, Any]:
    """The field `ipv6` of a service that has a prefix, with the client of its present device."""
    if not service.ipv6:
        return {}
    if service.ipv6 == "assigned":
        prefix = {"mode": "assigned", "pool": estate.ASSIGNED6}
    else:
        prefix = {"mode": "static", "ipv6": f"2001:db8:{service.number:x}::/56"}
    mac = service.macs[0].replace(":", "").lower()
    client = {"duid": f"00030001{mac}", "iaid": service.number}
    return {"ipv6": {"prefix": prefix, **({} if service.ipv6 == "learned" else client)}}


def _port_of(number: int, choice: int) -> dict[str, str]:
    """One of the ids, or both; those with one have another circuit than those with both."""
    circuit = f"eth {number >> 8}/{number & 255}:{choice}"
    if number % 3 == 0:
        return {"circuit_id": f"olt-7 {circuit}"}
    return {"circuit_id": circuit, "remote_id": f"olt-{number % 3}"}


def _device_of(service: _Service) -> dict[str, str]:
    """What names the device of a service now: its MAC, and its port."""
    return {"mac": service.macs[0], **(service.ports[0] if service.ports else {})}


def _login_of(service: _Service) -> dict[str, str]:
    """What the device of a service dials in with."""
    login = dialling.login(service.macs[0])
    return {**login, "password": f"{login['password']}-{service.secret}"}


def _other_logins(service: _Service, rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Events that say another name or password, as often as those of another MAC."""
    if not service.logs_in:
        return []
    service.secret = rng.randint(0, 2)
    return [("ppp_changed", {"ppp": _login_of(service)})] * 2


def _block_of(service: _Service) -> dict[str, Any]:
    return builders.service_block(
        router=service.router,
        server=service.server,
        device=_device_of(service),
        ipv4=service.addresses[0],
        pool=service.pool if estate.menu_of(service.router) != MAC_ENTRIES else None,
        **({"address": _ASSIGNED} if service.is_assigned else {}),
        **({"ppp": _login_of(service)} if service.logs_in else {}),
        **_ipv6_of(service),
        **(service.further.in_block() if service.further else {}),
        **service.more,
    )


def _say(service: _Service, name: str, **data: Any) -> dict[str, Any]:
    service.revision += 1
    if name in ("activated", "snapshot"):
        data["service"] = _block_of(service)
    if service.source == SOURCE:
        return builders.event(name, service.id, revision=service.revision, **data)
    # by a right clock none is in the future, and by one that is far behind each is
    time = _BEGAN + timedelta(microseconds=service.revision)
    return builders.event(
        name, service.id, revision=None, source=service.source, time=time.isoformat(), **data
    )


def living_around(events: Sequence[Mapping[str, Any]], at: int, around: int) -> list[str]:
    """Services of `SOURCE` that lived at any moment near a place in a history.

    So that nothing is amiss whichever of the events near that place had arrived.
    """
    living: set[str] = set()
    found: set[str] = set()
    for place, event in enumerate(events[: at + around]):
        if place == max(0, at - around):
            found |= living
        if event["source"] != SOURCE:
            continue
        service = event["data"]["service_id"]
        (living.discard if event["type"].endswith(".cancelled.v1") else living.add)(service)
        if place >= at - around:
            found |= {service}
    return sorted(found)


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
