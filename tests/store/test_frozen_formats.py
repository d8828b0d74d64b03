"""What earlier versions wrote is read, and what this one writes of it says the same.

What the newest sample holds is written again as it was, letter by letter: samples in `frozen/`.

Where a test fails after a change of a format: let the reader read both, raise the format's number
where an older reader would misread the new one, and add a sample (`frozen_samples.py`).
"""

import json
from pathlib import Path

import pytest

from contracts import ContractViolation, parse_event
from leasewire.host.backup_file import check, entries
from worker.core.service.history import line_from_json, line_to_json
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record_format import RECORD_FORMAT, record_from_json, record_to_json
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


def test_records_come_back_and_say_the_same_when_they_are_written(sample):
    records = kept(sample, "record:")
    assert len(records) >= 4
    statuses = set()
    for key, text in records.items():
        body, service = text.partition("|")[2], key.removeprefix("record:")
        record = record_from_json(body, service)
        again = record_to_json(record)
        assert record_from_json(again, service) == record
        assert json.loads(body)["format"] == 1 or again == body
        statuses.add(record.status)
    assert statuses == {"active", "suspended", "cancelled"}
    formats = {json.loads(text.partition("|")[2])["format"] for text in records.values()}
    assert formats == {1 if sample.name == "v1" else RECORD_FORMAT}


def test_outcomes_come_back_and_say_the_same_when_they_are_written(sample):
    outcomes = {
        key: (text, Outcome.from_json(text, key.removeprefix("outcome:")))
        for key, text in kept(sample, "outcome:").items()
    }
    states = {outcome.state for _, outcome in outcomes.values()}
    assert {"applied", "rejected", "scheduled"} <= states
    for text, outcome in outcomes.values():
        again = outcome.to_json()
        assert outcome.type.startswith("leasewire.service.")
        assert outcome.state == "rejected" or outcome.accepted_at_ms > 1_700_000_000_000
        assert Outcome.from_json(again, outcome.key) == outcome
        assert text[0] == "{" or again == text
    assert {text[0] for text, _ in outcomes.values()} == {"{" if sample.name == "v1" else "["}


def test_histories_come_back_and_say_the_same_when_they_are_written(sample):
    texts = [text for each in kept(sample, "history:").values() for text in each]
    for text in texts:
        line = line_from_json(text)
        more = {name: value for name, value in line.items() if name not in ("at_ms", "what")}
        again = line_to_json(line["at_ms"], line["what"], more)
        assert line_from_json(again) == line
        assert text[0] == "{" or again == text
    assert {"accepted", "in sync", "waiting"} <= {line_from_json(each)["what"] for each in texts}


def test_a_feed_of_an_earlier_version_is_read(sample):
    items = kept(sample, "feed:live:").values()
    notified = [Outcome.from_json(said["outcome"]) for feed in items for _, said in feed]
    assert {"applied", "accepted", "waiting"} <= {outcome.state for outcome in notified}
    assert all(outcome.event_id and outcome.source for outcome in notified)


def test_dead_letters_come_back_and_are_written_as_they_were(sample):
    dead_letters = dict(kept(sample, "dead")["dead"])
    assert {DeadLetter.from_json(text).reason for text in dead_letters.values()} == {
        "broken-message",
        "invalid-event",
    }
    for text in dead_letters.values():
        assert json.loads(DeadLetter.from_json(text).to_json()) == json.loads(text)


def test_a_journal_holds_events_that_can_be_read(sample):
    [(_, body)] = kept(sample, "journal:events")["journal:events"]
    assert parse_event(body, strict=False).service_id == "SVC-6"


@pytest.mark.redis
def test_a_backup_of_an_earlier_version_is_restored(sample, client, plain, prefix):
    assert check(sample / "backup.gz").installation == "tests"
    with put_back(plain, Keys(prefix)) as put:
        put(entries(sample / "backup.gz"), lambda _: None)
    store = open_store(client, prefix)
    known = {each.record.service_id for each in store.views.services()}
    assert known >= {"SVC-1", "SVC-2", "SVC-3", "SVC-4"}
    assert store.journal.depth("events") == 1
    assert store.views.router("R1").services == 3
    assert store.views.service("SVC-2", ["R1"]).history
