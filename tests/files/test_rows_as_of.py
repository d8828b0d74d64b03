"""A row of a file speaks of the moment at which the file was true; what came later stands."""

from datetime import UTC, datetime

from tests.builders import activated, cancelled, mac, mac_changed, snapshot
from tests.worker.desk import OPERATOR, SOURCES
from tests.worker.paper_desk import PaperDesk
from worker.intake.checks import NotYet, check, key_of
from worker.store.journal import JournalEntry

AT = int(datetime(2026, 11, 24, 9, 0, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
DAY = 86_400_000


def row(number, as_of_ms, **given):
    moment = datetime.fromtimestamp(as_of_ms / 1000, UTC).isoformat()
    return snapshot(mac=mac(number), revision=None, time=moment, **given) | {"asof": moment}


def desk_at(now_ms, desk=None):
    desk = desk or PaperDesk()
    desk.now_ms = now_ms
    return desk


def test_a_row_is_written_when_nothing_newer_came():
    desk = desk_at(AT)
    desk.send(activated(revision=5))
    given = row(7, AT + MINUTE)
    desk_at(AT + 2 * MINUTE, desk).send(given)
    assert desk.values["mac"] == mac(7)
    desk.send(mac_changed(revision=6, mac=mac(8)))
    assert desk.values["mac"] == mac(8)


def test_a_row_never_undoes_what_came_after_the_file_was_made():
    desk = desk_at(AT)
    desk.send(activated(revision=5))
    desk_at(AT + 2 * MINUTE, desk).send(cancelled(revision=6))
    given = row(7, AT + MINUTE)
    desk.send(given)
    assert desk.record.status == "cancelled"
    assert desk.state(given) == "superseded: newer-than-file"
    by_an_operator = row(7, AT + MINUTE, source=OPERATOR)
    desk.send(by_an_operator)
    assert desk.state(by_an_operator) == "superseded: newer-than-file"


def test_of_two_files_the_newer_wins_whichever_is_imported_last():
    older, newer = row(7, AT + MINUTE), row(8, AT + 2 * MINUTE)
    for files in ((older, newer), (newer, older)):
        desk = desk_at(AT)
        desk.send(activated(revision=5))
        desk_at(AT + 9 * MINUTE, desk)
        for file in files:
            desk.send(file)
        assert desk.values["mac"] == mac(8)


def test_a_row_of_a_time_to_come_waits_and_one_of_next_week_is_refused():
    given = row(7, AT + 6 * MINUTE)
    waits = check(JournalEntry(key_of(given), given), SOURCES, AT)
    assert waits == NotYet(AT + MINUTE + 1, given["source"])
    given = row(7, AT + 8 * DAY)
    refused = check(JournalEntry(key_of(given), given), SOURCES, AT)
    assert refused.reason == "time-in-future"
