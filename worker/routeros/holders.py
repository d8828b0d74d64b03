"""Which devices hold leases, and which are logged in: queries and answers as words of the API.

A pass never reads these fields: they change with every request of a device.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from worker.core.entry.entry import EntryKind
from worker.core.entry.wanted import DEFAULT_KIND
from worker.core.rows.menus import LEASE
from worker.core.rows.normal import YES, mac, seconds
from worker.core.rows.observed import Observation, RunningSession, SeenRow
from worker.core.rows.option82 import joined
from worker.core.rows.rows import ANY_SERVER, NO_ADDRESS, OPTION_82, Lease, device_field
from worker.ports import FieldEquals, LeaseQuery
from worker.routeros.commands import Command
from worker.routeros.rows import all_of, any_of, entry_rows, searches

_SEEN: Final = (
    *("status", "active-mac-address", "active-address"),
    *("expires-after", "last-seen"),
    *("active-agent-circuit-id", "active-agent-remote-id"),
)


def watching_commands() -> list[Command]:
    """Return the prints of dynamic leases, of blocked ones that are bound, and of the servers.

    Versions differ in how a query spells a flag.
    """
    dynamic = any_of(["?dynamic=true", "?dynamic=yes"])
    blocked = any_of(["?block-access=true", "?block-access=yes"])
    return _prints([*dynamic, *blocked, "?status=bound", "?#&", "?#|"])


def observing_commands(query: LeaseQuery) -> list[Command]:
    """Return the prints of rows that match, or whose device matches, and of the servers."""
    named = [DEFAULT_KIND.named_by(device) for device in query.devices]
    terms = [
        *(
            all_of({f"{state}{name}": value for name, value in fields.items()})
            for state in ("", "active-")
            for fields in named
        ),
        *(
            f"?={name}={value}"
            for name in ("address", "active-address")
            for value in query.addresses
        ),
        *(f"?=comment={comment}" for comment in query.comments),
    ]
    return _prints(any_of(terms))


def _prints(query: Sequence[str]) -> list[Command]:
    fields = ",".join(dict.fromkeys((".id", *LEASE.fields, *_SEEN)))
    return [
        (f"{LEASE.path}/print", f"=.proplist={fields}", *query),
        ("/ip/dhcp-server/print", "=.proplist=name,lease-time"),
    ]


def observed(
    rows: Iterable[Mapping[str, str]], servers: Iterable[Mapping[str, str]]
) -> Observation:
    """Understand the answers to those prints."""
    seen = [
        SeenRow(
            lease,
            status=row.get("status", ""),
            active_mac=mac(row.get("active-mac-address", "")),
            active_address=row.get("active-address", ""),
            expires_in_s=seconds(row.get("expires-after", "")),
            last_seen_s=seconds(row.get("last-seen", "")),
            lease_time_s=seconds(row.get("lease-time", "")) or None,
            active_ids=_active_ids(row, lease),
        )
        for row in rows
        for lease in entry_rows(DEFAULT_KIND, [row])
    ]
    times = {row.get("name", ""): seconds(row.get("lease-time", "")) for row in servers}
    return Observation(seen, {name: time_s for name, time_s in times.items() if time_s})


def _active_ids(row: Mapping[str, str], lease: Lease) -> str:
    """The ids that came with the request; a row that is for ids is held by who sent them."""
    names = ("active-agent-circuit-id", "active-agent-remote-id")
    circuit, remote = (row.get(name, "") for name in names)
    by_ids = device_field(lease.fields) == OPTION_82
    return joined(circuit, remote) or (lease.device if by_ids else "")


def session_prints(
    kind: EntryKind, terms: Iterable[FieldEquals], terms_per_print: int
) -> list[Command]:
    """Return the prints of the sessions that match any term."""
    words = [f"?={name}={value}" for name, value in terms]
    return searches(kind.sessions, ".id,name,address,uptime,radius", words, terms_per_print)


def terms_for(query: LeaseQuery, devices: Collection[str]) -> list[FieldEquals]:
    """Return which sessions to show beside the rows that a query found."""
    names = dict.fromkeys([*query.devices, *devices])
    named = [FieldEquals("name", name) for name in names]
    return [*named, *(FieldEquals("address", address) for address in query.addresses)]


def running(answers: Iterable[Mapping[str, str]]) -> list[RunningSession]:
    """Understand the answers to these prints: the oldest session first, without RADIUS's."""
    found = {
        row[".id"]: RunningSession(
            row[".id"],
            row.get("name", ""),
            row.get("address", ""),
            seconds(row.get("uptime", "")) or 0,
        )
        for row in answers
        if row.get("radius") not in YES
    }
    return sorted(found.values(), key=lambda session: -session.uptime_s)


def with_sessions(rows: Iterable[Lease], sessions: Iterable[RunningSession]) -> list[SeenRow]:
    """Return rows with the sessions that they let in; a session without a row has a dynamic one."""
    own = {row.device: row for row in rows if not row.dynamic}
    seen = []
    for session in sessions:
        row = own.get(session.device)
        if row is None:
            place = {"name": session.device, "address": session.address or NO_ADDRESS}
            fields = {**place, "server": ANY_SERVER, "block-access": "no"}
            row = Lease(session.id, fields, dynamic=True)
        held = (session.device, session.address)
        seen.append(SeenRow(row, "bound", *held, last_seen_s=session.uptime_s))
    held_by = {session.active_mac for session in seen}
    return [*seen, *(SeenRow(row) for device, row in own.items() if device not in held_by)]
