"""A simulated router with a customer for each kind of change: when do the changes act?

Traffic and devices are played; time passes by `skip`: a lease of half an hour takes a moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args

from benchmarks.effect_customer import DATED, Customer, Phone
from contracts.identity import event_key
from simulator.control import RouterControl
from simulator.faults import POSITIONS
from tests import builders
from tests.small_installation import SERVER, SmallInstallation
from tests.waiting import eventually
from worker.core.effect.rungs import ChangeKind, EffectiveBy
from worker.core.effect.watch import EffectWatch
from worker.core.rows.normal import seconds
from worker.store.commits import ServiceCommit
from worker.watching.effects import EffectReader

FILTER, DHCP, INTERFACE = "/ip/firewall/filter", "/ip/dhcp-server", "/interface/vlan"
MOMENTS: Final = POSITIONS["removal"]
SWITCHES: Final = [name for name, positions in POSITIONS.items() if positions == MOMENTS]
STAGES: Final[Mapping[str, float]] = {
    "at once": 0,
    "in the shortened time": 0,
    "at the renewal": 0.5,
    "at the lease's end": 0.51,
    "a lease time later": 1.01,
}
"""When it is looked: so many lease times after the one before."""
SHORT_S: Final = 1
_OBEYS_S: Final = 2
"""So long a device takes to obey: routers count in whole seconds."""
NEVER: Final = "not while it renews"
KINDS: Final = (*(kind for kind in get_args(ChangeKind) if kind not in ("prefix", "login")), DATED)
"""Those of leases; `tests/outcomes/test_ipv6_effects.py` has that of prefixes."""
POLICY: Final = 'plan_rates = "events"\nsuspend_list = "suspended"\nshorten_leases = "1s"'
DATED_MS: Final = 4_000
"""So far ahead: longer than the shortened lease time."""


@dataclass(frozen=True, slots=True)
class RouterKind:
    """A kind of router.

    Attributes:
        version: of RouterOS.
        fasttrack: its first rule is FastTrack, before our rules for suspended services.
        reconfigure: the DHCP server may tell devices to renew, and they obey.
        reply_only: the interface learns no ARP entry; the DHCP server adds them.
    """

    version: str
    fasttrack: bool = False
    reconfigure: bool = False
    reply_only: bool = False


class Seen(NamedTuple):
    """What came of one change.

    Attributes:
        rung: that was claimed.
        acted: the first stage at which it was so.
        said: the first stage at which Leasewire said `acting`.
        too_early: it was said while it was not so.
    """

    rung: str
    acted: str
    said: str
    too_early: bool


@dataclass
class Scene:
    """One router with one value of the switches, and a customer for each kind of change."""

    kind: RouterKind
    moment: str
    here: SmallInstallation = field(init=False)
    customers: list[Customer] = field(default_factory=list)

    def play(self) -> dict[str, Seen]:
        """Apply one change of each kind, and see when it acts."""
        simulator = {"version": self.kind.version}
        with SmallInstallation(2, defaults=POLICY, simulator=simulator) as self.here:
            self.reader = EffectReader(self.here.store, self.here.sessions, self.here.policies)
            self._prepare()
            self._begin()
            dated = self._announce()
            events = {c.kind: c.change() for c in self.customers if c.kind != DATED}
            self.router.set_switches(
                **dict.fromkeys(SWITCHES, self.moment),
                stale_renewal="silent" if self.moment == MOMENTS[-1] else "nak",
            )
            self._release(dated)
            self._say(list(events.values()))
            return self._follow(events | {DATED: dated})

    @property
    def router(self) -> RouterControl:
        """The router of all of them."""
        return self.here.r["R1"]

    def _prepare(self) -> None:
        router, known = self.router, {"chain": "forward"}
        if self.kind.fasttrack:
            states = {"connection-state": "established,related"}
            for action in ("fasttrack-connection", "accept"):
                router.add_row(FILTER, known | states | {"action": action})
        for end in ("src", "dst"):
            drop = {"action": "drop", f"{end}-address-list": "suspended"}
            router.add_row(FILTER, known | drop)
        (server,) = (row for row in router.rows(DHCP) if row["name"] == SERVER)
        # Else a device without a service gets an address of the pool, perhaps the one it had.
        keys = {"address-pool": "static-only"}
        keys |= {"use-reconfigure": "yes"} if self.kind.reconfigure else {}
        keys |= {"add-arp": "yes"} if self.kind.reply_only else {}
        router.set_row(DHCP, server[".id"], keys)
        if self.kind.reply_only:
            (vlan,) = (r for r in router.rows(INTERFACE) if r["name"] == server["interface"])
            router.set_row(INTERFACE, vlan[".id"], {"arp": "reply-only"})

    def _begin(self) -> None:
        obeys = "obey" if self.kind.reconfigure else ""
        for number, kind in enumerate(KINDS, start=1):
            phone = Phone(self.router, builders.mac(number), obeys)
            self.customers.append(Customer(kind, number, phone))
        began = [c for c in self.customers if c.kind != "activated"]
        self._say([customer.activation() for customer in began])
        for customer in began:
            customer.phone.ask()
            customer.flow = self.router.flow(customer.address).establish()
            customer.phone.asked = False
        resumed = next(customer for customer in began if customer.kind == "resumed")
        self._say([builders.suspended(resumed.service, revision=2)])
        self._read()

    def _announce(self) -> dict[str, Any]:
        """Publish the dated change, as a lease time ahead; returns the event."""
        customer = next(customer for customer in self.customers if customer.kind == DATED)
        due_ms = self.here.store.records.now_ms() + DATED_MS
        customer.effective_at = datetime.fromtimestamp(due_ms / 1000, UTC).isoformat()
        event = customer.change()
        self._say([event])
        self._pass_time(self._lease_s() / 2 + 1)
        stored = self.here.store.records.read([customer.service])[customer.service]
        at = stored.record.placements["R1"]
        assert at.short is not None  # noqa: S101 - it is nearer than a lease time
        since_ms = at.short.since_ms - self._lease_s() * 1000
        at = at._replace(short=at.short._replace(since_ms=since_ms))
        record = stored.record._replace(placements={"R1": at})
        commit = ServiceCommit(customer.service, stored.generation, record)
        self.here.store.records.commit([commit], self.here.store.records.now_ms())
        for customer in self.customers:
            customer.phone.asked = False
        return event

    def _release(self, event: Mapping[str, Any]) -> None:
        due = datetime.fromisoformat(event["data"]["effective_at"])
        due_ms = round(due.timestamp() * 1000)
        eventually(lambda: self.here.store.records.now_ms() > due_ms, "it is due", within_s=10)
        self.here.accept.release([event["data"]["service_id"]])

    def _lease_s(self) -> int:
        (server,) = (row for row in self.router.rows(DHCP) if row["name"] == SERVER)
        lease_s = seconds(server["lease-time"])
        assert lease_s  # noqa: S101 - each server has one
        return lease_s

    def _say(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.here.say(*events)
        self.here.drain()
        self.here.drain()

    def _follow(self, events: Mapping[str, Mapping[str, Any]]) -> dict[str, Seen]:
        for customer in self.customers:
            customer.phone.asked = False
            if customer.kind in ("activated", "mac"):
                new = builders.mac(customer.number + (100 if customer.kind == "mac" else 0))
                customer.phone = Phone(self.router, new, customer.phone.reconfigure)
                customer.phone.ask()  # it is plugged in
        acted: dict[str, str] = {}
        said: dict[str, str] = {}
        early: set[str] = set()
        lease_s = self._lease_s()
        for stage, lease_times in STAGES.items():
            if stage != "at once":
                self._pass_time(lease_s * lease_times + SHORT_S)
            if self.kind.reconfigure and stage == "at once":
                eventually(self._obeyed, "devices asked that were told to", within_s=10)
                self._applied_earlier(_OBEYS_S)
            acting = self._read()
            for customer in self.customers:
                kind, is_so = customer.kind, customer.acts()
                if is_so:
                    acted.setdefault(kind, stage)
                if events[kind]["id"] in acting:
                    said.setdefault(kind, stage)
                    early |= set() if is_so else {kind}
        return {
            kind: Seen(self._rung(event), acted.get(kind, NEVER), said.get(kind, ""), kind in early)
            for kind, event in events.items()
        }

    def _pass_time(self, by_s: float) -> None:
        """Let time pass on the router, for the devices, and since the changes were applied."""
        self.router.skip(by_s)
        for customer in self.customers:
            customer.phone.wait(by_s)
        self._applied_earlier(by_s)

    def _obeyed(self) -> bool:
        """Whether those devices asked again whose leases let each router tell them to."""
        for customer in self.customers:
            customer.phone.learn()
        return all(c.phone.asked for c in self.customers if c.kind in ("pool", "options"))

    def _applied_earlier(self, by_s: float) -> None:
        """Let the changes have been applied so long before what was played since."""
        keys = self.here.store.keys
        for member, text in self.here.client.hgetall(keys.watches).items():
            watch = EffectWatch.from_text(str(text))
            older = replace(watch, applied_ms=watch.applied_ms - round(by_s * 1000))
            self.here.client.hset(keys.watches, member, older.to_text())

    def _read(self) -> set[str]:
        """The ids of the events that are said to act by now."""
        keys, before = self.here.store.keys, self.here.store.feed.last()
        for member in self.here.client.zrange(keys.watches_due, 0, -1):
            self.here.client.zadd(keys.watches_due, {str(member): 1})
        self.reader.once()
        page = self.here.store.feed.read([builders.SOURCE], before, 500)
        return {item.outcome.event.id for item in page.items if item.outcome.state == "acting"}

    def _rung(self, event: Mapping[str, Any]) -> str:
        (outcome,) = self.here.store.views.outcomes([event_key(event["source"], event["id"])])
        by = EffectiveBy.from_text(outcome.effective_by)
        return by.rung if by else outcome.state
