"""The DHCPv6 bindings that people ask for, and the servers of a router that give them out."""

from collections.abc import Sequence
from typing import Final

from worker.core.rows.observed import SeenIpv6
from worker.core.rows.rows import BindingRow, Row
from worker.ports import BindingQuery, FieldEquals
from worker.routeros.commands import Command, Reply

IPV6_SERVERS: Final[Command] = ("/ipv6/dhcp-server/print", "=.proplist=name,disabled,invalid")
_YES: Final = frozenset({"true", "yes"})


def binding_terms(query: BindingQuery) -> list[FieldEquals]:
    """Return the terms of a query; all dynamic bindings match.

    Versions differ in how they spell a flag, and the length of a single address.
    """
    addresses = {text for given in query.addresses for text in (given, given.removesuffix("/128"))}
    return [
        *(FieldEquals("address", address) for address in sorted(addresses)),
        *(FieldEquals("comment", comment) for comment in sorted(query.comments)),
        *(FieldEquals("dynamic", spelled) for spelled in ("true", "yes")),
    ]


def seen_ipv6(rows: Sequence[Row], servers: Reply) -> SeenIpv6:
    """Return what was seen; a router that shows no servers has none of the rows."""
    if servers.traps:
        return SeenIpv6(problem="; ".join(servers.traps))
    return SeenIpv6(
        [row for row in rows if isinstance(row, BindingRow)],
        {
            row.get("name", ""): next(
                (flag for flag in ("disabled", "invalid") if row.get(flag) in _YES), ""
            )
            for row in servers.rows
        },
    )
