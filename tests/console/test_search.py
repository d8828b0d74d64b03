"""The index of services: what it finds, and how it follows what changes."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.services.search import SearchThread
from gateway.console.services.service_index import MOST_FOUND, ServiceIndex
from tests.builders import SOURCE, activated, ipv4, mac
from tests.waiting import eventually
from worker.admin.background_reads import AT_ONCE, MOST_ASKED
from worker.admin.service_reader import ServiceReader
from worker.core.entry.brake import BrakeLimits
from worker.core.service.event_ref import NEVER
from worker.core.service.outcome import feed_name
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Register
from worker.errors import NotPossible, StoreUnavailable
from worker.intake.accept import Accept
from worker.inventory import SourceConfig
from worker.store.records import Stored

WORDS = st.text("abAB-é\"%_* '", min_size=1, max_size=8)


def stored(service_id, label=None, generation=1, **values):
    values |= {"label": label}
    registers = {n: Register(v, NEVER, "e", NEVER) for n, v in values.items() if v is not None}
    return Stored(generation, ServiceRecord(service_id, registers=registers))


@given(st.dictionaries(st.integers(0, 30), WORDS, max_size=12), WORDS)
def test_a_part_finds_what_has_it_and_nothing_else(labels, part):
    index = ServiceIndex()
    index.put([stored(f"S{number}", label) for number, label in labels.items()], 1)
    typed = part.strip().casefold()
    wanted = {
        f"S{number}"
        for number, label in labels.items()
        if len(typed) >= 3 and typed in f"s{number}\n{label.casefold()}"
    }
    assert set(index.find(part, 0, 100)) == wanted


def test_exact_matches_come_first_and_pages_join():
    index = ServiceIndex()
    index.put([stored(f"SVC-{n}", f"like SVC-7 {n}", customer_id="C-1") for n in range(30)], 1)
    found = index.find("SVC-7", 0, 100)
    assert found[0] == "SVC-7"
    assert len(found) == 30
    assert index.find("SVC-7", 0, 10) + index.find("SVC-7", 10, 100) == found
    assert len(index.find("C-1", 0, 100)) == 30
    assert MOST_FOUND >= 1000


def test_a_prefix_is_found_by_itself_by_an_address_in_it_and_by_the_duid_of_its_device():
    def ipv6(prefix):
        return {"prefix": {"mode": "static", "ipv6": prefix}, "address": "2001:db8:ff::1"}

    index = ServiceIndex()
    index.put(
        [
            stored("A", ipv6=ipv6("2001:db8:1:100::/56"), duid="00030001aabb"),
            stored("B", ipv6=ipv6("2001:db8:1:200::/56")),
            stored("C", address={"mode": "static", "ipv4": ipv4(1)}),
        ],
        1,
    )
    assert index.find("2001:0db8:1:100::/56", 0, 9) == ["A"]
    assert index.find("2001:db8:1:1ff::9", 0, 9) == ["A"]
    assert index.find("2001:db8:1:100::/60", 0, 9) == ["A"]
    assert index.find("2001:db8:3::1", 0, 9) == []
    assert index.find("2001:db8:ff::1", 0, 9) == ["A", "B"]
    assert index.find("2001:db8:1", 0, 9) == ["A", "B"]
    assert index.find("00030001aa", 0, 9) == ["A"]


def test_a_further_device_is_found_by_its_mac_and_its_address():
    index = ServiceIndex()
    held = [(number, mac(number), {"mode": "static", "ipv4": ipv4(number)}) for number in (2, 20)]
    for n, hardware, address in held:
        device = {"number": 2, "mac": hardware, "address": address}
        index.put([stored(f"S{n}", mac=mac(n + 50), device2=device)], n)
    assert index.find(mac(2).replace(":", "-").lower(), 0, 9) == ["S2"]
    assert index.find(ipv4(2), 0, 9) == ["S2"], "and not the one that begins so"
    assert index.find(ipv4(20), 0, 9) == ["S20"]
    assert index.find(mac(52), 0, 9) == ["S2"]
    assert index.find(mac(2)[6:], 0, 9) == ["S2"]


def test_what_is_replaced_or_removed_is_found_no_longer():
    index = ServiceIndex()
    index.put([stored("A", "first label"), stored("B", "other label")], 1)
    index.put([stored("A", "second label", generation=2)], 2)
    assert index.find("first", 0, 9) == []
    assert index.find("second", 0, 9) == ["A"]
    assert index.generations(["A", "B", "C"]) == {"A": 2, "B": 1}
    assert index.prune(2) == 1
    assert index.find("label", 0, 9) == ["A"]
    index.remove(["A"])
    assert (index.find("label", 0, 9), len(index)) == ([], 0)


@pytest.fixture
def accept(store):
    sources = {SOURCE: SourceConfig(SOURCE, "revisions")}
    return Accept(store, sources, {}, BrakeLimits())


def searching(store, **more):
    return SearchThread(store, lambda: [SOURCE], **more)


def label(text, revision=1):
    return activated("SVC-1", mac=mac(1), ipv4=ipv4(1), label=text, revision=revision)


@pytest.mark.redis
def test_what_no_outcome_shows_is_found_by_reading_again(store, accept):
    accept.run([label("Anna Meier")], "events")
    with searching(store, reread_s=0.1) as search:
        eventually(lambda: search.index.find("meier", 0, 9) == ["SVC-1"], "it was found")
        store.client.delete(store.keys.record("SVC-1"))
        eventually(lambda: search.index.find("meier", 0, 9) == [], "it is found no longer")
    assert not search.running


@pytest.mark.redis
def test_all_is_read_again_when_changes_were_missed(store, accept, monkeypatch):
    accept.run([label("Anna Meier")], "events")
    cursors, read = [], type(store.feed).read

    def noted(feed, sources, cursor, most):
        cursors.append(cursor)
        return read(feed, sources, cursor, most)

    monkeypatch.setattr(type(store.feed), "read", noted)
    with searching(store) as search:
        eventually(lambda: search.complete, "all was read")
        text = store.client.get(store.keys.record("SVC-1"))
        generation, _, record = text.partition("|")
        changed = record.replace("Anna Meier", "Eva Roth")
        store.client.set(store.keys.record("SVC-1"), f"{int(generation) + 1}|{changed}")
        feed, dropped = store.keys.feed(feed_name(SOURCE, bulk=False)), "99999999999999-0"
        store.client.set(store.keys.feed_last, dropped)
        store.client.hset(store.keys.feed_gone, feed, dropped)
        eventually(lambda: search.index.find("roth", 0, 9) == ["SVC-1"], "it was read again")
        eventually(lambda: cursors[-1] == dropped, "it follows from there")


@pytest.mark.redis
def test_it_goes_on_when_redis_is_back(store, accept, monkeypatch):
    accept.run([label("Anna Meier")], "events")
    search, read = searching(store), type(store.views).record_texts_from
    failed = threading.Event()

    def once(views, *given):
        if not failed.is_set():
            failed.set()
            raise StoreUnavailable("not now")
        return read(views, *given)

    monkeypatch.setattr(type(store.views), "record_texts_from", once)
    monkeypatch.setattr("gateway.console.services.search._AFTER_FAILURE_S", 0.05)
    with search:
        eventually(lambda: search.complete, "all was read")
    assert failed.is_set()


def test_reads_of_services_are_shared_bounded_and_say_why_they_failed():
    asked, go_on = [], threading.Event()

    def read(service_id):
        asked.append(service_id)
        go_on.wait(10)
        raise StoreUnavailable("Redis does not answer")

    with ServiceReader(read) as reader:
        assert not reader.known("S0").running
        for number in range(MOST_ASKED):
            assert reader.look(f"S{number}").running
        assert reader.look("S0", again=True).running
        with pytest.raises(NotPossible, match="try again in a moment"):
            reader.look("one-more")
        eventually(lambda: len(asked) == AT_ONCE, "a few are read at once")
        go_on.set()
        eventually(lambda: reader.known("S0").result, "the read failed")
        assert reader.known("S0").result.error == "Redis does not answer"
        assert reader.look("S0") == reader.known("S0"), "a failure is kept for a while too"
        eventually(lambda: len(asked) == MOST_ASKED, "each is read once")
        eventually(lambda: not reader.known("S39").running, "all were read")
        assert reader.look("S0", again=True).running
