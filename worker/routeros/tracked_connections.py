"""Finds and removes the tracked connections of addresses, within bounds.

RouterOS shows an address with its port in a field of its own (seen in the 7.21.5 tree), or as
`address:port` (6.x, and the manual of earlier 7.x). A query selects by an exact value only, so the
second form needs a read of the whole table. So do the connections of an IPv6 prefix.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from worker.core.effect.reading import SeenFlow
from worker.core.rows.normal import YES
from worker.ports import TrackedConnections
from worker.routeros.commands import COUNTS, Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.rows import searches

MOST_REMOVED: Final = 5_000
"""Connections of one removal. A customer has hundreds."""
MOST_READ: Final = 50_000
"""Connections of a table that is read as a whole."""
_IDS_PER_COMMAND: Final = 50
_WINDOW: Final = 8
_MENU: Final = "/ip/firewall/connection"
_MENU6: Final = "/ipv6/firewall/connection"
_IS_IPV6: Final = "ipv6:"
"""Before the id of a row of that menu: both menus have the same ids."""
_ENDS: Final = ("src-address", "dst-address", "reply-src-address", "reply-dst-address")
"""Both directions: with NAT the customer stands in one of the two only."""
_FIELDS: Final = f"{','.join(('.id', *_ENDS))},src-port,fasttrack"
_COUNTS: Final[Sequence[Command]] = (
    (f"{_MENU}/print", COUNTS, "?src-port"),
    (f"{_MENU}/print", COUNTS),
)
_GONE: Final = "no such item"


class ConnectionTable:
    """The connection table of one router.

    `limit_s` is for each search, count, read and removal. How long a real router takes to search
    200,000 connections is not known; the simulator takes 6 s.
    """

    def __init__(
        self, connection: RouterConnection, limit_s: float, progress: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._pace = Pace(_WINDOW, limit_s, limit_s)
        self._progress = progress

    def find(self, addresses: Collection[str], terms_per_print: int) -> TrackedConnections:
        """Find all connections from or to these addresses.

        Raises:
            RouterUnreachable: also when the router takes longer than the limit.
            RouterBlocked: as the connection does.
        """
        terms = [f"?={end}={address}" for address in sorted(addresses) for end in _ENDS]
        queries = searches(_MENU, _FIELDS, terms, terms_per_print)
        replies = self._run("searching connections", queries)
        if refused := _refusal(replies):
            return TrackedConnections({}, refused)
        rows = [row for reply in replies for row in reply.rows]
        if not any("src-port" in row for row in rows):
            counts = self._run("counting connections", _COUNTS)
            if refused := _refusal(counts):
                return TrackedConnections({}, refused)
            with_port, total = (int(reply.done.get("ret", 0)) for reply in counts)
            if total > MOST_READ and not with_port:
                return TrackedConnections(
                    {},
                    f"the router tracks {total} connections and cannot search them by address; "
                    f"at most {MOST_READ} are read",
                )
            if total and not with_port:
                whole = self._whole(_MENU)
                if refused := _refusal([whole]):
                    return TrackedConnections({}, refused)
                rows = whole.rows
        return _found(_of_addresses(rows, addresses))

    def find_ipv6(self, prefixes: Collection[str]) -> TrackedConnections:
        """Find all connections from or to addresses in these prefixes.

        Raises:
            RouterUnreachable, RouterBlocked: see `find`.
        """
        (count,) = self._run("counting connections", [(f"{_MENU6}/print", COUNTS)])
        if refused := _refusal([count]):
            return TrackedConnections({}, refused)
        total = int(count.done.get("ret", 0))
        if total > MOST_READ:
            why = f"the router tracks {total} IPv6 connections; at most {MOST_READ} are read"
            return TrackedConnections({}, why)
        if not total:
            return TrackedConnections({})
        whole = self._whole(_MENU6)
        if refused := _refusal([whole]):
            return TrackedConnections({}, refused)
        return _found(_of_prefixes(whole.rows, prefixes))

    def remove(self, ids: Sequence[str]) -> str:
        """Remove connections; one that ended meanwhile counts as removed.

        Returned is why not all were removed; empty: all were.

        Raises:
            RouterUnreachable, RouterBlocked: see `find`.
        """
        within = list(ids[:MOST_REMOVED])
        families = [[i for i in within if i.startswith(_IS_IPV6) is ipv6] for ipv6 in (False, True)]
        most = _IDS_PER_COMMAND
        parts = [own[at : at + most] for own in families for at in range(0, len(own), most)]
        replies = self._run("removing connections", map(_removal, parts))
        # A list with one that has ended may be refused as a whole.
        again = [
            [connection_id]
            for part, reply in zip(parts, replies, strict=True)
            if any(_GONE in trap for trap in reply.traps)
            for connection_id in part
        ]
        replies += self._run("removing connections", map(_removal, again))
        refused = [trap for reply in replies for trap in reply.traps if _GONE not in trap]
        if refused:
            return refused[0]
        left = len(ids) - len(within)
        return f"{len(within)} of {len(ids)} connections were removed" if left else ""

    def _whole(self, menu: str) -> Reply:
        command = (f"{menu}/print", f"=.proplist={_FIELDS}")
        (whole,) = self._run("reading connections", [command])
        return whole

    def _run(self, doing: str, commands: Iterable[Command]) -> list[Reply]:
        return self._connection.run(doing, list(commands), self._pace, self._progress)


def _removal(ids: Sequence[str]) -> Command:
    menu = _MENU6 if ids[0].startswith(_IS_IPV6) else _MENU
    return (f"{menu}/remove", f"=numbers={','.join(i.removeprefix(_IS_IPV6) for i in ids)}")


def _refusal(replies: Sequence[Reply]) -> str:
    return next((trap for reply in replies for trap in reply.traps), "")


def _found(flows: Iterable[tuple[str, SeenFlow]]) -> TrackedConnections:
    by_id = dict(flows)
    ids = {connection_id: flow.address for connection_id, flow in by_id.items()}
    return TrackedConnections(ids, flows=list(by_id.values()))


def _of_addresses(
    rows: Sequence[Mapping[str, str]], addresses: Collection[str]
) -> Iterator[tuple[str, SeenFlow]]:
    """The ids of the rows that have one of exactly these addresses at any end, with their flows."""
    for row in rows:
        ends = [row.get(end, "").partition(":")[0] for end in _ENDS]
        at = next((at for at, address in enumerate(ends) if address in addresses), None)
        if at is not None:
            peer = ends[at ^ 1]  # the ends stand in pairs
            yield row[".id"], SeenFlow(ends[at], peer, row.get("fasttrack") in YES)


def _of_prefixes(
    rows: Sequence[Mapping[str, str]], prefixes: Collection[str]
) -> Iterator[tuple[str, SeenFlow]]:
    """The same for rows of IPv6 with an end in one of the prefixes."""
    ranges = [(int(net[0]), int(net[-1]), str(net)) for net in map(IPv6Network, prefixes)]
    for row in rows:
        ends = [_number(row.get(end, "")) for end in _ENDS]
        at, prefix = next(
            (
                (at, prefix)
                for at, end in enumerate(ends)
                for first, last, prefix in ranges
                if first <= end <= last
            ),
            (None, ""),
        )
        if at is not None:
            peer = row.get(_ENDS[at ^ 1], "")
            flow = SeenFlow(prefix, _bare(peer), row.get("fasttrack") in YES)
            yield f"{_IS_IPV6}{row['.id']}", flow


def _number(text: str) -> int:
    """An address as a number; -1: none that is known."""
    try:
        return int(IPv6Address(_bare(text)))
    except ValueError:
        return -1


def _bare(text: str) -> str:
    """An address without a length, and without the port of `[address]:port`."""
    return text.removeprefix("[").partition("]")[0].partition("/")[0]
