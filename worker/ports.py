"""Sessions with routers, as the use cases need them; `worker/routeros/` implements them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from worker.compute_gate import Turn
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading, SeenFlow
from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.rows.observed import Observation, RunningSession
from worker.core.rows.operations import Operation
from worker.core.rows.pools import Pools
from worker.core.rows.rows import Lease, MenuPath, Row


class FieldEquals(NamedTuple):
    """A field and the value that it must have, exactly."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class BindingQuery:
    """The DHCPv6 bindings to show to a person: those that match any of these, and dynamic ones.

    Attributes:
        addresses: prefixes, or addresses with `/128`.
        comments: whole comments.
    """

    addresses: Collection[str] = ()
    comments: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class LeaseQuery:
    """The leases to read: those that match any of these, exactly.

    Each is given once. If the values of one row stand at the same place in all three, the router
    rarely answers with the row twice, however many queries are sent.

    Attributes:
        devices: MACs in normal form, or names that devices log in with.
        addresses: as the field `address` holds them.
        comments: whole comments.
        bindings: to be observed beside them; None: none, and nothing of IPv6 is read.
    """

    devices: Collection[str] = ()
    addresses: Collection[str] = ()
    comments: Collection[str] = ()
    bindings: BindingQuery | None = None


@dataclass(frozen=True, slots=True)
class EffectQuery:
    """What to read to see whether changes act; each part is a set of values, each given once.

    Attributes:
        queues: addresses that are the target of a simple queue.
        targets: whole targets of simple queues.
        listed: addresses and IPv6 prefixes in address lists.
        gardens: names of address lists that suspended customers may reach.
        gardens6: the same, of IPv6.
        arp: MAC addresses, or addresses, of ARP entries.
        pools: names.
        bindings: IPv6 prefixes.
    """

    queues: Collection[str] = ()
    targets: Collection[str] = ()
    listed: Collection[str] = ()
    gardens: Collection[str] = ()
    gardens6: Collection[str] = ()
    arp: Collection[str] = ()
    pools: Collection[str] = ()
    bindings: Collection[str] = ()


class Refusal(NamedTuple):
    """Why the router refused one operation.

    Attributes:
        kind: `stale` (our read was old: read and plan again), `waiting` (a server, pool or option
            is missing), `refused` (this can never work as it is), `not-permitted` (our user may
            not do it), `unknown-words` (an unknown message).
        message: the router's own.
    """

    kind: Literal["stale", "waiting", "refused", "not-permitted", "unknown-words"]
    message: str


class Written(NamedTuple):
    """The answer to one operation; `refusal` is None when the router confirmed it."""

    operation: Operation
    refusal: Refusal | None


class TrackedConnections(NamedTuple):
    """The tracked connections of some addresses.

    Attributes:
        ids: id -> which of the addresses it is from or to.
        flows: the same, with who is at the other end.
        problem: why they could not be found; empty: these are all.
    """

    ids: Mapping[str, str]
    problem: str = ""
    flows: Sequence[SeenFlow] = ()


class AnswerTimes(NamedTuple):
    """How long a router took to answer.

    Attributes:
        number: how many answers.
        sum_ms: their times together, each from the question to the first bytes of the answer.
        most_ms: the longest.
    """

    number: int
    sum_ms: int
    most_ms: int


class RowReader(Protocol):
    """Gives the rows of one router for a plan.

    `progress` is called between answers, so that the caller can renew its lock.

    Raises:
        RouterUnreachable, RouterBlocked: by each method of a session with the router.
    """

    def lacking(self, menu: MenuPath, names: Collection[str]) -> Sequence[str]:
        """Those of a menu's fields that the router's version does not have, in words."""

    def renewed(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return wanted fields with sealed secrets as this session reads them: by its first key."""

    def read_leases(self, query: LeaseQuery | None, progress: Callable[[], None]) -> list[Lease]:
        """Read the rows that match, or all of them; each once, in any order.

        None as the query reads the whole table.
        """

    def read_setup(self, *, fresh: bool) -> DhcpSetup:
        """The router's DHCP setup, as first read in this session; `fresh`: read it again."""

    def read_ipv6_setup(self, *, fresh: bool) -> Ipv6Setup:
        """The same of IPv6, which is read only when it is asked for."""

    def read_rows(
        self, menu: MenuPath, terms: Sequence[FieldEquals] | None, progress: Callable[[], None]
    ) -> list[Row]:
        """Read the rows of a menu that match any of the terms; each once, in any order.

        Dynamic bindings say which MAC their client answers for, as far as the router knows.

        None as the terms reads the whole table; an empty sequence sends nothing.
        """


class RouterSession(RowReader, Protocol):
    """One logged-in connection to one router. Not for two threads at once.

    Every method raises `RouterUnreachable` or `RouterBlocked`; a write whose answer was lost raises
    `OutcomeUnknown`. After any of these the session is closed (by reset) and cannot be used.

    Attributes:
        identity: the router's `/system/identity` name, read at login.
        version: of RouterOS, without its channel, such as `7.18.2`.
        serial: serial number, or system id of a CHR; empty if the router has neither.
        entries: name of the kind of entry that the router holds; all kinds are read as leases.
    """

    identity: str
    version: str
    serial: str
    entries: str

    @property
    def uptime_s(self) -> int | None:
        """How long the router has been up; None: unknown."""

    @property
    def certificate_ends_ms(self) -> int:
        """When its certificate ends (ms since 1970); 0: unknown."""

    def read_watched(self) -> Observation:
        """Dynamic leases, and blocked ones that are bound, in whichever menu our entries are."""

    def observe(self, query: LeaseQuery, *, leases: bool = False) -> Observation:
        """Read rows with their holders; also those that devices and addresses of the query hold.

        With `leases` the rows are leases, in whichever menu our entries are.
        """

    def read_effect_rows(self, query: EffectQuery) -> EffectReading:
        """Read what decides beside the leases whether changes act; without leases and their times.

        What the login may not read is None in the answer.
        """

    def read_pools(self, progress: Callable[[], None]) -> Pools | None:
        """The address pools, their usage and the servers that use them; None: unknown."""

    def read_effect(
        self,
        suspend_list: str,
        servers: Collection[str],
        progress: Callable[[], None],
        *,
        ipv6_list: str = "",
    ) -> EffectFacts:
        """What decides there when a change acts; menus that we may not read are in `unread`.

        `suspend_list` is the address list of suspended services, `ipv6_list` that of their
        prefixes. Without them there is none, and IPv6 is not looked at. `servers` are the DHCP
        servers of our services; with `all`, every server is one.
        """

    def read_named_options(self) -> frozenset[str]:
        """The names of DHCP options that any lease, network or option set uses."""

    def write(self, operations: Sequence[Operation], progress: Callable[[], None]) -> list[Written]:
        """Send the operations of one phase, a bounded number in flight; one result each, in order.

        Args:
            operations: of one phase: they commute.
            progress: called at least once a window, so that the caller can renew its lock; what
                it raises ends the call and the session.
        """

    def find_connections(
        self, addresses: Collection[str], progress: Callable[[], None]
    ) -> TrackedConnections:
        """Find tracked connections of IPv4 addresses and IPv6 prefixes; in a few seconds or not."""

    def remove_connections(self, ids: Sequence[str], progress: Callable[[], None]) -> str:
        """Remove connections that were found, a bounded number; one that is over counts as removed.

        Returns:
            Why not all were removed; empty: all were.
        """

    def find_sessions(
        self, devices: Collection[str], progress: Callable[[], None]
    ) -> list[RunningSession]:
        """Find the running sessions of devices by the names of their logins, but for RADIUS."""

    def end_sessions(self, ids: Sequence[str], progress: Callable[[], None]) -> list[str]:
        """End sessions that were found, so that the devices log in again; one that is over counts.

        Returns:
            For each the router's refusal; empty: it was ended.
        """

    def reconfigurable(
        self, macs: Collection[str], progress: Callable[[], None]
    ) -> Mapping[str, str]:
        """Find the static leases of MACs whose device takes a reconfigure message: tag -> id."""

    def send_reconfigure(self, row_ids: Sequence[str], progress: Callable[[], None]) -> list[str]:
        """Have the router tell devices of such rows to renew their leases now; one message a row.

        Returns:
            For each row the router's refusal; empty: it was sent.
        """

    def wait_longer(self, doublings: int) -> None:
        """Double the time for answers to writes so often, up to half of the lock's time."""

    def close(self) -> None:
        """Reset the connection, so that nothing still in flight lands later."""


class RouterSessions(Protocol):
    """Opens sessions, and keeps idle ones for a while: at most one for each router and process."""

    def open(self, router: str, turn: Turn | None = None) -> RouterSession:
        """Take an idle session, else connect, log in and identify the router.

        While the session waits, others compute in place of `turn`, which is of the pass.

        Raises:
            RouterUnreachable: no connection, no login answer.
            RouterBlocked: login, certificate, identity or permission refused.
            RouterBusy: this process has a session with it that is in use.
        """

    def give_back(self, router: str, session: RouterSession) -> None:
        """Keep a healthy session for the next pass."""


@contextmanager
def borrowed(
    sessions: RouterSessions, router: str, turn: Turn | None = None
) -> Iterator[RouterSession]:
    """A session that is given back after the block, or closed if it fails; see `RouterSessions`."""
    session = sessions.open(router, turn)
    try:
        yield session
    except BaseException:
        session.close()
        raise
    sessions.give_back(router, session)
