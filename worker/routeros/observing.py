"""Who holds the rows of a router: queries and answers as words of the API.

Who calls it: `session.py`. A pass never reads these fields: they change with every request of a
device.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from worker.core.observed import Observation, SeenRow
from worker.ports import LeaseQuery
from worker.routeros.connection import Command
from worker.routeros.lease_entries import any_of, leases
from worker.routeros.menus import LEASE, mac

_SEEN: Final = (
    *("status", "active-mac-address", "active-address"),
    *("expires-after", "last-seen", "lease-time"),
)

_UNITS_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION: Final = re.compile(r"((?:\d+[wdhms])*)(?:(\d+):(\d+):(\d+))?")


def seconds(text: str) -> int | None:
    """A duration as RouterOS prints it, such as `1d5m57s` or `2d14:40:26`; None for other words."""
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        return None
    parts = re.findall(r"(\d+)([wdhms])", match[1])
    clock = [int(part or 0) for part in match.groups()[1:]]
    return (
        sum(int(number) * _UNITS_S[unit] for number, unit in parts)
        + clock[0] * 3600
        + clock[1] * 60
        + clock[2]
    )


def observing_commands(query: LeaseQuery) -> list[Command]:
    """The prints that answer: rows that match or are held by who matches, and the servers."""
    terms = [
        *(
            f"?={name}={each}"
            for name in ("mac-address", "active-mac-address")
            for each in query.macs
        ),
        *(f"?={name}={each}" for name in ("address", "active-address") for each in query.addresses),
        *(f"?=comment={each}" for each in query.comments),
    ]
    fields = ",".join((".id", *LEASE.fields, *_SEEN))
    return [
        (f"{LEASE.path}/print", f"=.proplist={fields}", *any_of(terms)),
        ("/ip/dhcp-server/print", "=.proplist=name,lease-time"),
    ]


def observed(
    rows: Iterable[Mapping[str, str]], servers: Iterable[Mapping[str, str]]
) -> Observation:
    """What came for those prints; `leases` says what it raises."""
    seen = [
        SeenRow(
            lease,
            status=row.get("status", ""),
            active_mac=mac(row.get("active-mac-address", "")),
            active_address=row.get("active-address", ""),
            expires_in_s=seconds(row.get("expires-after", "")),
            last_seen_s=seconds(row.get("last-seen", "")),
            lease_time_s=seconds(row.get("lease-time", "")) or None,
        )
        for row in rows
        for lease in leases([row])
    ]
    times = {row.get("name", ""): seconds(row.get("lease-time", "")) for row in servers}
    return Observation(seen, {name: time_s for name, time_s in times.items() if time_s})
