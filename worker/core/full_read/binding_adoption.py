"""Sorts the static DHCPv6 bindings of a router that was in use before Leasewire.

As `adoption.py` sorts leases. A binding is adopted by its prefix, by the stated DUID and IAID, or
by the MAC in its DUID.
"""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv6Network

from worker.core.full_read.adoption import (
    KnownServices,
    SortedRow,
    by_tag,
    differing,
    second_check,
)
from worker.core.rows.bindings import OwnBinding, mac_in_duid
from worker.core.rows.prefixes import PrefixMap, network_of
from worker.core.rows.rows import BindingRow


def sort_bindings(
    rows: Iterable[BindingRow], known: KnownServices, installation: str
) -> list[SortedRow]:
    """Sort every static binding: those of prefixes first, then those of addresses.

    Dynamic rows are ignored.
    """
    static = [row for row in rows if not row.dynamic]
    found = []
    for ia in ("pd", "na"):
        sorting = _BindingSorting(known, ia)
        of_ia = [row for row in static if row.ia == ia]
        found += second_check(
            [by_tag(row, known, installation) or sorting.untagged(row) for row in of_ia]
        )
    return found


class _BindingSorting:
    def __init__(self, known: KnownServices, ia: str) -> None:
        self._known = known
        self._wanted: dict[str, OwnBinding] = {}
        self._macs: dict[str, list[str]] = defaultdict(list)
        self._clients: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._networks: dict[IPv6Network, str] = {}
        for service_id, entry in sorted(known.entries.items()):
            own = next((binding for binding in entry.bindings if binding.ia == ia), None)
            if own is None:
                continue
            self._wanted[service_id] = own
            self._networks.setdefault(IPv6Network(own.address), service_id)
            if own.duid:
                self._clients[own.duid, own.iaid].append(service_id)
            if entry.fields is not None:
                self._macs[entry.fields["mac-address"]].append(service_id)
        self._prefixes = PrefixMap(self._networks.items())

    def untagged(self, row: BindingRow) -> SortedRow:
        """Sort a row without a tag by itself."""
        mac, network = mac_in_duid(row.fields["duid"]), network_of(row.address)
        if network is not None and not network.prefixlen:
            network = None  # it has none of its own, as its pool gives it
        by_address = self._networks.get(network, "") if network is not None else ""
        by_client = self._clients.get((row.fields["duid"], row.fields["iaid"]), [])
        by_mac = [] if by_client else self._macs.get(mac, [])
        candidates = sorted({*([by_address] if by_address else []), *by_client, *by_mac})
        if len(candidates) > 1:
            return SortedRow(row, "conflict", f"it may be that of {', '.join(candidates)}")
        if candidates:
            (service_id,) = candidates
            own = self._wanted[service_id]
            wanted = {"address": own.address, "server": own.server}
            client = {"duid": own.duid, "iaid": own.iaid}  # as far as known
            wanted |= {name: value for name, value in client.items() if value}
            return SortedRow(row, "adopt", "", service_id, differing(row, wanted))
        met = sorted(self._prefixes.overlapping(network)) if network is not None else []
        if met:
            return SortedRow(row, "conflict", f"it overlaps the prefix of {', '.join(met)}")
        if mac and mac in self._known.elsewhere:
            return SortedRow(row, "conflict", self._known.elsewhere[mac])
        return SortedRow(row, "foreign", "no service has its prefix or its device")
