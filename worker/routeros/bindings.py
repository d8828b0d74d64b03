"""DHCPv6 bindings as words of the API: those that people ask for, and whose clients they are."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from worker.core.rows.bindings import mac_in_link_local
from worker.core.rows.normal import YES, mac
from worker.core.rows.observed import SeenIpv6
from worker.core.rows.rows import BindingRow, Row
from worker.ports import BindingQuery, FieldEquals
from worker.routeros.commands import Command, Reply
from worker.routeros.rows import searches

IPV6_SERVERS: Final[Command] = ("/ipv6/dhcp-server/print", "=.proplist=name,disabled,invalid")


def binding_terms(query: BindingQuery) -> list[FieldEquals]:
    """Return the terms of a query; all dynamic bindings match.

    Versions differ in how they spell a flag, and the length of a single address.
    """
    addresses = {text for given in query.addresses for text in (given, given.removesuffix("/128"))}
    return [
        *(FieldEquals("address", address) for address in sorted(addresses)),
        *(FieldEquals("comment", comment) for comment in sorted(query.comments)),
        *(FieldEquals("dynamic", spelled) for spelled in sorted(YES)),
    ]


def seen_ipv6(rows: Sequence[Row], servers: Reply) -> SeenIpv6:
    """Return what was seen; a router that shows no servers has none of the rows."""
    if servers.traps:
        return SeenIpv6(problem="; ".join(servers.traps))
    return SeenIpv6(
        [row for row in rows if isinstance(row, BindingRow)],
        {
            row.get("name", ""): next(
                (flag for flag in ("disabled", "invalid") if row.get(flag) in YES), ""
            )
            for row in servers.rows
        },
    )


def unclear_clients(rows: Iterable[Row]) -> list[str]:
    """Return the link-local addresses of clients that only the router's neighbours explain."""
    return sorted(
        {
            row.client_address
            for row in rows
            if isinstance(row, BindingRow)
            and row.dynamic
            and row.client_address
            and not mac_in_link_local(row.client_address)
        }
    )


def neighbour_prints(addresses: Collection[str], terms_per_print: int) -> list[Command]:
    """Return the prints of what the router knows of these addresses on its links."""
    words = [f"?=address={address}" for address in addresses]
    return searches("/ipv6/neighbor", "address,mac-address", words, terms_per_print)


def with_neighbours(rows: Sequence[Row], replies: Iterable[Reply]) -> list[Row]:
    """Return the rows with the MAC addresses that the answers to those prints say.

    A router that refuses the menu knows none. An address that is on two links with two MAC
    addresses says nothing.
    """
    macs: dict[str, set[str]] = defaultdict(set)
    for row in (row for reply in replies if not reply.traps for row in reply.rows):
        if row.get("mac-address"):
            macs[row.get("address", "").lower()].add(mac(row["mac-address"]))
    return [
        replace(row, client_mac=next(iter(macs[row.client_address])))
        if isinstance(row, BindingRow) and len(macs.get(row.client_address, ())) == 1
        else row
        for row in rows
    ]
