"""One logged-in session with one router over its API or REST: `worker.ports.RouterSession`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from time import monotonic
from typing import Final

from librouteros.exceptions import FatalError

from worker.compute_gate import GateSlot
from worker.core.diagnosis.verification import Probe
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading
from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.entry.wanted import KINDS
from worker.core.rows.menus import MENUS, lacking
from worker.core.rows.observed import Observation, RunningSession, SeenRow
from worker.core.rows.operations import Operation
from worker.core.rows.pools import Pools
from worker.core.rows.rows import BINDINGS, LEASES, Lease, MenuPath, Row
from worker.errors import ReadTooLong, RouterUnreachable
from worker.ports import (
    EffectQuery,
    FieldEquals,
    LeaseQuery,
    Refusal,
    TrackedConnections,
    Written,
)
from worker.routeros.bindings import (
    IPV6_SERVERS,
    binding_terms,
    neighbour_prints,
    seen_ipv6,
    unclear_clients,
    with_neighbours,
)
from worker.routeros.commands import Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.effect_reads import effect_prints, effect_reading
from worker.routeros.failures import refusal
from worker.routeros.holders import (
    observed,
    observing_commands,
    running,
    session_prints,
    terms_for,
    watching_commands,
    with_sessions,
)
from worker.routeros.login import RouterIdentity
from worker.routeros.reads import (
    IPV6_SETUP_PRINTS,
    POOL_PRINTS,
    USER_PRINTS,
    effect_of,
    facts_prints,
    ipv6_setup_of,
    named_options,
    pools_of,
    probe_commands,
    probed,
    setup_of,
    setup_pace,
    setup_prints,
)
from worker.routeros.rows import (
    commands_for,
    entry_prints,
    entry_rows,
    menu_prints,
    menu_rows,
    reconfigure_prints,
    renewed,
)
from worker.routeros.tracked_connections import ConnectionTable
from worker.settings import Settings

_PRINTS_IN_FLIGHT: Final = 4
"""Few, as each is long; more than one, so that the router does not wait for us in between."""


def _nothing() -> None:
    """Do nothing between the answers: nobody waits for the router's lock."""


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
        self.connection = connection
        self._settings = settings
        self._setup: DhcpSetup | None = None
        self._ipv6_setup: Ipv6Setup | None = None
        self._write_s = settings.command_timeout_s
        self._sealer = settings.sealer if self._kind.secrets else None

    @property
    def uptime_s(self) -> int | None:
        """See `worker.ports.RouterSession`."""
        return None if self._uptime_s is None else self._uptime_s + int(monotonic() - self.opened_s)

    @property
    def certificate_ends_ms(self) -> int:
        """See `worker.ports.RouterSession`."""
        return self.connection.certificate_ends_ms

    def lacking(self, menu: MenuPath, names: Collection[str]) -> Sequence[str]:
        """See `worker.ports.RouterSession`."""
        return [text for name, text in self._too_new[menu].items() if name in names]

    @cached_property
    def _too_new(self) -> Mapping[MenuPath, Mapping[str, str]]:
        """The fields that its version lacks, as sentences, by menu."""
        menus = {**MENUS, LEASES: self._kind.menu}
        return {path: lacking(menu, self.version) for path, menu in menus.items()}

    def read_leases(self, query: LeaseQuery | None, progress: Callable[[], None]) -> list[Lease]:
        """See `worker.ports.RouterSession`."""
        terms, counts = self._settings.read_terms_per_print, self.connection.counts_first
        pace = self._read_pace()
        commands = entry_prints(self._kind, query, terms, self.version, counts=counts)
        limit_s = min(self._settings.read_timeout_s, self.connection.longest_s)
        began_s = monotonic()
        try:
            rows = self.connection.read("reading leases", commands, pace, progress)
        except RouterUnreachable as error:
            ended = isinstance(error.__cause__, (TimeoutError, FatalError))
            if query is None and ended and monotonic() - began_s >= limit_s:
                raise ReadTooLong(self._router, limit_s) from error
            raise
        return entry_rows(self._kind, rows, self._sealer)

    def read_rows(
        self, menu: MenuPath, terms: Sequence[FieldEquals] | None, progress: Callable[[], None]
    ) -> list[Row]:
        """See `worker.ports.RouterSession`."""
        commands = menu_prints(MENUS[menu], terms, self._settings.read_terms_per_print)
        answers = self._read_all(f"reading {menu}", commands, progress)
        rows = menu_rows(menu, answers, whole=terms is None)
        unclear = unclear_clients(rows)
        if not unclear:
            return rows
        prints = neighbour_prints(unclear, self._settings.read_terms_per_print)
        return with_neighbours(rows, self._read("reading neighbours", prints, progress))

    def _read(
        self,
        doing: str,
        prints: Sequence[Command],
        progress: Callable[[], None] = _nothing,
        window: int = _PRINTS_IN_FLIGHT,
    ) -> list[Reply]:
        return self.connection.run(doing, prints, self._read_pace(window), progress)

    def _read_all(
        self, doing: str, prints: Sequence[Command], progress: Callable[[], None] = _nothing
    ) -> list[dict[str, str]]:
        """Read the rows of prints of which the router must not refuse any."""
        return self.connection.read(doing, prints, self._read_pace(), progress)

    def _read_pace(self, window: int = _PRINTS_IN_FLIGHT) -> Pace:
        return Pace(window, self._settings.command_timeout_s, self._settings.read_timeout_s)

    def read_setup(self, *, fresh: bool) -> DhcpSetup:
        """See `worker.ports.RouterSession`."""
        if self._setup is None or fresh:
            doing, prints = "reading the DHCP setup", setup_prints(self._kind)
            replies = self.connection.run(doing, prints, setup_pace(prints, self._settings))
            self._setup = setup_of(self._kind, replies)
        return self._setup

    def read_ipv6_setup(self, *, fresh: bool) -> Ipv6Setup:
        """See `worker.ports.RouterSession`."""
        if self._ipv6_setup is None or fresh:
            doing, pace = "reading the DHCPv6 setup", setup_pace(IPV6_SETUP_PRINTS, self._settings)
            self._ipv6_setup = ipv6_setup_of(self.connection.run(doing, IPV6_SETUP_PRINTS, pace))
        return self._ipv6_setup

    def read_pools(self, progress: Callable[[], None]) -> Pools | None:
        """See `worker.ports.RouterSession`."""
        return pools_of(self._read("reading pools", POOL_PRINTS, progress))

    def read_effect(
        self,
        suspend_list: str,
        servers: Collection[str],
        progress: Callable[[], None],
        *,
        ipv6_list: str = "",
    ) -> EffectFacts:
        """See `worker.ports.RouterSession`."""
        prints = facts_prints(ipv6=bool(ipv6_list))
        replies = self._read("reading what decides when changes act", prints, progress)
        return effect_of(replies, suspend_list, servers, self.version, ipv6_list=ipv6_list)

    def read_named_options(self) -> frozenset[str]:
        """See `worker.ports.RouterSession`."""
        return named_options(self._read_all("reading options in use", USER_PRINTS))

    def write(self, operations: Sequence[Operation], progress: Callable[[], None]) -> list[Written]:
        """See `worker.ports.RouterSession`."""
        pace = self._write_pace(len(operations))
        found = commands_for(operations, self._kind, self.version, self._sealer)
        sent = [command for command in found if not isinstance(command, Refusal)]
        replies = self.connection.run("writing", sent, pace, progress, writing=True)
        stale = self._kind.stale
        refused = iter([refusal(r.traps, stale) if r.traps else None for r in replies])
        return [
            Written(operation, command if isinstance(command, Refusal) else next(refused))
            for operation, command in zip(operations, found, strict=True)
        ]

    def _write_pace(self, number: int) -> Pace:
        return Pace(self._settings.write_window, self._write_s, self._write_s * number)

    def renewed(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """See `worker.ports.RouterSession`."""
        return fields if self._sealer is None else renewed(self._kind, fields, self._sealer)

    def find_connections(
        self, addresses: Collection[str], progress: Callable[[], None]
    ) -> TrackedConnections:
        """See `worker.ports.RouterSession`."""
        table = ConnectionTable(self.connection, self._settings.command_timeout_s, progress)
        prefixes = [address for address in addresses if ":" in address]
        single = [address for address in addresses if ":" not in address]
        found = TrackedConnections({})
        if single:
            found = table.find(single, self._settings.read_terms_per_print)
        if not prefixes or found.problem:
            return found
        more = table.find_ipv6(prefixes)
        return TrackedConnections(
            {**found.ids, **more.ids}, more.problem, [*found.flows, *more.flows]
        )

    def remove_connections(self, ids: Sequence[str], progress: Callable[[], None]) -> str:
        """See `worker.ports.RouterSession`."""
        table = ConnectionTable(self.connection, self._settings.command_timeout_s, progress)
        return table.remove(ids)

    def find_sessions(
        self, devices: Collection[str], progress: Callable[[], None]
    ) -> list[RunningSession]:
        """See `worker.ports.RouterSession`."""
        return self._find_sessions([FieldEquals("name", device) for device in devices], progress)

    def _find_sessions(
        self, terms: Sequence[FieldEquals], progress: Callable[[], None]
    ) -> list[RunningSession]:
        commands = session_prints(self._kind, terms, self._settings.read_terms_per_print)
        return running(self._read_all("reading sessions", commands, progress))

    def end_sessions(self, ids: Sequence[str], progress: Callable[[], None]) -> list[str]:
        """See `worker.ports.RouterSession`."""
        commands = [(f"{self._kind.sessions}/remove", f"=.id={row_id}") for row_id in ids]
        pace = self._write_pace(len(commands))
        replies = self.connection.run("ending sessions", commands, pace, progress)
        refusals = [refusal(reply.traps) if reply.traps else None for reply in replies]
        return ["" if r is None or r.kind == "stale" else r.message for r in refusals]

    def reconfigurable(
        self, macs: Collection[str], progress: Callable[[], None]
    ) -> Mapping[str, str]:
        """See `worker.ports.RouterSession`."""
        commands = reconfigure_prints(macs, self._settings.read_terms_per_print)
        replies = self._read("reading keys", commands, progress)
        rows = (row for reply in replies for row in reply.rows if not reply.traps)
        return {row.get("comment", ""): row[".id"] for row in rows}

    def send_reconfigure(self, row_ids: Sequence[str], progress: Callable[[], None]) -> list[str]:
        """See `worker.ports.RouterSession`."""
        commands = [(f"{LEASES}/send-reconfigure", f"=numbers={row_id}") for row_id in row_ids]
        pace = self._write_pace(len(commands))
        replies = self.connection.run("sending reconfigure", commands, pace, progress)
        return ["; ".join(reply.traps) for reply in replies]

    def wait_longer(self, doublings: int) -> None:
        """See `worker.ports.RouterSession`."""
        longer_s = self._settings.command_timeout_s * 2**doublings
        self._write_s = min(longer_s, self._settings.router_lock_s / 2)

    def observe(self, query: LeaseQuery, *, leases: bool = False) -> Observation:
        """See `worker.ports.RouterSession`."""
        if not (query.devices or query.addresses or query.comments):
            found = Observation(entries=self.entries)
        elif self._kind.sessions:
            rows = self.read_leases(query, _nothing)
            sessions = self._find_sessions(terms_for(query, [r.device for r in rows]), _nothing)
            found = Observation(with_sessions(rows, sessions), entries=self.entries)
        elif leases or self._kind.shows_devices:
            found = self._observe("observing leases", observing_commands(query))
        else:
            rows_alone = [SeenRow(row) for row in self.read_leases(query, _nothing)]
            found = Observation(rows_alone, entries=self.entries)
        if query.bindings is None:
            return found
        (servers,) = self._read("reading DHCPv6 servers", [IPV6_SERVERS])
        terms = binding_terms(query.bindings)
        bindings = [] if servers.traps else self.read_rows(BINDINGS, terms, _nothing)
        return replace(found, ipv6=seen_ipv6(bindings, servers))

    def read_effect_rows(self, query: EffectQuery) -> EffectReading:
        """See `worker.ports.RouterSession`."""
        prints = effect_prints(query)
        commands = list(prints.values())
        replies = self._read("reading effects", commands, window=len(commands))
        return effect_reading(dict(zip(prints, replies, strict=True)))

    def read_watched(self) -> Observation:
        """See `worker.ports.RouterSession`."""
        if self._kind.sessions:  # nobody is there without a row but by RADIUS
            return Observation(entries=self.entries)
        return self._observe("watching leases", watching_commands())

    def _observe(self, doing: str, commands: Sequence[Command]) -> Observation:
        rows, servers = (self.connection.rows(doing, r) for r in self._read(doing, commands))
        return observed(rows, servers)

    def probe(self, address: str, mac: str) -> Probe:
        """Ping a device from the router, and read what its log says of it; raises as a read."""
        return probed(self._read("verifying", probe_commands(address)), mac)

    def close(self) -> None:
        """See `worker.ports.RouterSession`."""
        self.connection.close()

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self.connection.closed
