"""What earlier versions wrote is read, and written again as it was: samples in `frozen/`.

Where a test fails after a change of a format: let the reader read both, raise the format's number
where an older reader would misread the new one, and add a sample (`frozen_samples.py`).
"""

import json
from pathlib import Path

import pytest

from contracts import ContractViolation, parse_event
from leasewire.backup_file import check, entries
from worker.core.outcome import DeadLetter, Outcome
from worker.core.record import record_from_json, record_to_json
from worker.store.backup import put_back
from worker.store.keys import Keys
from worker.store.store import open_store

SAMPLES = sorted((Path(__file__).parent / "frozen").iterdir())

pytestmark = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def kept(sample, prefix):
    """Key -> value of the sample's keys that begin so."""
    return {
        entry.key: entry.value
        for entry in entries(sample / "backup.gz")
        if entry.key.startswith(prefix)
    }


def test_events_are_still_what_they_were(sample):
    broken = 0
    for line in (sample / "events.ndjson").read_text().splitlines():
        try:
            parse_event(json.loads(line), strict=False)
        except ContractViolation:
            broken += 1
    assert broken == 1, "the one that was broken then"


def test_records_come_back_and_are_written_as_they_were(sample):
    records = kept(sample, "record:")
    assert len(records) >= 4
    for text in records.values():
        _, _, body = text.partition("|")
        assert json.loads(record_to_json(record_from_json(body))) == json.loads(body)
    statuses = {record_from_json(text.partition("|")[2]).status for text in records.values()}
    assert statuses == {"active", "suspended", "cancelled"}


def test_outcomes_and_dead_letters_come_back_and_are_written_as_they_were(sample):
    outcomes = [Outcome.from_json(text) for text in kept(sample, "outcome:").values()]
    assert {"applied", "rejected", "scheduled"} <= {outcome.state for outcome in outcomes}
    for text in kept(sample, "outcome:").values():
        assert json.loads(Outcome.from_json(text).to_json()) == json.loads(text)
    letters = dict(kept(sample, "dead")["dead"])
    assert {DeadLetter.from_json(text).reason for text in letters.values()} == {
        "broken-message",
        "invalid-event",
    }
    for text in letters.values():
        assert json.loads(DeadLetter.from_json(text).to_json()) == json.loads(text)


def test_a_journal_holds_events_that_can_be_read(sample):
    [(_, body)] = kept(sample, "journal:events")["journal:events"]
    assert parse_event(body, strict=False).service_id == "SVC-6"


@pytest.mark.redis
def test_a_backup_of_an_earlier_version_is_restored(sample, client, prefix):
    assert check(sample / "backup.gz").installation == "tests"
    with put_back(client, Keys(prefix)) as put:
        put(entries(sample / "backup.gz"), lambda _: None)
    store = open_store(client, prefix)
    known = {each.record.service_id for each in store.views.services()}
    assert known >= {"SVC-1", "SVC-2", "SVC-3", "SVC-4"}
    assert store.journal.depth("events") == 1
    assert store.views.router("R1").services == 3
    assert store.views.service("SVC-2", ["R1"]).history
