from datetime import UTC, datetime

import pytest

from tests.builders import activated, cancelled, event, ipv4, mac, suspended

pytestmark = [pytest.mark.redis, pytest.mark.router]

DAY_MS = 86_400_000


@pytest.fixture
def in_days(world):
    now_ms = world.context.store.records.now_ms()

    def moment(days):
        return datetime.fromtimestamp((now_ms + days * DAY_MS) / 1000, UTC).isoformat()

    return moment


@pytest.fixture
def notified(world, in_days):
    """One of every kind; by name."""
    events = {
        "plan": event(
            "plan_changed", "SVC-1", revision=2, plan={"code": "P"}, effective_at=in_days(1)
        ),
        "suspended": suspended("SVC-2", revision=2, effective_at=in_days(3), customer_id="C-2"),
        "cancelled": cancelled("SVC-3", revision=2, effective_at=in_days(2)),
        "withdrawn": suspended("SVC-3", revision=3, effective_at=in_days(4)),
        "superseded": suspended("SVC-1", revision=3, effective_at=in_days(5)),
        "far": cancelled("SVC-2", revision=3, effective_at=in_days(30)),
    }
    world.say(*(activated(f"SVC-{n}", mac=mac(n), ipv4=ipv4(n)) for n in (1, 2, 3)))
    world.say(*events.values())
    events["back"] = event(
        "schedule_withdrawn", "SVC-3", revision=None, withdraws=[events["withdrawn"]["id"]]
    )
    events["resumed"] = event("resumed", "SVC-1", revision=4)
    world.say(events["back"], events["resumed"])
    return events


def test_who_is_cut_off_in_the_next_days(leasewire, notified):
    answer = leasewire("schedule", "list", "--json")
    assert answer.code == 0
    listed = answer.document["scheduled"]
    assert [(each["service"], each["event"]) for each in listed] == [
        ("SVC-1", notified["plan"]["id"]),
        ("SVC-3", notified["cancelled"]["id"]),
        ("SVC-2", notified["suspended"]["id"]),
        ("SVC-3", notified["withdrawn"]["id"]),
        ("SVC-1", notified["superseded"]["id"]),
    ]
    assert [each["event"] for each in listed if each.get("cuts_off")] == [
        notified["cancelled"]["id"],
        notified["suspended"]["id"],
    ]
    ended = {each["event"]: (each["state"], each["by"]) for each in listed if "by" in each}
    assert ended == {
        notified["withdrawn"]["id"]: ("withdrawn", notified["back"]["id"]),
        notified["superseded"]["id"]: ("superseded", notified["resumed"]["id"]),
    }
    assert notified["far"]["id"] in leasewire("schedule", "list", "--days", "40").out


def test_the_table_says_the_same(leasewire, notified):
    lines = leasewire("schedule", "list").out.splitlines()
    (cut,) = [line for line in lines if notified["cancelled"]["id"] in line]
    assert " yes " in cut
    (kept,) = [line for line in lines if notified["plan"]["id"] in line]
    assert " yes " not in kept
    assert "SVC-1" in kept


def test_a_service_and_an_event_show_what_is_scheduled(leasewire, notified):
    shown = leasewire("services", "show", "SVC-3", "--json").document["scheduled"]
    assert [(each["event"], each["state"]) for each in shown] == [
        (notified["cancelled"]["id"], "scheduled"),
        (notified["withdrawn"]["id"], "withdrawn"),
    ]
    assert "CUTS OFF" in leasewire("services", "show", "SVC-3").out
    (said,) = leasewire("events", "show", notified["plan"]["id"], "--json").document["events"]
    assert said["state"] == "scheduled"
    assert said["effective_at"].startswith(notified["plan"]["data"]["effective_at"][:19])
    assert leasewire("events", "show", notified["plan"]["id"]).out.count("takes effect at") == 1


def test_nothing_is_scheduled(leasewire, world):
    assert leasewire("schedule", "list").out == "Nothing takes effect in the next 7 days.\n"
