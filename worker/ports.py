"""What the use cases ask of the edges: a router session here, time beside it.

`worker/convergence/router_pass.py` calls these; `worker/routeros/` implements the router's side.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from worker.compute_gate import Turn
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.rows.observed import Observation
from worker.core.rows.operations import Operation
from worker.core.rows.pools import Pools
from worker.core.rows.rows import Lease, MenuPath, Row


class Term(NamedTuple):
    """A field and the value that it must have, exactly."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class LeaseQuery:
    """Which leases to read: those that match any of these, exactly.

    Each once. Where what one row is expected to have stands at the same place in all three, the
    router seldom answers with it more than once, however many sentences it takes to ask.

    Attributes:
        macs: in normal form.
        addresses: as the field `address` holds them.
        comments: whole comments.
    """

    macs: Collection[str] = ()
    addresses: Collection[str] = ()
    comments: Collection[str] = ()


class Refusal(NamedTuple):
    """The router said no to one operation.

    Attributes:
        kind: `stale` (our read was old: read and plan again), `waiting` (a server, pool or option
            is not there), `refused` (this can never work as it is), `not-permitted` (the user may
            not), `unknown-words` (a text we do not know).
        message: the router's own words.
    """

    kind: Literal["stale", "waiting", "refused", "not-permitted", "unknown-words"]
    message: str


class Written(NamedTuple):
    """What came of one operation; `refusal` is None when the router confirmed it."""

    operation: Operation
    refusal: Refusal | None


class RouterSession(Protocol):
    """One logged-in connection to one router. Not for two threads at once.

    Every method raises `RouterUnreachable` or `RouterBlocked`; a write whose reply was lost raises
    `OutcomeUnknown`. After any raise the session is closed (by reset) and of no more use.
    """

    @property
    def identity(self) -> str:
        """The router's `/system/identity` name, read at login."""

    @property
    def version(self) -> str:
        """The RouterOS version without its channel, such as `7.18.2`."""

    @property
    def serial(self) -> str:
        """Serial number, or system id of a CHR; empty where the router tells neither."""

    @property
    def uptime_s(self) -> int | None:
        """For how long the router has been up by now; None where it does not tell."""

    @property
    def certificate_ends_ms(self) -> int:
        """Until when the certificate that it showed is valid (ms since 1970); 0: not known."""

    @property
    def entries(self) -> str:
        """Name of the kind of entry that the router holds; all kinds are read as leases."""

    def lacking(self, menu: MenuPath, names: Collection[str]) -> Sequence[str]:
        """Those of a menu's fields that the router's version does not have, in words."""

    def read_leases(self, query: LeaseQuery | None, progress: Callable[[], None]) -> list[Lease]:
        """Read the rows that match, or all of them; each row once, in no certain order.

        Args:
            query: None reads the whole table.
            progress: called between answers, so that the caller can renew its lease.
        """

    def read_setup(self, *, fresh: bool) -> DhcpSetup:
        """What the router's DHCP is set up with, as first read in this session.

        Args:
            fresh: read it anew.
        """

    def read_rows(
        self, menu: MenuPath, terms: Sequence[Term] | None, progress: Callable[[], None]
    ) -> list[Row]:
        """Read the rows of a menu that match any of the terms; each once, in no certain order.

        Args:
            menu: whose rows.
            terms: None reads the whole table; without any nothing is asked.
            progress: see `read_leases`.
        """

    def read_watched(self) -> Observation:
        """Dynamic leases, and blocked ones that are bound, in whichever menu our entries are."""

    def observe(self, query: LeaseQuery) -> Observation:
        """Read rows with who holds them; also rows held by the devices and addresses asked for."""

    def read_pools(self, progress: Callable[[], None]) -> Pools | None:
        """The address pools, how far they are used and by which servers; None: it does not tell.

        Args:
            progress: see `read_leases`.
        """

    def read_named_options(self) -> frozenset[str]:
        """The names of DHCP options that any lease, network or option set names."""

    def write(self, operations: Sequence[Operation], progress: Callable[[], None]) -> list[Written]:
        """Send the operations of one phase, a bounded number in flight; one result each, in order.

        Args:
            operations: of one phase: they commute.
            progress: called at least once a window, so that the caller can renew its lease; what
                it raises ends the call and the session.
        """

    def wait_longer(self, doublings: int) -> None:
        """Wait for answers to writes twice as long so often, up to half of a router's lease."""

    def close(self) -> None:
        """Throw the connection away by reset, so that nothing still under way lands later."""


class RouterSessions(Protocol):
    """Opens sessions, keeps idle ones a while: at most one a router and process."""

    def open(self, router: str, turn: Turn | None = None) -> RouterSession:
        """Take an idle session, else connect, log in and identify the router.

        Args:
            router: its name.
            turn: of the pass at the compute gate; others compute while the session waits.

        Raises:
            RouterUnreachable: no connection, no login answer.
            RouterBlocked: login, certificate, identity or permission refused.
            RouterBusy: this process has a session with it that is in use.
        """

    def give_back(self, router: str, session: RouterSession) -> None:
        """Keep a healthy session for the next pass."""
