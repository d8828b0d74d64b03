"""What a newer version wrote with a field more is read without it: both may run at once."""

import json

import pytest

from worker.core.alerting.health_figures import Sample
from worker.core.alerting.notifications import Notice
from worker.core.service.conflicts import Conflict
from worker.core.storage_format import known_part
from worker.store.audit import AuditEntry
from worker.store.brake import Announcement
from worker.store.full_reads import FullReadReport
from worker.store.manifests import StoredPart
from worker.store.router_admin import Pause
from worker.store.router_memory import Suspect, known_of
from worker.store.samples import Minute

OF_TEXT = "more"


@pytest.mark.parametrize(
    "value",
    [
        Sample(1, 2),
        Minute(1, 2, 3, 4, 5),
        StoredPart("key", "event", ["SVC-1"]),
        AuditEntry(1, "by", "router.paused", "R1", "detail"),
        FullReadReport(1, {"rows": 2}),
        Suspect(3, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_in_a_row(value):
    assert known_part(type(value), [*json.loads(json.dumps(value)), OF_TEXT]) == value


@pytest.mark.parametrize("value", [Pause("me", "why", 1)], ids=["Pause"])
def test_values_by_name(value):
    assert known_part(type(value), value._asdict() | {OF_TEXT: 1}) == value


def test_a_dataclass():
    expected = Announcement("router:R1", 3, 1, 1, 2, "me", "why")
    fields = {name: getattr(expected, name) for name in Announcement.__match_args__}
    assert known_part(Announcement, fields | {OF_TEXT: 1}) == expected


def test_troubles_of_a_router():
    known = known_of({"suspect:SVC-1": "[4, 1, true, 1]", "fault:SVC-2": "[1, 2, false, 3]"})
    assert known.suspects == {"SVC-1": Suspect(4, 1, answered=True)}
    assert known.faults == {"SVC-2": Suspect(1, 2)}


def test_a_conflict():
    conflict = Conflict("SVC-1", ("mac",), (1, 2, 0))
    assert Conflict.from_json(json.dumps([*conflict, OF_TEXT])) == conflict


def test_the_upkeep_goes_on_beside_a_newer_sample(store, client):
    client.lpush(store.keys.samples, "[1, 2, 3]")
    assert store.samples.memory() == [Sample(1, 2)]
    assert store.maintenance.run()


def test_what_a_target_was_told(store, client):
    notified = Notice(1, "R1 is down")
    client.hset(store.keys.notified("mail"), "router-down|R1", json.dumps([*notified, OF_TEXT]))
    assert store.notifications.notified("mail") == {"router-down|R1": notified}
