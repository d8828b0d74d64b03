"""Sessions of devices that log in, as words of the API."""

from collections.abc import Collection, Iterable, Mapping

from worker.core.entry.entry import EntryKind
from worker.core.rows.normal import YES, seconds
from worker.core.rows.observed import RunningSession, SeenRow
from worker.core.rows.rows import ANY_SERVER, NO_ADDRESS, Lease
from worker.ports import FieldEquals, LeaseQuery
from worker.routeros.commands import Command
from worker.routeros.rows import searches


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
