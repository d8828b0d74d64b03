"""What a BSS says of its services, in the order in which it happened.

At every moment no two services of a router have one MAC, address or prefix, but for the two events
of a swap, or of a service whose address another one gets, which follow each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests import builders
from tests.simulation import further
from tests.simulation.bss_service import BssService, address_of, block_of, ipv6_of
from tests.simulation.manifests import early
from tests.simulation.scale import Scale
from tests.simulation.virtual import BEGAN_S, CHANCE

BY_REVISIONS: Final = builders.SOURCE
BY_TIMES: Final = "urn:isp:bss:times"
"""Owns the services `T-…`, and orders its events by their times."""
SERVERS: Final = ("dhcp-vlan-32", "dhcp-vlan-33")
PLANS: Final = ("HOME-50", "HOME-100")
_SCHEDULED_S: Final = (200.0, 300.0)
"""So long after the last event scheduled ones take effect: all others have arrived."""
_SUSPENSIONS: Final = {"suspended": True, "resumed": False, "cancelled": False, "snapshot": False}
"""Events after which a service is suspended, or is not."""
_WITH_DEVICE: Final = 0.7
"""Of services that get another address, those that get another device too: beside a row with one of
both nothing that landed late can stand."""
_TAKEN_BACK: Final = 0.35
"""Of changes those that the service's next event takes back: who looks then finds nothing to write,
whatever is still under way."""
_CHANGES: Final = 0.9
"""Of events that may say another device or address, those that do."""
_LAST: Final = 3
"""In so many last events one of rivals gets what another has: no later one hides who waits on."""
_MODES: Final = (None, None, "block", "walled_garden", "throttle")


@dataclass
class Bss:
    """Says events of some services.

    Args:
        scale: of the history.
        routers: to choose from.
    """

    scale: Scale
    routers: Sequence[str]
    said: list[dict[str, Any]] = field(default_factory=list)

    def history(self) -> list[dict[str, Any]]:
        """As many events as the scale says."""
        services = [self._service(number) for number in range(self.scale.services)]
        for service in services if self._has("crowd") else ():
            self._go_on(service, services)
        while len(self.said) < self.scale.events:
            self._go_on(CHANCE.choice(services), services)
        if self._has("manifests"):
            place = CHANCE.randint(0, len(self.said))
            self.said[place:place] = early(self.scale.services)
        if self._has("refused"):
            self._say_what_is_refused(services)
        if self._has("scheduled"):
            self._schedule(services)
        return self.said

    def _has(self, feature: str) -> bool:
        return feature in self.scale.features

    def _service(self, number: int) -> BssService:
        by_times = self._has("sources") and number % 3 == 2
        return BssService(
            f"{'T' if by_times else 'SVC'}-{number}",
            number,
            CHANCE.choice(self.routers),
            BY_TIMES if by_times else BY_REVISIONS,
            CHANCE.choice(SERVERS),
            [f"00:00:5E:00:{number:02X}:{choice:02X}" for choice in range(3)],
            self._logins(number),
            self._ids(number),
            [f"100.{64 + choice}.0.{number}" for choice in range(2)],
            is_assigned=self._has("pools") and CHANCE.random() < 0.5,
            plan=CHANCE.choice([None, *PLANS]) if self._has("plans") else None,
            has_ipv6=self._has("ipv6") and CHANCE.random() < 0.7,
            spares=[
                (f"00:00:5E:01:{number:02X}:{choice:02X}", f"100.{70 + choice}.0.{number}")
                for choice in range(4)
            ],
        )

    def _logins(self, number: int) -> list[dict[str, str]]:
        if not self._has("secrets"):
            return [{}]
        names = [(name, word) for name in ("a", "b") for word in ("one", "two")]
        return [{"name": f"{name}{number}@isp", "password": word} for name, word in names]

    def _ids(self, number: int) -> list[dict[str, str]]:
        """What an access node adds for the port of a service; at some ports it adds nothing."""
        if not self._has("ids"):
            return [{}]
        port = {"circuit_id": f"eth 0/{number}"}
        return [{**port, "remote_id": "olt-7"}, {**port, "remote_id": "olt-8"}, port, {}]

    def _go_on(  # noqa: C901, PLR0912 - one case an event
        self, service: BssService, all_of_them: Sequence[BssService]
    ) -> None:
        other = self._partner(service, all_of_them)
        if self._has("rivals") and other and self.scale.events - len(self.said) <= _LAST:
            self._cancel(service, other)
            return
        before = service.note()
        if before and not self._has("rivals") and CHANCE.random() < _TAKEN_BACK:
            vars(service).update(before, before={})
            self._say(service, "snapshot" if service.is_on else "cancelled")
            return
        if not service.is_on:
            self._begin(service)
            return
        kinds = ["device", "suspended", "resumed", "snapshot", "moved", "swap", "cancelled"]
        weights = [
            9,
            16 if self._has("lists") else 4,
            12 if service.is_suspended else 1,
            12,
            2,
            3,
            3,
        ]
        if len(self.routers) > 1:
            weights[4] = 12
        if self._has("rivals"):
            weights[3:] = 5, 2, 20, 10  # others hide who waits
        if self._has("plans"):
            kinds, weights = [*kinds, "plan"], [*weights, 4]
        if self._has("pools"):
            kinds, weights = [*kinds, "address"], [*weights, 3]
        if self._has("secrets"):
            kinds, weights = [*kinds, "login"], [*weights, 5]
        elif self._has("devices"):  # a service that logs in has no further ones
            kinds, weights = [*kinds, "further"], [*weights, 14]
        match CHANCE.choices(kinds, weights)[0]:
            case "device":
                self._change_device(service)
            case "suspended":
                self._suspend(service)
            case "cancelled":
                self._cancel(service, other)
            case "snapshot":
                self._renew(service)
            case "moved":
                self._move(service)
            case "swap":
                self._swap(service, other)
            case "plan":
                service.plan = CHANCE.choice(PLANS)
                self._say(service, "plan_changed", plan={"code": service.plan})
            case "login":
                _change(service.logins)
                self._say(service, "ppp_changed", ppp=service.logins[0])
            case "further":
                room = self.scale.events - len(self.said)
                further.change(service, all_of_them, room, self._say)
            case "address":
                service.is_assigned = not service.is_assigned
                self._say(service, "address_changed", address=address_of(service))
            case name:
                self._say(service, name)

    def _begin(self, service: BssService) -> None:
        """It is served; one that was before is mostly somebody else's by now."""
        service.is_on = True
        if service.revision and not self._has("rivals") and CHANCE.random() < _WITH_DEVICE:
            _change(service.macs)
            _change(service.addresses)
        self._say(service, "activated")

    def _renew(self, service: BssService) -> None:
        _change(service.addresses)
        if CHANCE.random() < _WITH_DEVICE:
            _change(service.macs)
        self._say(service, "snapshot")

    def _change_device(self, service: BssService) -> None:
        _change(service.macs)
        mac = service.macs[0]
        if service.has_ipv6 or CHANCE.random() < 0.5:
            _change(service.ids)
            device = {"mac": mac, **service.ids[0]}
            self._say(service, "device_swapped", device=device, **ipv6_of(service))
        else:
            self._say(service, "mac_changed", mac=mac)

    def _move(self, service: BssService) -> None:
        others = [router for router in self.routers if router != service.router]
        service.router = CHANCE.choice([*others, *others, *self.routers])
        service.server = CHANCE.choice(SERVERS)
        access = {"router": service.router, "dhcp_server": service.server}
        if CHANCE.random() < 0.5:
            self._say(service, "moved", access=access)
        else:
            self._say(service, "snapshot")

    def _suspend(self, service: BssService) -> None:
        mode = CHANCE.choice(_MODES) if self._has("lists") else None
        self._say(service, "suspended", **({"suspension": {"mode": mode}} if mode else {}))

    def _partner(self, service: BssService, all_of_them: Sequence[BssService]) -> BssService | None:
        """Another one on its router that may get what it has, if two events may still be said."""
        fit = [
            other
            for other in all_of_them
            if other.is_on
            and other is not service
            and (other.router, other.source) == (service.router, service.source)
        ]
        return CHANCE.choice(fit) if fit and len(self.said) + 2 <= self.scale.events else None

    def _swap(self, service: BssService, other: BssService | None) -> None:
        """Two services of a router exchange their addresses; the first says so first."""
        if other is None:
            return
        service.before, other.before = {}, {}
        service.addresses, other.addresses = other.addresses, service.addresses
        if {"secrets", "ids"} & {*self.scale.features} and CHANCE.random() < 0.5:
            service.logins, other.logins = other.logins, service.logins
            service.ids, other.ids = other.ids, service.ids
        self._say(service, "snapshot")
        self._say(other, "snapshot")

    def _cancel(self, gone: BssService, other: BssService | None) -> None:
        """What a service had goes to another one of the router, which may say so first."""
        gone.is_on = False
        if other is None:
            self._say(gone, "cancelled")
            return
        gone.before, other.before = {}, {}
        gone.addresses, other.addresses = other.addresses, gone.addresses
        if CHANCE.random() < _WITH_DEVICE:
            gone.macs, other.macs = other.macs, gone.macs
        if self._has("devices") and CHANCE.random() < _WITH_DEVICE:
            further.pass_on_of_gone(gone, other)
        words = [(other, "snapshot"), (gone, "cancelled")]  # the other has to wait
        for service, name in words if self._has("rivals") else CHANCE.sample(words, 2):
            self._say(service, name)

    def _say_what_is_refused(self, services: Sequence[BssService]) -> None:
        """A source speaks of services that the operator gave to another one."""
        for service in services:
            event = builders.event(
                "cancelled",
                service.id,
                revision=None if service.source == BY_REVISIONS else 10**6,
                source=BY_TIMES if service.source == BY_REVISIONS else BY_REVISIONS,
                time=_time(self._at_s()),
            )
            self.said.insert(CHANCE.randint(0, len(self.said)), event)

    def _schedule(self, services: Sequence[BssService]) -> None:
        """Say of some what is to be later, before or after other events of theirs."""
        for service in (service for service in services if service.revision):
            for _ in range(CHANCE.randint(0, 2)):
                effective_s = BEGAN_S + self.scale.over_s + CHANCE.uniform(*_SCHEDULED_S)
                name = CHANCE.choice(["suspended", "resumed", "cancelled"])
                self._say(service, name, effective_at=_time(effective_s))
                if service.is_on and CHANCE.random() < 0.4:
                    self._go_on(service, services)

    def _say(self, service: BssService, name: str, **data: Any) -> None:
        service.revision += 1
        if "effective_at" not in data and name in _SUSPENSIONS:
            service.is_suspended = _SUSPENSIONS[name]
        if name in ("activated", "snapshot"):
            data["service"] = block_of(service)
        by_times = service.source == BY_TIMES
        event = builders.event(
            name,
            service.id,
            revision=None if by_times else service.revision,
            source=service.source,
            time=_time(self._at_s()),
            **data,
        )
        self.said.append(event)

    def _at_s(self) -> float:
        """When the BSS says the next event, a little later each."""
        return BEGAN_S - 100 + len(self.said) / 1000


def _change(values: list[Any]) -> None:
    """Let another one be the first, mostly: what landed late is only seen where it differs."""
    if len(values) > 1 and CHANCE.random() < _CHANGES:
        values.insert(0, values.pop(CHANCE.randrange(1, len(values))))


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(round(at_s, 3), UTC).isoformat()
