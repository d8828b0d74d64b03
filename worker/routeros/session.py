"""One logged-in session with one router over its API or REST: `worker.ports.RouterSession`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, TypeVar

from worker.compute_gate import GateSlot
from worker.core.diagnosis.verification import Probe
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import EntryKind
from worker.core.entry.wanted import DEFAULT_KIND, KINDS, possible_kinds
from worker.core.rows.menus import MENUS, lacking
from worker.core.rows.normal import seconds
from worker.core.rows.observed import Observation, SeenRow
from worker.core.rows.operations import Operation
from worker.core.rows.pools import Pools
from worker.core.rows.rows import LEASES, NO_MAC, Lease, MenuPath, Row
from worker.errors import ReadTooLong, RouterBlocked, RouterUnreachable
from worker.inventory import RouterConfig
from worker.ports import LeaseQuery, Term, Written
from worker.routeros.connection import Command, Pace, RouterConnection
from worker.routeros.failures import no_entry_menu, old_login, refusal, refused_login
from worker.routeros.lease_holders import observed, observing_commands, watching_commands
from worker.routeros.reads import (
    POOL_PRINTS,
    SETUP_PRINTS,
    USER_PRINTS,
    named_options,
    pools_of,
    probe_commands,
    probed,
    setup_of,
)
from worker.routeros.rest_connection import RestConnection
from worker.routeros.rows import (
    command_for,
    entry_prints,
    entry_rows,
    menu_prints,
    menu_rows,
)
from worker.routeros.transport import open_transport
from worker.routeros.wire import ApiConnection
from worker.settings import Settings

_T = TypeVar("_T")

_PRINTS_IN_FLIGHT: Final = 4
"""Few, as each is long; more than one, so that the router does not wait for us in between."""


class RouterIdentity(NamedTuple):
    """What a router says about itself; see `worker.ports.RouterSession`."""

    identity: str
    version: str
    serial: str
    entries: str = DEFAULT_KIND.name
    uptime_s: int | None = None


class Session:
    """One logged-in session; see `worker.ports.RouterSession`.

    Attributes:
        opened_s: when it was opened, by `time.monotonic`.
        gate: has the turn of the pass that uses it.
    """

    def __init__(
        self,
        router: str,
        connection: RouterConnection,
        who: RouterIdentity,
        settings: Settings,
        gate: GateSlot | None = None,
    ) -> None:
        self.identity, self.version, self.serial, self.entries, self._uptime_s = who
        self._kind = KINDS[self.entries]
        self.opened_s = monotonic()
        self.gate = gate or GateSlot()
        self._router = router
        self._connection = connection
        self._settings = settings
        self._setup: DhcpSetup | None = None
        self._write_s = settings.command_timeout_s

    @property
    def uptime_s(self) -> int | None:
        """See `worker.ports.RouterSession`."""
        return None if self._uptime_s is None else self._uptime_s + int(monotonic() - self.opened_s)

    @property
    def certificate_ends_ms(self) -> int:
        """See `worker.ports.RouterSession`."""
        return self._connection.certificate_ends_ms

    def lacking(self, menu: MenuPath, names: Collection[str]) -> Sequence[str]:
        """See `worker.ports.RouterSession`."""
        return lacking(self._kind.menu if menu == LEASES else MENUS[menu], names, self.version)

    def read_leases(self, query: LeaseQuery | None, progress: Callable[[], None]) -> list[Lease]:
        """See `worker.ports.RouterSession`."""
        commands = entry_prints(self._kind, query, self._settings.read_terms_per_print)
        ends_at = monotonic() + self._settings.read_timeout_s
        try:
            return self._read("reading leases", commands, partial(entry_rows, self._kind), progress)
        except RouterUnreachable as error:
            late = isinstance(error.__cause__, TimeoutError) and monotonic() >= ends_at
            if query is None and late:
                raise ReadTooLong(self._router, self._settings.read_timeout_s) from error
            raise

    def read_rows(
        self, menu: MenuPath, terms: Sequence[Term] | None, progress: Callable[[], None]
    ) -> list[Row]:
        """See `worker.ports.RouterSession`."""
        commands = menu_prints(MENUS[menu], terms, self._settings.read_terms_per_print)
        return self._read(f"reading {menu}", commands, partial(menu_rows, menu), progress)

    def _read(
        self,
        doing: str,
        commands: Sequence[Command],
        understood: Callable[[Iterable[Mapping[str, str]]], _T],
        progress: Callable[[], None],
    ) -> _T:
        pace = self._read_pace(_PRINTS_IN_FLIGHT)
        replies = self._connection.run(doing, commands, pace, progress)
        return understood(row for reply in replies for row in self._connection.rows(doing, reply))

    def _read_pace(self, window: int) -> Pace:
        return Pace(window, self._settings.command_timeout_s, self._settings.read_timeout_s)

    def read_setup(self, *, fresh: bool) -> DhcpSetup:
        """See `worker.ports.RouterSession`."""
        if self._setup is None or fresh:
            doing, pace = "reading the DHCP setup", self._read_pace(len(SETUP_PRINTS))
            self._setup = setup_of(self._connection.run(doing, SETUP_PRINTS, pace))
        return self._setup

    def read_pools(self, progress: Callable[[], None]) -> Pools | None:
        """See `worker.ports.RouterSession`."""
        pace = self._read_pace(len(POOL_PRINTS))
        return pools_of(self._connection.run("reading pools", POOL_PRINTS, pace, progress))

    def read_named_options(self) -> frozenset[str]:
        """See `worker.ports.RouterSession`."""
        return self._read("reading options in use", USER_PRINTS, named_options, lambda: None)

    def write(self, operations: Sequence[Operation], progress: Callable[[], None]) -> list[Written]:
        """See `worker.ports.RouterSession`."""
        pace = Pace(
            window=self._settings.write_window,
            silence_s=self._write_s,
            total_s=self._write_s * len(operations),
        )
        commands = [command_for(operation, self._kind) for operation in operations]
        replies = self._connection.run("writing", commands, pace, progress, writing=True)
        return [
            Written(operation, refusal(reply.traps, self._kind.stale))
            for operation, reply in zip(operations, replies, strict=True)
        ]

    def wait_longer(self, doublings: int) -> None:
        """See `worker.ports.RouterSession`."""
        longer_s = self._settings.command_timeout_s * 2**doublings
        self._write_s = min(longer_s, self._settings.router_lock_s / 2)

    def observe(self, query: LeaseQuery) -> Observation:
        """Read rows with the devices that hold them, also rows that the queried devices hold.

        Raises:
            RouterUnreachable, RouterBlocked: as `read_leases`.
        """
        if not self._kind.shows_devices:
            rows_alone = [SeenRow(row) for row in self.read_leases(query, lambda: None)]
            return Observation(rows_alone, entries=self.entries)
        return self._observe("observing leases", observing_commands(query))

    def read_watched(self) -> Observation:
        """See `worker.ports.RouterSession`."""
        return self._observe("watching leases", watching_commands())

    def _observe(self, doing: str, commands: Sequence[Command]) -> Observation:
        pace = self._read_pace(2)
        rows, servers = self._connection.run(doing, commands, pace)
        return observed(self._connection.rows(doing, rows), self._connection.rows(doing, servers))

    def probe(self, address: str, mac: str) -> Probe:
        """Ping a device from the router, and read what the router's log says about it.

        Raises:
            RouterUnreachable, RouterBlocked: as `read_leases`.
        """
        pace = self._read_pace(2)
        return probed(self._connection.run("verifying", probe_commands(address), pace), mac)

    def close(self) -> None:
        """See `worker.ports.RouterSession`."""
        self._connection.close()

    def is_quiet(self) -> bool:
        """Return whether an idle session still seems alive."""
        return self._connection.is_quiet()

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self._connection.closed

    @property
    def rests_until(self) -> float:
        """Until when to leave the router alone, by `time.monotonic`."""
        return self._connection.rests_until


def open_session(config: RouterConfig, settings: Settings, gate: GateSlot | None = None) -> Session:
    """Connect, log in, and check that this is the router that the inventory means.

    Args:
        config: of the router.
        settings: of the process.
        gate: has the turn of the pass that opens the session; others compute while it waits.

    Raises:
        RouterUnreachable: no connection, no login answer.
        RouterBlocked: password, certificate, login, identity, serial or permission.
    """
    password = config.password().get_secret_value()
    connection = connect(config, settings, gate)
    try:
        log_in(connection, config, password, settings)
        who = identify(connection, settings, config.policy.entries)
        compare(config, who)
    except BaseException:
        connection.close()
        raise
    return Session(config.name, connection, who, settings, gate)


def connect(
    config: RouterConfig, settings: Settings, gate: GateSlot | None = None
) -> RouterConnection:
    """Connect as the inventory says, without logging in.

    Raises:
        RouterUnreachable: no connection.
        RouterBlocked: certificate.
    """
    opening = partial(
        open_transport, config, settings.connect_timeout_s, settings.command_timeout_s, gate
    )
    if config.transport == "rest":
        return RestConnection(config.name, config.host, opening)
    return ApiConnection(config.name, opening())


def log_in(
    connection: RouterConnection, config: RouterConfig, password: str, settings: Settings
) -> None:
    """Log in.

    Raises:
        RouterUnreachable: no answer, or a temporary one.
        RouterBlocked: this user may not log in, or not this way.
    """
    reply = connection.log_in(config.username, password, _first_pace(settings))
    if reply.traps:
        raise refused_login(config.name, config.username, reply.traps)
    if "ret" in reply.done:
        raise old_login(config.name)


def identify(
    connection: RouterConnection, settings: Settings, entries: str = DEFAULT_KIND.name
) -> RouterIdentity:
    """Ask the router who it is and which kind of entry it can hold, in one round trip.

    `entries` is the name of a kind, or `auto`, as the router's policy has it.

    Raises:
        RouterUnreachable: it does not answer.
        RouterBlocked: we may not ask.
    """
    possible = possible_kinds(entries)
    asked = [kind for kind in possible if kind.optional]
    name, resource, board, license_, *probes = connection.run(
        "reading identity",
        [
            ("/system/identity/print", "=.proplist=name"),
            ("/system/resource/print", "=.proplist=version,uptime"),
            # a CHR lacks the first menu, other boards the system id: a trap is an answer too
            ("/system/routerboard/print", "=.proplist=serial-number"),
            ("/system/license/print", "=.proplist=system-id"),
            *(_probe(kind) for kind in asked),
        ],
        _first_pace(settings),
    )
    there = [kind for kind, probe in zip(asked, probes, strict=True) if not probe.traps]
    version = _value(connection.rows("reading version", resource), "version")
    return RouterIdentity(
        identity=_value(connection.rows("reading identity", name), "name"),
        version=version.partition(" ")[0],  # `7.23.7 (long-term)`
        serial=_value(board.rows, "serial-number") or _value(license_.rows, "system-id"),
        uptime_s=seconds(_value(resource.rows, "uptime")),
        entries=(there[0] if there else DEFAULT_KIND).name,
    )


def _probe(kind: EntryKind) -> Command:
    """A print that a router with the kind's menu answers with no row, every other with a trap."""
    none = kind.own_fields({"mac-address": NO_MAC})
    terms = (f"?{name}={value}" for name, value in none.items())
    return (f"{kind.menu.path}/print", "=.proplist=.id", *terms)


def compare(config: RouterConfig, who: RouterIdentity) -> None:
    """Refuse a router that is another one, or lacks a menu, that the inventory expects.

    Raises:
        RouterBlocked: before anything was written to it.
    """
    for what, expected, seen in (
        ("identity", config.expect_identity, who.identity),
        ("serial", config.expect_serial, who.serial),
    ):
        if expected is not None and seen != expected:
            raise RouterBlocked(
                config.name,
                f"{what}-mismatch",
                f"its {what} is {seen!r}, expected is {expected!r}",
                f"If it is the right router, correct expect_{what} in the inventory",
            )
    expected_kind = KINDS.get(config.policy.entries)
    if expected_kind is not None and expected_kind.name != who.entries:
        raise no_entry_menu(config.name, expected_kind)


def _first_pace(settings: Settings) -> Pace:
    return Pace(
        window=5, silence_s=settings.first_reply_timeout_s, total_s=settings.first_reply_timeout_s
    )


def _value(rows: Sequence[Mapping[str, str]], name: str) -> str:
    return rows[0].get(name, "") if rows else ""
