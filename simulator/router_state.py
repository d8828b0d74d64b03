"""The state of one simulated router: its tables, sessions, clock, log and journal.

Menus read and change it; `router.Router` adds the execution of commands.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from simulator.connections import Connections
from simulator.errors import RouterError
from simulator.faults import Faults, Switches
from simulator.options import RouterOptions
from simulator.schema import parse_version, schema_of
from simulator.state import Row, Table, Values

OPERATOR = "operator"  # session name of a person at the router: not counted
_ISO_DATES_SINCE = (7, 10)
_LOG_LINES = 1000
# a bound binding, its server, and what its device is to send
Reconfigure6 = Callable[[Values, Values, int], None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs a command: session id (`api:3`, `rest:1`, `operator`, `dhcp`), user, rights."""

    session: str
    user: str = ""
    policies: frozenset[str] = frozenset()


class Session(Protocol):
    """A client's connection, as the router knows it.

    Attributes:
        service: `api`, `api-ssl` or `rest-api`.
        local, remote: `address:port` of both ends.
        since: when it logged in, as RouterOS writes dates.
    """

    service: str
    local: str
    remote: str
    since: str

    def reset(self) -> None:
        """End it at once with a reset."""


class AnyMenu(Protocol):
    """What the state of a router needs to know of a menu; `menu_base.MenuBase` is one.

    Attributes:
        indexed: properties with an index.
        named: whether a name can stand for an id.
        first_id: number of the first row's id.
        refers_to: paths of menus whose rows its rows name.
    """

    indexed: tuple[str, ...]
    named: bool
    first_id: int
    refers_to: frozenset[str]

    def exists(self, router: "RouterState") -> bool:
        """Whether this router has the menu."""

    def seed(self, router: "RouterState") -> None:
        """Add the rows of a new router."""

    def booted(self, router: "RouterState", table: Table) -> None:
        """Do to the rows what a restart does."""

    def rows(self, router: "RouterState") -> Table:
        """Return the rows."""

    def fresh(self, router: "RouterState") -> Values:
        """Return the values of a new row."""


class RouterState:
    """Everything that a router is and has, by a monotonic clock and one for dates, in seconds."""

    def __init__(
        self,
        options: RouterOptions,
        menus: Mapping[str, AnyMenu],
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.menus = menus
        self.version = parse_version(options.version)
        self.schema = schema_of(self.version)
        self.faults = Faults()
        self.faults.change(**options.faults)
        self.switches = Switches()
        self.switches.change(**options.switches)
        self.ahead = 0.0  # seconds that were skipped
        self._as_of: float | None = None
        # its own DHCP clients: do what was due; one is to start, stop, renew or release
        self.advance_clients: Callable[[], None] = lambda: None
        self.command_client: Callable[[str, Row], None] = lambda *_: None
        self._now = now
        self.wall = wall
        self.booted = self.now()
        self.clock_ahead = 0.0  # seconds that its clock is ahead of `wall`
        self.random = random.Random(options.seed)  # noqa: S311 - a reproducible shuffle, no secret
        self.serial = options.serial or f"{random.SystemRandom().getrandbits(48):012X}"
        self.sessions: dict[str, Session] = {}
        self.unserved: set[Session] = set()  # beyond the limit, held in silence
        self.users_of: dict[str, Caller] = {}
        self.session_count = 0
        self.busy_until = 0.0
        self.services_changed: Callable[[], None] = lambda: None
        self.reconfigure: list[Callable[[str], None]] = []  # of those who may have that MAC
        self.reconfigure6: list[Reconfigure6] = []  # of those who may know its device
        self.ppp_ended: Callable[[str], None] = lambda _: None  # a session of that name
        self.tables: dict[str, Table] = {}
        self.connections = Connections()
        self.connections6 = Connections()
        self.kept_leases: dict[str, Row] = {}  # removed rows whose effects go on
        self.commands_run: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.journal: list[dict[str, Any]] = []
        self.seed()

    def seed(self) -> None:
        """Fill in what a fresh router has."""
        for menu in self.menus.values():
            if menu.exists(self):
                menu.seed(self)

    # --- rows ------------------------------------------------------------------------------

    def table(self, path: str) -> Table:
        """Give the rows of a menu, made at first sight."""
        table = self.tables.get(path)
        if table is None:
            menu = self.menus[path]
            table = Table((*menu.indexed, "name") if menu.named else menu.indexed)
            table.next_id = menu.first_id
            self.tables[path] = table
        return table

    def named(self, menu: str, name: str) -> Row | None:
        """Give the row of that name."""
        return next(iter(self.menus[menu].rows(self).having("name", name)), None)

    def id_of(self, menu: str, name: str) -> str | None:
        """Give the id of the row of that name."""
        row = self.named(menu, name)
        return None if row is None else row.id

    def name_of(self, menu: str, row_id: str) -> str | None:
        """Give the name of the row of that id."""
        row = self.menus[menu].rows(self).rows.get(row_id)
        return None if row is None else row.values.get("name")

    def setting(self, menu: str, name: str) -> str:
        """Give a property of a menu that has one row."""
        (row,) = self.menus[menu].rows(self).rows.values()
        return row.values[name]

    def forget_references(self, menu: str) -> None:
        """Build the rows that refer to the menu's rows again when they are read next."""
        for path, table in self.tables.items():
            if menu in self.menus[path].refers_to:
                table.forget_views()

    def faulty_values(self, menu: str, arguments: Values) -> Values:
        """Apply the faults that refuse or change single values.

        Raises:
            RouterError: a value that is to be refused.
        """
        for fault in self.faults.refuse_values:
            if fault.meets(menu, arguments):
                raise RouterError(fault.text)
        for fault in self.faults.change_values:
            if fault.meets(menu, arguments):
                arguments = {**arguments, fault.field: fault.text}
        return arguments

    def clock(self) -> float:
        """Return the time of its clock, in seconds since 1970."""
        return self.wall() + self.clock_ahead

    def date(self) -> str:
        """Write this moment as RouterOS does: ISO from 7.10 on, `jan/02/2023 …` before."""
        form = "%Y-%m-%d %H:%M:%S" if self.version >= _ISO_DATES_SINCE else "%b/%d/%Y %H:%M:%S"
        return time.strftime(form, time.gmtime(self.clock())).lower()

    def now(self) -> float:
        """Return the router's monotonic clock, in seconds."""
        return self._now() + self.ahead if self._as_of is None else self._as_of

    @contextmanager
    def as_of(self, moment: float) -> Iterator[None]:
        """Let the clock show the moment at which something was due, while the block does it."""
        self._as_of = moment
        try:
            yield
        finally:
            self._as_of = None

    def skip(self, seconds: float) -> None:
        """Let time pass at once."""
        self.ahead += seconds
        self.clock_ahead += seconds

    def log(self, topics: str, message: str) -> None:
        """Write a line of `/log`; the oldest of a thousand goes (memory-lines: its default)."""
        table = self.table("/log")
        table.insert({"time": self.date(), "topics": topics, "message": message, "extra-info": ""})
        if len(table.rows) > _LOG_LINES:
            table.delete(next(iter(table.rows.values())))

    def wrote(  # noqa: PLR0913 - what an entry holds
        self,
        session: str,
        command: str,
        before: Values | None,
        after: Values | None,
        *,
        arguments: Values | None = None,
        error: str | None = None,
    ) -> None:
        """Record in the journal that a row was written, or that a write was refused."""
        self.journal.append(
            {
                "seq": len(self.journal) + 1,
                "time": self.now(),
                "session": session,
                "command": command,
                "arguments": arguments or {},
                "before": before,
                "after": after,
                "error": error,
            }
        )

    # --- sessions --------------------------------------------------------------------------

    def logged_in(self, session: Session, caller: Caller) -> None:
        """Record the user of a session (log lines: public captures)."""
        session.since = self.date()
        self.users_of[caller.session] = caller
        address, via = session.remote.rpartition(":")[0], session.service
        self.log("system,info,account", f"user {caller.user} logged in from {address} via {via}")

    def refused_login(self, session: Session, name: str, text: str) -> None:
        """Note a login that failed (log lines: public captures)."""
        self.refusals[text] += 1
        address, via = session.remote.rpartition(":")[0], session.service
        failure = f"login failure for user {name} from {address} via {via}"
        self.log("system,error,critical", failure)

    def session_ended(self, session_id: str) -> None:
        """Forget a session."""
        session = self.sessions.pop(session_id, None)
        caller = self.users_of.pop(session_id, None)
        if session is not None and caller is not None:
            address, via = session.remote.rpartition(":")[0], session.service
            text = f"user {caller.user} logged out from {address} via {via}"
            self.log("system,info,account", text)

    # --- life --------------------------------------------------------------------------------

    def reset_sessions(self) -> None:
        """End all clients' connections."""
        for session in (*self.sessions.values(), *self.unserved):
            session.reset()

    def boot(self) -> None:
        """Restart: sessions end, uptime counts from now, tables stay."""
        self.reset_sessions()
        self.booted = self.now()
        self.busy_until = 0.0
        self.connections = Connections()
        self.connections6 = Connections()
        if self.faults.wrong_bodies_after_boot:
            self.faults.wrong_bodies = self.faults.wrong_bodies_after_boot
        for path, table in tuple(self.tables.items()):
            self.menus[path].booted(self, table)

    def serves(self, service: str) -> bool:
        """Say whether `/ip/service` has a service switched on."""
        row = self.named("/ip/service", service)
        return row is not None and not row.disabled

    def admits(self, service: str, remote: str) -> bool:
        """Say whether a service is for an `address:port`; else it closes unserved (MAN-API)."""
        if not remote:  # it was reset before it was served
            return False
        row = self.named("/ip/service", service)
        allowed = row and (row.values.get("available-from") or row.values["address"])
        peer = IPv4Address(remote.rpartition(":")[0])
        return not allowed or any(peer in IPv4Network(net) for net in allowed.split(","))

    def session_limit(self) -> int | None:
        """Give how many sessions there may be: /ip/service max-sessions, since 7.16 (RR)."""
        if self.faults.session_limit is not None:
            return self.faults.session_limit
        row = self.named("/ip/service", "api")
        most = row and row.values.get("max-sessions")
        return int(most) if most else None
