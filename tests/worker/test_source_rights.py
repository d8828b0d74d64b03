"""Who may speak of a service, and whose word counts for how long."""

from dataclasses import replace

import pytest

from tests.builders import SOURCE, activated, event, mac, mac_changed, snapshot
from tests.worker.desk import OPERATOR, OTHER, POLICIES, SOURCES, TIMES, Desk
from tests.worker.paper_desk import PaperDesk
from worker.core.entry import wanted_entries
from worker.core.history import line_from_json
from worker.core.record import Placement
from worker.inventory.config import SourceConfig


def operator(number, **given):
    return mac_changed(mac=mac(number), revision=None, source=OPERATOR, **given)


@pytest.fixture
def desk():
    desk = PaperDesk()
    desk.send(activated(revision=5))
    return desk


def test_an_operator_beats_all_that_was_said_and_loses_to_the_next_word(desk):
    desk.send(operator(7))
    assert desk.values["mac"] == mac(7)
    assert desk.record.registers["mac"].version[:3] == (0, 5, 1)
    late = mac_changed(revision=4, mac=mac(3))
    desk.send(late)
    assert desk.values["mac"] == mac(7)
    assert desk.state(late) == "superseded"
    desk.send(operator(8))
    assert desk.record.registers["mac"].version[:3] == (0, 5, 2)
    desk.send(mac_changed(revision=6, mac=mac(4)))
    assert desk.values["mac"] == mac(4)


def test_the_history_names_who_acted(desk):
    desk.send(operator(7) | {"actor": "ann"}, mac_changed(revision=6) | {"actor": "a customer"})
    lines = [line_from_json(line) for line in desk.commits[-1].lines]
    assert [line.get("actor") for line in lines if line["what"] == "accepted"] == ["ann", None]


def test_an_operator_owns_no_service(desk):
    desk.send(operator(7))
    assert desk.record.owner == SOURCE
    alone = PaperDesk()
    alone.send(activated(source=OPERATOR, revision=None))
    assert alone.record.owner is None
    assert alone.record.status == "active"
    alone.send(activated(revision=1, mac=mac(9)))
    assert alone.record.owner == SOURCE
    assert alone.values["mac"] == mac(9)


def test_the_first_source_that_may_publish_owns_the_service():
    desk = PaperDesk()
    desk.send(mac_changed(source=OPERATOR), activated(source=OTHER, revision=1))
    assert desk.record.owner == OTHER
    refused = mac_changed(revision=9)
    desk.send(refused)
    assert desk.state(refused) == "rejected: not-owner"


def test_a_source_with_both_scopes_counts_for_its_own_and_is_an_operator_elsewhere():
    both = SourceConfig(OTHER, "revisions", scopes=frozenset({"publish", "override"}))
    desk = PaperDesk(SOURCES | {OTHER: both})
    desk.send(activated(revision=5), mac_changed(source=OTHER, revision=1, mac=mac(7)))
    assert desk.values["mac"] == mac(7)
    assert desk.record.registers["mac"].version[:3] == (0, 5, 1)
    own = PaperDesk(SOURCES | {OTHER: both})
    own.send(activated(source=OTHER, revision=5))
    late = mac_changed(source=OTHER, revision=4)
    own.send(late)
    assert own.record.registers["mac"].version[:3] == (0, 5, 0)


def test_a_word_of_an_operator_counts_once_even_when_it_changed_nothing(desk):
    desk.stored = desk.stored._replace(record=in_sync(desk.record))
    word = operator(1)  # the MAC that it has already
    desk.send(word)
    assert desk.state(word) == "applied: already-current"
    desk.send(mac_changed(revision=6, mac=mac(4)))
    desk.send(word)  # delivered once more
    assert desk.values["mac"] == mac(4)


def in_sync(record):
    entry = wanted_entries(record, POLICIES)["R1"]
    return replace(record, outstanding=(), placements={"R1": Placement(entry.fields)})


def test_what_a_source_does_not_know_its_snapshots_leave_alone():
    knows_no_dns = SourceConfig(SOURCE, "revisions", unmanaged=frozenset({"dns_servers"}))
    desk = PaperDesk(SOURCES | {SOURCE: knows_no_dns})
    desk.send(activated(revision=1))
    dns = event("dns_changed", revision=None, source=OPERATOR, dns_servers=["198.51.100.53"])
    desk.send(dns, snapshot(revision=2, mac=mac(3)))
    assert desk.values["dns_servers"] == ["198.51.100.53"]
    assert desk.values["mac"] == mac(3)
    desk.send(event("dns_changed", revision=3, dns_servers=[]))
    assert desk.values["dns_servers"] == []


def test_the_owner_needs_a_revision_and_an_operator_does_not(desk):
    refused = mac_changed(revision=None)
    desk.send(refused)
    assert desk.state(refused) == "rejected: revision-required"
    unknown = PaperDesk()
    unknown.send(refused)
    assert unknown.record.owner is None


def test_a_source_without_scope_publish_and_override_speaks_of_nothing(desk):
    stranger = mac_changed(source=TIMES, revision=None)
    desk.send(stranger)
    assert desk.state(stranger) == "rejected: not-owner"


@pytest.mark.redis
def test_two_workers_stamp_an_operators_word_once(store):
    one, other = Desk(store), Desk(store)
    one.send(activated(revision=5))
    word = operator(7)
    one.send(word)
    other.send(mac_changed(revision=6, mac=mac(4)))
    other.send(word)
    assert one.record().value("mac") == mac(4)
    assert one.counters["duplicate"] == 1
