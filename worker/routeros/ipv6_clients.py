"""Which MAC the client of a dynamic binding answers for, where its own addresses do not say it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from worker.core.rows.bindings import mac_in_link_local
from worker.core.rows.normal import mac
from worker.core.rows.rows import BindingRow, Row
from worker.routeros.commands import Command, Reply
from worker.routeros.rows import any_of


def unclear_clients(rows: Iterable[Row]) -> frozenset[str]:
    """Return the link-local addresses of clients that only the router's neighbours explain."""
    return frozenset(
        row.client_address
        for row in rows
        if isinstance(row, BindingRow)
        and row.dynamic
        and row.client_address
        and not mac_in_link_local(row.client_address)
    )


def neighbour_prints(addresses: Collection[str], terms_per_print: int) -> list[Command]:
    """Return the prints of what the router knows of these addresses on its links."""
    words = [f"?=address={address}" for address in sorted(addresses)]
    return [
        (
            "/ipv6/neighbor/print",
            "=.proplist=address,mac-address",
            *any_of(words[at : at + terms_per_print]),
        )
        for at in range(0, len(words), terms_per_print)
    ]


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
