"""A simulated router with a customer for each kind of change: when do the changes act?

Traffic and devices are played; time passes by `skip`: a lease of half an hour takes a moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import sleep
from typing import Any, Final, NamedTuple, get_args

from contracts import event_key
from simulator.control import RouterControl
from simulator.traffic import CustomerFlow
from tests import builders
from tests.small_installation import SERVER, SmallInstallation
from tests.waiting import eventually
from worker.core.effect.rungs import ChangeKind, EffectiveBy
from worker.core.effect.watch import EffectWatch
from worker.core.rows.normal import seconds
from worker.store.commits import ServiceCommit
from worker.watching.effects import EffectReader

FILTER, DHCP, INTERFACE = "/ip/firewall/filter", "/ip/dhcp-server", "/interface/vlan"
MOMENTS: Final = ("at-once", "at-renewal", "kept-until-expiry")
SWITCHES: Final = (
    *("rate_change", "rate_clear", "lists_change", "block_access", "disabling"),
    *("address_change", "mac_change", "removal"),
)
STAGES: Final[Mapping[str, float]] = {
    "at once": 0,
    "in the shortened time": 0,
    "at the renewal": 0.5,
    "at the lease's end": 0.51,
    "a lease time later": 1.01,
}
"""When it is looked: so many lease times after the one before."""
SHORT_S: Final = 1
_OBEYS_S: Final = 0.5
"""In that time a device that is told to asks again."""
NEVER: Final = "not while it renews"
DATED: Final = "address, dated"
KINDS: Final = (*(kind for kind in get_args(ChangeKind) if kind not in ("prefix", "login")), DATED)
"""Those of leases; `tests/outcomes/test_ipv6_effects.py` has that of prefixes."""
POLICY: Final = 'plan_rates = "events"\nsuspend_list = "suspended"\nshorten_leases = "1s"'
DATED_MS: Final = 4_000
"""So far ahead: longer than the shortened lease time."""
BEFORE, AFTER = {"up_kbps": 10_000, "down_kbps": 50_000}, {"up_kbps": 5_000, "down_kbps": 20_000}
LIMIT: Final = {"out": 5_000_000, "back": 20_000_000}


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


@dataclass(slots=True)
class Phone:
    """A device of a customer.

    Attributes:
        router: that it asks.
        mac: its own.
        reconfigure: `obey`, or empty.
        address: that it holds; empty: none.
        lease_s, left_s: time of its lease, and how much of it is left.
        asked: it got an answer since the change.
    """

    router: RouterControl
    mac: str
    reconfigure: str = ""
    address: str = ""
    lease_s: float = 0
    left_s: float = 0
    asked: bool = False

    def ask(self) -> None:
        """Ask, or renew; refused, ask again."""
        for requested in (self.address, "") if self.address else ("",):
            answer = self.router.device(
                self.mac, server=SERVER, requested=requested, reconfigure=self.reconfigure
            )
            if answer["kind"] == "ack":
                self.address, self.asked = answer["address"], True
                self.lease_s = self.left_s = answer["lease_s"]
                return
            if answer["kind"] == "none" and requested:
                return  # it keeps what it has
        self.address = ""

    def wait(self, by_s: float) -> None:
        """Let time pass: it renews at half of its lease, and asks again after its end."""
        self.left_s -= by_s
        if self.left_s <= 0:
            self.address = ""
        if self.left_s <= self.lease_s / 2:
            self.ask()

    def learn(self) -> None:
        """Know what it got by asking when a reconfigure message told it to."""
        for row in self.router.rows("/ip/dhcp-server/lease"):
            if row.get("active-mac-address") == self.mac and row.get("status") == "bound":
                held = row.get("active-address", "")
                # A router is asked for each address that it gives; told to ask, it was asked again.
                self.asked |= held != self.address or row.get("reconfigure-status") == "renewed"
                self.address = held


@dataclass(slots=True)
class Customer:
    """A service whose change is followed.

    Attributes:
        kind: of the change.
        number: of its service, MAC and address.
        phone: its device; after a MAC change the new one.
        effective_at: of its change; empty: at once.
        flow: that was established before the change.
    """

    kind: str
    number: int
    phone: Phone
    effective_at: str = ""
    flow: CustomerFlow | None = None

    @property
    def service(self) -> str:
        """The service's id."""
        return f"SVC-{self.number}"

    @property
    def address(self) -> str:
        """The address before the change."""
        return f"223.203.225.{100 + self.number}"

    @property
    def other_address(self) -> str:
        """The address after the change."""
        return f"223.203.225.{200 + self.number}"

    def activation(self) -> dict[str, Any]:
        """The event with which it begins."""
        return builders.activated(
            *(self.service,),
            mac=builders.mac(self.number),
            ipv4=self.address,
            server=SERVER,
            router="R1",
            revision=1,
            plan={"code": "HOME", **BEFORE},
        )

    def change(self) -> dict[str, Any]:
        """The event that is followed."""
        new = builders.mac(100 + self.number)
        static = {"mode": "static", "ipv4": self.other_address}
        given: dict[str, tuple[str, dict[str, Any]]] = {
            "cancelled": ("cancelled", {}),
            "moved-away": ("moved", {"access": {"router": "R2", "dhcp_server": SERVER}}),
            "suspended": ("suspended", {}),
            "resumed": ("resumed", {}),
            "mac": ("mac_changed", {"mac": new}),
            "address": ("address_changed", {"address": static}),
            DATED: ("address_changed", {"address": static, "effective_at": self.effective_at}),
            "pool": ("address_changed", {"address": {"mode": "pool", "pool": "pool-vlan-32"}}),
            "rate": ("plan_changed", {"plan": {"code": "HOME", **AFTER}}),
            "options": ("dns_changed", {"dns_servers": ["198.51.100.53"]}),
        }
        if self.kind == "activated":
            return self.activation()
        name, fields = given[self.kind]
        return builders.event(name, self.service, revision=3, **fields)

    def acts(self) -> bool:  # noqa: PLR0911 - one case a kind of change
        """Whether the change is so now, for the customer."""
        flow, phone = self.flow, self.phone
        match self.kind:
            case "suspended":
                return flow is not None and not (flow.exchange().passed or self._new_passes())
            case "cancelled" | "moved-away":
                # A device without an address sends nothing.
                holds = phone.address == self.address
                return not (holds and flow is not None and flow.exchange().passed)
            case "resumed":
                return self._new_passes()
            case "rate":
                sent = None if flow is None else flow.send()
                return sent is not None and not sent.fasttrack and sent.limit == LIMIT["out"]
            case "address" | "address, dated":
                return phone.address == self.other_address
            case "activated" | "mac":
                return phone.address == self.address
            case "pool" | "options":
                return phone.asked
            case _:
                raise ValueError(self.kind)

    def _new_passes(self) -> bool:
        if self.flow is None:
            return False
        self.flow = self.flow.again()
        return self.flow.exchange().passed


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
        record = replace(stored.record, placements={"R1": at})
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
                sleep(_OBEYS_S)
                for customer in self.customers:
                    customer.phone.learn()
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
