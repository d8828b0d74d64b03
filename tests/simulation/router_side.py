"""Routers in a simulation: the simulator's command layer without sockets, and the way to them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.api_sentences import parse_sentence
from simulator.errors import RouterError
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import OPERATOR, Caller
from tests.simulation.forms import KINDS, LEASES, SECRETS, service_of
from tests.simulation.oracle import PROFILES, WALLED
from tests.simulation.scheduler import Scheduler
from tests.simulation.tasks import Process
from tests.simulation.virtual import CHANCE, CLOCK
from worker.inventory import RouterConfig
from worker.ports import AnswerTimes
from worker.routeros.commands import Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.failures import FOREIGN, verdict
from worker.routeros.wire import NO_ANSWERS

ADOPTER: Final = "adopter"
"""So begins the name of the process of who takes rows over."""
_LOGIN: Final = ("/login",)
_STOOD_STILL_S: Final = 0.2
"""Whoever was about to write for longer was frozen, and may have lost its router lock."""
_SHOWN_SINCE: Final = (7, 21)
"""From here on passwords are only shown to who asks for them."""
_SOON: Final = 1 / 3
"""Share of late writes that land soon."""
_PERSON: Final = Caller(OPERATOR, OPERATOR, frozenset(POLICIES))


_SET_UP: Final = (
    ("/interface/vlan/add", {"name": "vlan-33", "vlan-id": "33", "interface": "ether2"}),
    ("/ip/pool/add", {"name": "pool-33", "ranges": "10.33.0.10-10.33.15.254"}),
    (
        "/ip/dhcp-server/add",
        {"name": "dhcp-vlan-33", "interface": "vlan-33", "address-pool": "pool-33"},
    ),
    ("/ipv6/dhcp-server/add", {"name": "home6", "interface": "vlan-32"}),
)
_NOBODY_CHANGES: Final = (
    *("/system/", "/interface/", "/ip/pool/", "/ip/address/", "/ip/firewall/filter/"),
    *("/ip/dhcp-server/print", "/ip/dhcp-server/network/"),
    *("/ipv6/address/", "/ipv6/dhcp-server/print", "/ipv6/nd/", "/ipv6/settings/"),
)
"""To read a set-up is no point: what comes between two such reads decides nothing."""


@dataclass
class SimulatedRouter:
    """One router, and whether it can be reached.

    Attributes:
        name: as in the inventory.
        router: runs commands.
        boots: grows at each restart: older connections are gone.
        answers_since: when it came back after its last restart.
        given_up: when a request over REST was given up last, and what its answer is.
        away_until: it does not answer before that moment.
        kind: the feature that says what rows services have here; empty: leases by MAC.
        refuses: says why a command of the program is refused; empty: it is not.
        refusals: how often one was.
        adopting: sessions of who takes rows over.
        names_by_hand: of secrets that people added with the name of a service.
        noted: services that the next Redis knew to be written when there were two of them; None:
            nobody waits for that.
        cut_off: processes that wrote while they knew the former one -> services.
        unknown: numbers of entries of its journal of which that knew nothing.
        late: numbers of entries of its journal that landed late, or were written after a pause.
        late_s: when the last of them were written.
    """

    name: str
    router: Router
    kind: str = ""
    boots: int = 0
    answers_since: float = 0.0
    given_up: tuple[float, list[dict[str, str]]] = (0.0, [])
    away_until: float = 0.0
    sessions: int = 0
    refuses: Callable[[Sequence[str]], str] = lambda _: ""
    refusals: int = 0
    names_by_hand: set[str] = field(default_factory=set)
    adopting: set[str] = field(default_factory=set)
    noted: Collection[str] | None = ()
    cut_off: dict[Process, set[str]] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    late_s: float = 0.0

    @property
    def menu(self) -> str:
        """Where services have their rows."""
        return KINDS.get(self.kind, LEASES)

    @property
    def late_services(self) -> set[str]:
        """Services whose rows were written late."""
        return {service_of(row) for row in self.late_rows()}

    @property
    def late_names(self) -> set[str]:
        """Names with which devices may have logged in by other rows than those of events."""
        return self.names_by_hand | {row.get("name", "") for row in self.late_rows()}

    def late_rows(self) -> Iterator[dict[str, str]]:
        """Rows that were written late, as they were before and after."""
        for number in self.late:
            entry = self.router.journal[number]
            yield from (row for row in (entry["before"], entry["after"]) if row)

    @property
    def away(self) -> bool:
        """Whether nothing reaches it now."""
        return CLOCK.now_s < self.away_until

    def run(self, words: Sequence[str], caller: Caller = _PERSON) -> Reply:
        """Run one command, as its API does."""
        command = parse_sentence([word.encode("utf-8", "surrogateescape") for word in words], 0.0)
        reply = Reply()
        if caller is not _PERSON and (why := self.refuses(words)):
            self.refusals += 1
            reply.traps.append(why)
            return reply
        try:
            request, result = self.router.execute(
                command.name, command.arguments, caller, command.query, command.proplist
            )
        except RouterError as error:
            reply.traps.append(error.text)
            return reply
        if result.printed:
            menu = self.router.menus[request.menu_path]
            for row in result.rows:
                shown = {".id": row.id, **menu.view(self.router, row)}
                wanted = command.proplist
                reply.rows.append({n: v for n, v in shown.items() if not wanted or n in wanted})
        elif result.ret is not None:
            reply.done["ret"] = result.ret
        return reply

    def rows(self, menu: str) -> list[dict[str, str]]:
        """All rows of a menu, with passwords."""
        asks = menu == SECRETS and self.router.version >= _SHOWN_SINCE
        return self.run((f"{menu}/print", *(["=show-sensitive="] if asks else []))).rows

    def run_late(self, words: Sequence[str], caller: Caller) -> Reply:
        """Run a command of whom may have lost its router lock meanwhile."""
        journal = self.router.journal
        before = len(journal)
        reply = self.run(words, caller)
        self.late |= set(range(before, len(journal)))
        self.late_s = CLOCK.now_s
        return reply

    def run_cut_off(self, words: Sequence[str], caller: Caller, process: Process) -> Reply:
        """Run a command of whom a new Redis does not know; what it noted before is known there."""
        before = len(self.router.journal)
        reply = self.run_late(words, caller)
        for number, entry in enumerate(self.router.journal[before:], before):
            rows = (entry["before"] or {}, entry["after"] or {})
            services = {service_of(row) for row in rows}
            if self.noted is None:
                self.cut_off.setdefault(process, set()).update(services)
                continue
            is_noted = not services - {*self.noted, ""}
            if not is_noted and caller.session not in self.adopting:
                self.unknown.add(number)
        return reply

    def boot(self) -> None:
        """Restart it."""
        self.boots += 1
        self.router.boot()


def make_router(name: str, seed: int, kind: str = "") -> SimulatedRouter:
    """A router with one DHCP server, as the guide has it, and with profiles for secrets."""
    is_new = kind == "ids" or (kind == "secrets" and seed % 2)
    options = RouterOptions(
        version="7.21.5" if is_new else "7.18.2",
        identity=name,
        serial=f"SN-{name}",
        seed=seed,
        with_mac_server=kind == "entries",
    )
    made = SimulatedRouter(name, Router(options, MENUS), kind)
    seed_guide(made.router)
    profiles = (*PROFILES.values(), WALLED) if kind == "secrets" else ()
    more = [("/ppp/profile/add", {"name": profile}) for profile in profiles]
    for command, values in (*_SET_UP, *more):
        made.router.execute(command, dict(values), _PERSON)
    made.router.journal.clear()
    return made


class _NoSocket:
    """What a session asks a socket for."""

    fingerprint = ""
    certificate_ends_ms = 0

    def __init__(self, alive: Callable[[], bool]) -> None:
        self.asked_s = 0.0
        self.answered: AnswerTimes = NO_ANSWERS
        self._alive = alive

    def is_quiet(self) -> bool:
        """Nothing came, not even the end of the connection."""
        return self._alive()

    def close(self) -> None:
        """A reset."""


class SimulatedConnection(RouterConnection):
    """A connection: each command is a point; those in flight run in any order."""

    def __init__(self, to: SimulatedRouter, ways: "Ways") -> None:
        self._boot = to.boots
        super().__init__(to.name, _NoSocket(lambda: to.boots == self._boot))  # type: ignore[arg-type]
        self._to = to
        self._ways = ways
        self._stood_still = False
        to.sessions += 1
        self._caller = Caller(f"api:{to.sessions}", "leasewire", frozenset(POLICIES))
        task = ways.scheduler.current
        if task is not None and task.process.name.startswith(ADOPTER):
            to.adopting.add(self._caller.session)

    def log_in(self, username: str, password: str, pace: Pace) -> Reply:
        """Log in; every login is right."""
        del username, password
        (reply,) = self.run("logging in", [_LOGIN], pace)
        return reply

    def _reach(self) -> None:
        if self._to.away:
            raise TimeoutError
        if self._to.boots != self._boot:
            raise ConnectionResetError

    def _carry(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        waiting = list(range(len(commands)))
        try:
            while waiting:
                number = waiting[CHANCE.randrange(min(len(waiting), pace.window))]
                words, since_s = commands[number], CLOCK.now_s
                if words[0].endswith("/print"):
                    self._stood_still = False

                def do(
                    words: Command = words, number: int = number, since_s: float = since_s
                ) -> Reply:
                    self._reach()
                    waiting.remove(number)
                    stood_s = CLOCK.now_s - since_s - self._ways.scheduler.odds.read_s
                    self._stood_still |= stood_s > _STOOD_STILL_S
                    if words is _LOGIN:
                        return Reply()
                    return self._run(words)

                what = f"{self._to.name} {' '.join(words[:9])}"[:240]
                of_setup = words[0].startswith(_NOBODY_CHANGES)
                replies[number] = do() if of_setup else self._ways.scheduler.call(what, do, _reset)
                yield
        except BaseException:  # the connection is given up, or its process is killed
            self._give_up([commands[number] for number in waiting[: pace.window]])
            raise

    def _run(self, words: Command) -> Reply:
        task = self._ways.scheduler.current
        if task is not None and self._ways.is_cut_off():
            return self._to.run_cut_off(words, self._caller, task.process)
        run = self._to.run_late if self._stood_still else self._to.run
        return run(words, self._caller)

    def _give_up(self, in_flight: Sequence[Command]) -> None:
        self._ways.land_late(self._to, in_flight, self._caller)


def _soon_or_at_last(drawn: float) -> float:
    """Near 0 or near 1: what lands while all goes on, and what lands when nobody awaits it."""
    return (3 * drawn) ** 2 if drawn < _SOON else 1 - (1.5 * (1 - drawn)) ** 2


def _reset(_: str) -> Exception:
    return ConnectionResetError()


@dataclass
class Ways:
    """The ways to all routers.

    Attributes:
        routers: by name.
        scheduler: decides what becomes of what is under way.
        late_s: what was under way when a connection ended may land for so long.
        connections: kinds by transport.
        is_cut_off: whether who asks takes a former Redis for the primary.
        network: the process that carries what lands late.
    """

    routers: dict[str, SimulatedRouter]
    scheduler: Scheduler
    late_s: float
    connections: Mapping[str, type[SimulatedConnection]]
    is_cut_off: Callable[[], bool]
    network: Process = field(default_factory=lambda: Process("network"))

    def connect(self, config: RouterConfig, *_: Any) -> RouterConnection:
        """Connect, in place of `worker.routeros.login.connect`."""
        to = self.routers[config.name]

        def do() -> None:
            if to.away:
                raise TimeoutError

        try:
            self.scheduler.call(f"{to.name} connect", do, OSError)
        except FOREIGN as error:
            raise verdict(to.name, "connecting", error) from error
        return self.connections[config.transport](to, self)

    def land_late(self, to: SimulatedRouter, commands: Sequence[Command], caller: Caller) -> None:
        """Let some of what was under way when a connection broke reach the router all the same."""
        for words in commands:
            lands = CHANCE.random() < self.scheduler.odds.lands_late
            if words[0].endswith(("/print", "/login")) or not lands:
                continue
            wait_s, boot = self.late_s * _soon_or_at_last(CHANCE.random()), to.boots

            def land(words: Command = words, wait_s: float = wait_s, boot: int = boot) -> None:
                self.scheduler.sleep(wait_s)
                if to.boots == boot:
                    self.scheduler.counts["landed late"] += 1
                    self.scheduler.tell(f"network: {to.name} {' '.join(words[:9])} LANDS LATE")
                    to.run_late(words, caller)

            self.scheduler.spawn(self.network, "late write", land)
