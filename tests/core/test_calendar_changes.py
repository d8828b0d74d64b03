"""The lists of the calendar follow each change of a schedule, whatever came before."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.service.event_ref import EventRef, Version
from worker.core.service.schedule import Schedule, Scheduled, calendar_changes, ended_of

WRITES = {
    "suspended": {"suspension": {"mode": "block"}},
    "cancelled": {"lifecycle": "cancelled"},
    "resumed": {"suspension": None},
    "moved": {"router": "R2"},
    "plan_changed": {"plan": {"code": "P"}},
}
DOES = {"suspended": "cut_off", "cancelled": "cut_off", "resumed": "resumed", "moved": "moved"}
VERSION = Version(0, 1, 0, "")


def scheduled(number, kind):
    type_ = f"leasewire.service.{kind}.v1"
    ref = EventRef(f"key-{number}", f"id-{number}", "urn:isp:bss", type_, 1, False)
    return Scheduled(ref, 100 + number, VERSION, WRITES[kind], {})


def lists_of(schedule):
    """What the lists must hold, worked out from the schedule alone."""
    lists = {}
    for event in schedule.pending:
        kind = event.event.type.split(".")[2]
        for name in ("all", DOES.get(kind, "other")):
            lists.setdefault(name, {})[event.event.key] = event.at_ms
    for end in schedule.ended:
        if end.how != "released":
            lists.setdefault("ended", {})[end.key] = end.at_ms
    return lists


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "released", "superseded", "withdrawn"]),
        st.integers(0, 9),
        st.sampled_from(sorted(WRITES)),
    ),
    max_size=20,
)


@given(STEPS)
def test_lists_hold_what_waits_and_what_was_ended(steps):
    lists, schedule = {}, Schedule()
    for step, number, kind in steps:
        before = schedule
        waiting = [each for each in schedule.pending if each.event.key == f"key-{number}"]
        if step == "add" and not schedule.knows(f"key-{number}"):
            schedule = schedule.with_pending(scheduled(number, kind))
        elif step != "add" and waiting:
            schedule = schedule.with_ended([ended_of(waiting[0], step, "id", 1)], 1)
        for name, at_ms, key in calendar_changes(before, schedule):
            if at_ms:
                lists.setdefault(name, {})[key] = at_ms
            else:
                del lists[name][key]
        assert {name: held for name, held in lists.items() if held} == lists_of(schedule)
