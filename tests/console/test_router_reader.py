"""Routers are read in the background: few at a time, and once for all viewers."""

import threading

import pytest

from tests.waiting import eventually
from worker.admin import router_reader
from worker.admin.background_reads import AT_ONCE, MOST_ASKED
from worker.admin.router_reader import FAILURE_KEPT_S, KEPT_S, RouterReader
from worker.admin.router_reading import RouterReading
from worker.errors import NotPossible, StoreUnavailable
from worker.inventory import Inventory

LONG_S = 10


class Reads:
    """Stands for `read_now`: each read waits until it is let go."""

    def __init__(self):
        self.begun = []
        self.go = threading.Event()
        self.raises = None
        self.rows = 1

    def __call__(self, _store, _inventory, _sessions, router, *, even_if_away):
        self.begun.append((router, even_if_away))
        assert self.go.wait(LONG_S)
        if self.raises:
            raise self.raises
        return RouterReading(at_ms=len(self.begun), leases=[{"whose": "ours"}] * self.rows)


@pytest.fixture
def reads(monkeypatch):
    reads = Reads()
    monkeypatch.setattr(router_reader, "read_now", reads)
    return reads


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader(reads, clock):
    with RouterReader(None, lambda: Inventory("acme", {}, {}), None, clock) as reader:
        yield reader
        reads.go.set()


def test_one_read_is_for_all_who_look(reader, reads):
    assert reader.look(("read", "R1")) == (None, True)
    assert reader.look(("read", "R1")) == (None, True)
    reads.go.set()
    eventually(lambda: not reader.look(("read", "R1")).running, "it ended")
    assert reader.look(("read", "R1")).result.at_ms == 1
    assert reads.begun == [("R1", False)]


def test_a_new_read_is_made_when_it_is_asked_for_and_the_old_one_shown_meanwhile(reader, reads):
    reads.go.set()
    first = reader.wait(("read", "R1"), LONG_S)
    reads.go.clear()
    reader.look(("read", "R1"), again=True)
    assert reader.look(("read", "R1")) == (first, True)
    reads.go.set()
    eventually(lambda: not reader.look(("read", "R1")).running, "it ended")
    assert reader.look(("read", "R1")).result.at_ms == 2
    assert reads.begun == [("R1", True)] * 2


def test_who_decides_gets_a_read_that_began_after_that(reader, reads):
    reader.look(("read", "R1"))
    eventually(lambda: reads.begun, "one began before")
    found = []
    waiting = threading.Thread(target=lambda: found.append(reader.wait(("read", "R1"), LONG_S)))
    waiting.start()
    reads.go.set()
    waiting.join(LONG_S)
    assert found[0].at_ms == 2


def test_few_routers_are_read_at_a_time_and_a_bounded_number_waits(reader, reads):
    for n in range(MOST_ASKED):
        reader.look(("read", f"R{n}"))
    eventually(lambda: len(reads.begun) == AT_ONCE, "all threads read")
    with pytest.raises(NotPossible, match="try again"):
        reader.look(("read", "another"))
    assert reader.look(("read", "R1")).running
    reads.go.set()
    eventually(lambda: len(reads.begun) == MOST_ASKED, "all were read")


def test_who_waits_too_long_gets_nothing(reader):
    assert reader.wait(("read", "R1"), 0.01) is None
    assert reader.look(("read", "R1")).running


@pytest.mark.parametrize(
    ("error", "cause"),
    [(StoreUnavailable("Redis is away"), "failed"), (KeyError("bug"), "internal-error")],
)
def test_any_failure_is_shown_and_tried_again_soon(reader, reads, clock, error, cause):
    reads.raises = error
    reads.go.set()
    assert reader.wait(("read", "R1"), LONG_S).error["cause"] == cause
    assert not reader.look(("read", "R1")).running
    clock.now_s += FAILURE_KEPT_S + 1
    assert reader.look(("read", "R1")).running


def test_the_oldest_results_go_when_they_hold_too_many_rows(reader, reads):
    reads.go.set()
    reads.rows = router_reader.MOST_ROWS // 2
    for name in ("R1", "R2", "R3"):
        reader.wait(("read", name), LONG_S)
    assert reader.look(("read", "R1")).result is None
    assert reader.look(("read", "R3")).result is not None


def test_a_result_is_kept_for_a_short_time(reader, reads, clock):
    reads.go.set()
    first = reader.wait(("read", "R1"), LONG_S)
    clock.now_s += KEPT_S - 1
    assert reader.look(("read", "R1")) == (first, False)
    reads.go.clear()
    clock.now_s += 2
    assert reader.look(("read", "R1")) == (first, True)
