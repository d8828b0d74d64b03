"""Finds and removes the tracked connections of addresses, within bounds.

RouterOS shows an address with its port in a field of its own (seen in the 7.21.5 tree), or as
`address:port` (6.x, and the manual of earlier 7.x). A query selects by an exact value only, so the
second form needs a read of the whole table.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from worker.core.effect.reading import SeenFlow
from worker.ports import TrackedConnections
from worker.routeros.connection import Command, Pace, Reply, RouterConnection
from worker.routeros.rows import any_of

TIME_LIMIT_S: Final = 10.0
"""For a search, and for a removal. How long a real router takes with 200,000 is not known (the
simulator: 6 s). One that needs longer is left alone for a while."""
MOST_REMOVED: Final = 5_000
"""Connections of one removal. A customer has hundreds."""
MOST_READ: Final = 50_000
"""Connections of a table that is read as a whole."""
_IDS_PER_COMMAND: Final = 50
_WINDOW: Final = 8
_MENU: Final = "/ip/firewall/connection"
_ENDS: Final = ("src-address", "dst-address", "reply-src-address", "reply-dst-address")
"""Both directions: with NAT the customer stands in one of the two only."""
_FIELDS: Final = f"=.proplist={','.join(('.id', *_ENDS))},src-port,fasttrack"
_COUNTS: Final[Sequence[Command]] = (
    (f"{_MENU}/print", "=count-only=", "?src-port"),
    (f"{_MENU}/print", "=count-only="),
)
_YES: Final = frozenset({"true", "yes"})
_GONE: Final = "no such item"
_T = TypeVar("_T")


def find(
    connection: RouterConnection,
    addresses: Collection[str],
    terms_per_print: int,
    progress: Callable[[], None],
) -> TrackedConnections:
    """Find all connections from or to these addresses.

    Raises:
        RouterUnreachable: also when the router needs longer than `TIME_LIMIT_S`.
        RouterBlocked: as the connection does.
    """
    terms = [f"?={end}={address}" for address in sorted(addresses) for end in _ENDS]
    queries = [
        (f"{_MENU}/print", _FIELDS, *any_of(part)) for part in _parts(terms, terms_per_print)
    ]
    replies = _run(connection, "searching connections", queries, progress)
    if refused := _refusal(replies):
        return TrackedConnections({}, refused)
    rows = [row for reply in replies for row in reply.rows]
    if not any("src-port" in row for row in rows):
        counts = _run(connection, "counting connections", _COUNTS, progress)
        if refused := _refusal(counts):
            return TrackedConnections({}, refused)
        with_port, total = (int(reply.done.get("ret", 0)) for reply in counts)
        if total and not with_port:
            if total > MOST_READ:
                return TrackedConnections(
                    {},
                    f"the router tracks {total} connections and cannot search them by address; "
                    f"at most {MOST_READ} are read",
                )
            whole = _run(connection, "reading connections", [(f"{_MENU}/print", _FIELDS)], progress)
            if refused := _refusal(whole):
                return TrackedConnections({}, refused)
            rows = whole[0].rows
    found = dict(_of_addresses(rows, addresses))
    return TrackedConnections(
        {connection_id: flow.address for connection_id, flow in found.items()},
        flows=list(found.values()),
    )


def remove(connection: RouterConnection, ids: Collection[str], progress: Callable[[], None]) -> str:
    """Remove connections; one that ended meanwhile counts as removed.

    Returns:
        Why not all were removed; empty: all were.

    Raises:
        RouterUnreachable, RouterBlocked: see `find`.
    """
    within = list(ids)[:MOST_REMOVED]
    parts = list(_parts(within, _IDS_PER_COMMAND))
    replies = _run(connection, "removing connections", map(_removal, parts), progress)
    # A list with one that has ended may be refused as a whole.
    again = [
        connection_id
        for part, reply in zip(parts, replies, strict=True)
        if any(_GONE in trap for trap in reply.traps)
        for connection_id in part
    ]
    alone = ([connection_id] for connection_id in again)
    singly = _run(connection, "removing connections", map(_removal, alone), progress)
    refused = [trap for reply in (*replies, *singly) for trap in reply.traps if _GONE not in trap]
    if refused:
        return refused[0]
    left = len(ids) - len(within)
    return f"{len(within)} of {len(ids)} connections were removed" if left else ""


def _removal(ids: Sequence[str]) -> Command:
    return (f"{_MENU}/remove", f"=numbers={','.join(ids)}")


def _parts(values: list[_T], size: int) -> Iterator[list[_T]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _run(
    connection: RouterConnection,
    doing: str,
    commands: Iterator[Command] | Sequence[Command],
    progress: Callable[[], None],
) -> list[Reply]:
    pace = Pace(_WINDOW, TIME_LIMIT_S, TIME_LIMIT_S)
    return connection.run(doing, list(commands), pace, progress)


def _refusal(replies: Sequence[Reply]) -> str:
    return next((trap for reply in replies for trap in reply.traps), "")


def _of_addresses(
    rows: Sequence[Mapping[str, str]], addresses: Collection[str]
) -> Iterator[tuple[str, SeenFlow]]:
    """The ids of the rows that have one of exactly these addresses at any end, with their flows."""
    for row in rows:
        ends = [row.get(end, "").partition(":")[0] for end in _ENDS]
        at = next((at for at, address in enumerate(ends) if address in addresses), None)
        if at is not None:
            peer = ends[at ^ 1]  # the ends stand in pairs
            yield row[".id"], SeenFlow(ends[at], peer, row.get("fasttrack") in _YES)
