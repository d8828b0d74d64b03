"""Scheduled events in any order of arrival.

What holds: for the events of one source that all arrive before the first of them takes effect,
neither their order, nor how often they come, nor how they are split over messages, nor how often
the clock is looked at makes a difference. What arrives after a release meets a word of that
moment: there only duplicates are promised to do nothing.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests import builders, strategies
from tests.worker.paper_desk import NOON, PaperDesk, at

HOUR = 3_600_000
LAST = 4


@st.composite
def histories(draw):
    """Events with ids of their own, about half of them scheduled; and withdrawals of some."""
    events = []
    for number, raw in enumerate(draw(st.lists(strategies.events(), min_size=1, max_size=7))):
        raw |= {"id": f"e{number}", "source": builders.SOURCE}
        if draw(st.booleans()):
            raw["data"] |= {"effective_at": at(draw(st.integers(1, LAST)) * HOUR)}
        events.append(raw)
    ids = [raw["id"] for raw in events]
    for number in range(draw(st.integers(0, 2))):
        withdraws = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))
        back = builders.event(
            "schedule_withdrawn", revision=None, id_=f"w{number}", withdraws=withdraws
        )
        events.append(back)
    return events


def messages(draw, events):
    """Some of them twice, in any order, in any split."""
    again = draw(st.lists(st.sampled_from(events), max_size=4), label="duplicates")
    split = [[]]
    for each in draw(st.permutations(events + again), label="arrival"):
        if draw(st.booleans()):
            split.append([])
        split[-1].append(each)
    return split


def looks(draw):
    """The times at which the clock is looked at; the last one sees everything due."""
    between = st.integers(0, LAST * HOUR)
    return [*sorted(draw(st.lists(between, max_size=4), label="looks")), LAST * HOUR]


def after(arriving, times):
    desk = PaperDesk()
    for message in arriving:
        desk.send(*message)
    for time in times:
        before = desk.record.schedule
        desk.release(NOON + time)
        early = [each for each in before.pending if each.at_ms > NOON + time]
        assert all(desk.ended().get(e.event.id, ("", ""))[0] != "released" for e in early)
        assert not desk.record.schedule.due(NOON + time)
    assert desk.pending == []
    return desk


def said(record):
    """What holds and under which version; of two events that say the same, the first is named."""
    return {name: (each.value, each.version) for name, each in record.registers.items()}


@given(histories(), st.data())
def test_arrival_does_not_matter_before_the_first_release(history, data):
    one = after([[each] for each in history], [LAST * HOUR])
    other = after(messages(data.draw, history), looks(data.draw))
    assert said(other.record) == said(one.record)
    assert other.record.highest == one.record.highest


@given(histories(), st.data())
def test_what_comes_again_at_any_moment_does_nothing(history, data):
    times = looks(data.draw)
    desk, plain = PaperDesk(), PaperDesk()
    came = []
    for each in history:
        for one in (desk, plain):
            one.send(each)
        came.append(each)
        if data.draw(st.booleans(), label="time passes") and len(times) > 1:
            time = times.pop(0)
            for one in (desk, plain):
                one.release(NOON + time)
        desk.send(*data.draw(st.lists(st.sampled_from(came), max_size=3), label="again"))
    for one in (desk, plain):
        one.release(NOON + LAST * HOUR)
    assert desk.record == plain.record


@given(histories(), st.data())
def test_a_withdrawal_works_wherever_it_stands(history, data):
    """Of an event that is withdrawn nothing is left, whenever that was said before its time."""
    scheduled = [each for each in history if "effective_at" in each["data"]]
    if not scheduled:
        return
    gone = data.draw(st.sampled_from(scheduled), label="withdrawn")
    back = builders.event("schedule_withdrawn", revision=None, id_="back", withdraws=[gone["id"]])
    arrival = data.draw(st.permutations([*history, back]), label="arrival")
    without = [each for each in arrival if each is not gone]
    one = after([[each] for each in arrival], [LAST * HOUR])
    other = after([[each] for each in without], [LAST * HOUR])
    assert one.values == other.values
