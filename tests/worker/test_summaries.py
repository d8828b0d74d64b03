"""Summaries are of what is there, however it changes between two steps."""

from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import eventually
from worker.admin import summaries
from worker.admin.summaries import Summaries

NAMES = st.sampled_from("abcdefgh")
THINGS = st.dictionaries(NAMES, st.integers(0, 3))


@given(st.lists(THINGS, min_size=1, max_size=5))
def test_each_thing_has_the_summary_of_its_last_version(states):
    now, read = {}, []

    def summarize(names):
        read.extend(names)
        return {name: str(now[name]) for name in names}

    there = Summaries(lambda: dict(now), summarize)
    before = {}
    for state in states:
        now.clear()
        now.update(state)
        read.clear()
        found = until(there, state)
        assert found.summaries == {name: str(version) for name, version in state.items()}
        assert sorted(read) == sorted(n for n in state if before.get(n) != state[n])
        before = state


@given(THINGS, st.sets(NAMES))
def test_what_goes_between_listing_and_reading_is_left_out(things, gone):
    left = {name: version for name, version in things.items() if name not in gone}
    there = Summaries(
        lambda: dict(things), lambda names: {name: "read" for name in names if name in left}
    )
    assert until(there, left).summaries == dict.fromkeys(left, "read")


def test_a_call_ends_soon_and_the_next_goes_on(monkeypatch):
    monkeypatch.setattr(summaries, "_STEP_S", 0)
    there = Summaries(
        lambda: dict.fromkeys(range(120), 1), lambda names: dict.fromkeys(names, "read")
    )
    assert [len(there.read().summaries) for _ in range(4)] == [50, 100, 120, 120]


def until(there, versions):
    """What is found once all of these are read; the list itself is made again after a rest."""
    found = []

    def is_complete():
        found[:] = [there.read()]
        return found[0].versions == versions and found[0].complete

    eventually(is_complete, "all are read", every_s=0)  # a busy machine lists slowly, and rests
    return found[0]
