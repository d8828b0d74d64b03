"""One simulated router: its tables, who may do what, what was done.

Knows no sockets: `api_server` and `rest_server` bring commands here as text and carry the
answers away; `control` reaches in from the side.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from simulator import errors
from simulator.command import READING, Caller, Request, Result
from simulator.errors import RouterError
from simulator.faults import Faults, Switches
from simulator.menu import Menu, Menus
from simulator.options import RouterOptions
from simulator.schema import parse_version, schema_of
from simulator.state import Table, Values

OPERATOR = "operator"  # session name of a person at the router: not counted
_ISO_DATES_SINCE = (7, 10)
_LOG_LINES = 1000
_SECRET = frozenset({"password", "secret", "private-key", "passphrase"})


class Session(Protocol):
    """What a router knows of a client's connection, and can do to it.

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
        """End it at once, by a reset."""


class Router:
    """One router.

    Args:
        options: how it is to be.
        menus: those that RouterOS has; each says for itself whether this version has it.
        now: monotonic clock, in seconds.
        wall: seconds since 1970, for what is shown as a date.
    """

    def __init__(
        self,
        options: RouterOptions,
        menus: Menus,
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
        self.now = now
        self.wall = wall
        self.booted = now()
        self.clock_ahead = 0.0  # seconds that its clock is ahead of `wall`
        self.random = random.Random(options.seed)  # noqa: S311 - a reproducible shuffle, no secret
        self.serial = options.serial or f"{random.SystemRandom().getrandbits(48):012X}"
        self.sessions: dict[str, Session] = {}
        self.unserved: set[Session] = set()  # beyond the limit, held in silence
        self.users_of: dict[str, Caller] = {}
        self.session_count = 0
        self.busy_until = 0.0
        self.services_changed: Callable[[], None] = lambda: None
        self.tables: dict[str, Table] = {}
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

    def menu(self, path: str) -> Menu:
        """Find a menu.

        Raises:
            RouterError: this router has none there.
        """
        menu = self.menus.get(path)
        if menu is not None and menu.exists(self):
            return menu
        below = path + "/"
        if any(each.startswith(below) and self.menus[each].exists(self) for each in self.menus):
            raise errors.no_such_command()
        raise errors.no_such_menu()

    def id_of(self, menu: str, name: str) -> str | None:
        """Give the id of the row of that name."""
        table = self.menus[menu].rows(self)
        for row in table.having("name", name):
            return row.id
        return None

    def name_of(self, menu: str, row_id: str) -> str | None:
        """Give the name of the row of that id."""
        row = self.menus[menu].rows(self).rows.get(row_id)
        return None if row is None else row.values.get("name")

    def forget_references(self, menu: str) -> None:
        """Let rows that refer to the menu's rows be read anew."""
        for path in self.menus.referring.get(menu, ()):
            if path in self.tables:
                self.tables[path].forget_views()

    # --- commands --------------------------------------------------------------------------

    def execute(
        self,
        command: str,
        arguments: Values,
        caller: Caller,
        query: Sequence[str] = (),
        proplist: Sequence[str] | None = None,
    ) -> tuple[Request, Result]:
        """Run one command, such as `/ip/dhcp-server/lease/add`.

        Raises:
            RouterError: it is refused, in the router's words.
        """
        counted = caller.session != OPERATOR
        if counted:
            self.commands_run[command] += 1
        path, _, name = command.rpartition("/")
        try:
            menu = self.menu(path)
            handler = menu.handler(self, name)
        except RouterError as error:
            self.refusals[error.text] += counted
            raise
        request = Request(self, menu, name, arguments, query, proplist, caller)
        try:
            self._check(request)
            return request, handler(request)
        except RouterError as error:
            self.refusals[error.text] += counted
            if name not in READING:
                self.wrote(request, None, None, error.text)
            raise

    def _check(self, request: Request) -> None:
        menu, name = request.menu, request.command
        policy = "read" if name in READING else menu.write_policy
        if policy not in request.caller.policies or policy in self.faults.denied_policies:
            raise errors.not_permitted()
        arguments = request.arguments
        row_id = arguments.pop(".id", None)
        allowed = menu.allowed(self, name)
        for each in arguments:
            if each not in allowed:
                raise errors.unknown_parameter(each)
        if row_id is not None:
            arguments["number" if name == "get" else "numbers"] = row_id

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

    def wrote(
        self,
        request: Request,
        before: Values | None,
        after: Values | None,
        error: str | None = None,
    ) -> None:
        """Note one row written, or a write refused."""
        self.journal.append(
            {
                "seq": len(self.journal) + 1,
                "time": self.now(),
                "session": request.caller.session,
                "command": request.path,
                "arguments": {
                    name: "***" if name in _SECRET else value
                    for name, value in request.arguments.items()
                },
                "before": before,
                "after": after,
                "error": error,
            }
        )

    def clock(self) -> float:
        """Give what its clock says, in seconds since 1970."""
        return self.wall() + self.clock_ahead

    def date(self) -> str:
        """Write this moment as RouterOS does: ISO from 7.10 on, `jan/02/2023 …` before."""
        form = "%Y-%m-%d %H:%M:%S" if self.version >= _ISO_DATES_SINCE else "%b/%d/%Y %H:%M:%S"
        return time.strftime(form, time.gmtime(self.clock())).lower()

    def log(self, topics: str, message: str) -> None:
        """Write a line of `/log`; the oldest of a thousand goes (memory-lines: its default)."""
        table = self.table("/log")
        table.insert({"time": self.date(), "topics": topics, "message": message, "extra-info": ""})
        if len(table.rows) > _LOG_LINES:
            table.delete(next(iter(table.rows.values())))

    # --- sessions --------------------------------------------------------------------------

    def logged_in(self, session: Session, caller: Caller) -> None:
        """Note who a session belongs to (log lines: public captures)."""
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
        """Start anew: sessions are gone, uptime counts from now, tables stay."""
        self.reset_sessions()
        self.booted = self.now()
        self.busy_until = 0.0
        if self.faults.wrong_bodies_after_boot:
            self.faults.wrong_bodies = self.faults.wrong_bodies_after_boot
        for path, table in tuple(self.tables.items()):
            self.menus[path].booted(self, table)

    def serves(self, service: str) -> bool:
        """Say whether `/ip/service` has a service switched on."""
        rows = self.table("/ip/service").having("name", service)
        return any(not row.disabled for row in rows)

    def admits(self, service: str, remote: str) -> bool:
        """Say whether a service is for an `address:port`; else it closes unserved (MAN-API)."""
        for row in self.table("/ip/service").having("name", service):
            allowed = row.values.get("available-from") or row.values["address"]
            peer = IPv4Address(remote.rpartition(":")[0])
            if allowed:
                return any(peer in IPv4Network(each) for each in allowed.split(","))
        return True

    def session_limit(self) -> int | None:
        """Give how many sessions there may be: /ip/service max-sessions, since 7.16 (RR)."""
        if self.faults.session_limit is not None:
            return self.faults.session_limit
        for row in self.table("/ip/service").rows.values():
            if row.values["name"] == "api" and "max-sessions" in row.values:
                return int(row.values["max-sessions"])
        return None
