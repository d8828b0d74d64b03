"""Leases that are shortened ahead of scheduled events, by a clock that only tests move."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.builders import SOURCE, activated, cancelled, event, ipv4, mac, mac_changed, suspended
from tests.worker.desk import key_of
from tests.worker.paper_desk import NOON, at
from tests.worker.paper_lease import HOUR_S, SHORT_MS, PaperLease
from worker.core.entry.short_lease import LONGEST_MS
from worker.intake.folding import Folding

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
AT = 10 * HOUR
LEAD = HOUR_S * 1000 + SHORT_MS


def address(number, revision=2, **given):
    """An address change that takes effect at `AT` where a test does not say another time."""
    given = {"effective_at": at(AT)} | given
    new = {"mode": "static", "ipv4": ipv4(number)}
    return event("address_changed", revision=revision, address=new, **given)


@pytest.fixture
def desk():
    return active(PaperLease())


def active(desk, theirs=""):
    desk.send(activated(revision=1, mac=mac(1), ipv4=ipv4(10), server="dhcp1"))
    desk.converge()
    if theirs:
        desk.set_by_hand(theirs)
    desk.writes = 0
    return desk


def test_a_lease_is_shortened_one_lease_time_ahead_and_put_back_after(desk):
    desk.send(address(11))
    desk.until(NOON + AT - LEAD - 1)
    assert (desk.lease_time, desk.writes) == ("", 0)
    desk.until(NOON + AT - LEAD)
    assert (desk.lease_time, desk.row.address) == ("2m", ipv4(10))
    desk.until(NOON + AT)
    assert (desk.lease_time, desk.row.address) == ("2m", ipv4(11))
    desk.until(NOON + AT + 2 * SHORT_MS - 1)
    assert desk.lease_time == "2m"
    desk.until(NOON + AT + 2 * SHORT_MS)
    assert desk.lease_time == ""
    assert desk.writes == 3
    assert desk.due_ms == 0
    assert desk.record.placements["R1"].short is None
    assert desk.history()[-3:] == ["lease time", "released", "lease time"]


def test_an_event_nearer_than_a_lease_time_shortens_at_once(desk):
    desk.send(address(11, effective_at=at(5 * MINUTE)))
    desk.converge()
    assert desk.lease_time == "2m"


def test_the_outcome_names_the_rung_once_every_device_has_the_short_lease(desk):
    change = address(11)
    desk.send(change)
    desk.until(NOON + AT)
    assert desk.outcomes[key_of(change)].effective_by == "shortened-lease 120s"


def test_of_a_lease_that_was_shortened_late_the_rest_of_the_long_one_is_promised(desk):
    change = address(11, effective_at=at(20 * MINUTE))
    desk.send(change)
    desk.converge()
    desk.until(NOON + 20 * MINUTE)
    assert desk.outcomes[key_of(change)].effective_by == f"lease-time {40 * 60}s"


def test_an_event_without_a_date_asks_for_no_lease_time_and_leaves_the_index_alone(desk):
    def asked(_router):
        raise AssertionError("the lease times were read")

    folding = Folding(desk.stored, desk.policies, desk.now_ms, lambda _: 0, asked)
    commit = folding.fold(desk.checked([address(11, effective_at=None)]), {}).commit()
    assert (commit.due_ms, commit.record.value("address")["ipv4"]) == (None, ipv4(11))


def test_an_event_nearer_than_the_short_time_shortens_nothing(desk):
    desk.send(address(11, effective_at=at(SHORT_MS)))
    desk.converge()
    desk.until(NOON + HOUR)
    assert (desk.row.address, desk.writes) == (ipv4(11), 1)


@pytest.mark.parametrize("theirs", ["", "45m", "0s"])
def test_what_others_set_is_put_back_exactly_and_is_theirs_again(theirs):
    desk = active(PaperLease(), theirs)
    desk.send(address(11))
    desk.until(NOON + AT)
    assert desk.lease_time == "2m"
    desk.until(NOON + DAY)
    assert desk.lease_time == theirs
    assert "lease-time" not in desk.record.placements["R1"].written
    desk.set_by_hand("5h")
    desk.send(address(12, 3, effective_at=None))
    desk.converge()
    assert (desk.lease_time, desk.row.address) == ("5h", ipv4(12))


@pytest.mark.parametrize("after", [-MINUTE, MINUTE], ids=["before the event", "after it"])
def test_what_others_set_while_it_is_short_stays(desk, after):
    desk.send(address(11))
    desk.until(NOON + AT + after)
    assert desk.lease_time == "2m"
    desk.set_by_hand("10m")
    desk.until(NOON + DAY)
    assert desk.lease_time == "10m"
    assert desk.record.placements["R1"].short is None


def test_the_lease_time_of_the_policy_comes_back():
    desk = active(PaperLease(lease_time="30m"))
    desk.send(address(11))
    desk.until(NOON + AT - 32 * MINUTE - 1)
    assert desk.lease_time == "30m"
    desk.until(NOON + AT - 32 * MINUTE)
    assert desk.lease_time == "2m"
    desk.until(NOON + DAY)
    assert desk.lease_time == "30m"


@pytest.mark.parametrize(
    "ending",
    [
        lambda first: event("schedule_withdrawn", revision=None, withdraws=[first["id"]]),
        lambda _: address(12, 3, effective_at=None),
    ],
    ids=["withdrawn", "superseded"],
)
def test_an_event_that_is_no_more_puts_the_lease_time_back(desk, ending):
    first = address(11)
    desk.send(first)
    desk.until(NOON + AT - HOUR // 2)
    assert desk.lease_time == "2m"
    desk.send(ending(first))
    desk.converge()
    assert desk.lease_time == ""


def test_the_next_event_keeps_it_short_and_the_last_one_ends_it(desk):
    desk.send(address(11), address(12, 3, effective_at=at(AT + HOUR // 2)))
    for minute in range(0, 600, 10):
        desk.until(NOON + AT - LEAD + minute * MINUTE)
        over = minute * MINUTE >= LEAD + HOUR // 2 + 2 * SHORT_MS
        assert desk.lease_time == ("" if over else "2m")
    assert desk.row.address == ipv4(12)


ENDED = {"effective_at": at(AT)}


@pytest.mark.parametrize(
    ("change", "shortens"),
    [
        (event("dns_changed", revision=2, dns_servers=["198.51.100.5"], **ENDED), True),
        (event("options_changed", revision=2, options=[{"code": 42, "hex": "00"}], **ENDED), True),
        (
            event("address_changed", revision=2, address={"mode": "pool", "pool": "p"}, **ENDED),
            True,
        ),
        (suspended(revision=2, mode="block", **ENDED), True),
        (cancelled(revision=2, **ENDED), True),
        (event("moved", revision=2, access={"router": "R2"}, **ENDED), True),
        (mac_changed(revision=2, mac=mac(2), **ENDED), False),
        (event("plan_changed", revision=2, plan={"code": "P"}, **ENDED), False),
        (event("resumed", revision=2, **ENDED), False),
    ],
    ids=lambda value: value["type"].split(".")[2] if isinstance(value, Mapping) else None,
)
def test_only_what_a_bound_device_notices_late_shortens(desk, change, shortens):
    desk.send(change)
    desk.until(NOON + AT - MINUTE)
    assert desk.lease_time == ("2m" if shortens else "")
    assert desk.state(change) == "scheduled"


@pytest.mark.parametrize(
    "policy",
    [{"shorten_leases": ""}, {"lease_time": "2m"}, {"lease_time": "1m"}, {"mode": "observe"}],
    ids=["never", "is as short", "is shorter", "observed"],
)
def test_a_policy_may_shorten_nothing(policy):
    desk = active(PaperLease(**policy))
    desk.send(address(11))
    desk.until(NOON + DAY)
    assert desk.lease_time == policy.get("lease_time", "")
    assert desk.writes == 1


def test_a_change_that_is_not_confirmed_holds_it_short_for_a_day_at_most(desk):
    desk.send(address(11))
    desk.until(NOON + AT - MINUTE)
    desk.until(NOON + AT + LONGEST_MS - 1, alive=lambda: False)
    assert desk.record.placements["R1"].short.last_ms
    desk.until(NOON + AT + LONGEST_MS, alive=lambda: False)
    assert not desk.record.placements["R1"].short.last_ms
    assert desk.due_ms == 0
    desk.converge()
    assert (desk.lease_time, desk.row.address) == ("", ipv4(11))


def test_a_router_that_was_down_until_after_the_event_gets_the_change_alone(desk):
    desk.send(address(11))
    desk.until(NOON + DAY, alive=lambda: False)
    desk.converge()
    assert (desk.lease_time, desk.row.address, desk.writes) == ("", ipv4(11), 1)


def test_the_time_to_wait_is_counted_from_the_confirmation(desk):
    desk.send(address(11))
    desk.until(NOON + AT - MINUTE)
    back = NOON + AT + 3 * HOUR
    desk.until(back, alive=lambda: False)
    desk.converge()
    assert (desk.lease_time, desk.row.address) == ("2m", ipv4(11))
    desk.until(back + 2 * SHORT_MS - 1)
    assert desk.lease_time == "2m"
    desk.until(back + 4 * SHORT_MS)
    assert desk.lease_time == ""


@pytest.mark.parametrize("killed_after", ["noting", "writing"])
def test_a_killed_pass_forgets_no_lease_time(killed_after):
    desk = active(PaperLease(), "45m")
    desk.send(address(11))
    desk.until(NOON + AT - LEAD, alive=lambda: False)
    desk.converge(killed_after)
    desk.converge()
    assert desk.lease_time == "2m"
    desk.until(NOON + AT)
    desk.until(NOON + DAY, alive=lambda: False)
    desk.converge(killed_after)
    desk.converge()
    assert (desk.lease_time, desk.row.address) == ("45m", ipv4(11))


def test_a_move_there_and_back_before_the_router_is_cleaned_leaves_nothing_short():
    desk = active(PaperLease(), "45m")
    desk.send(address(11))
    desk.until(NOON + AT - MINUTE)
    assert desk.lease_time == "2m"
    desk.send(event("moved", revision=5, access={"router": "R9"}))
    desk.send(event("schedule_withdrawn", revision=None, withdraws=desk.pending or ["none"]))
    desk.send(event("moved", revision=6, access={"router": "R1", "dhcp_server": "dhcp1"}))
    desk.converge()
    assert desk.lease_time == "45m"


@st.composite
def steps(draw):
    """Events, half of them scheduled, withdrawals, time, and passes that may be killed."""
    found, ids = [], []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["event", "event", "event", "withdrawal", "time", "pass"]))
        if kind == "event":
            raw = draw(strategies.events())
            raw |= {"id": f"e{number}", "source": SOURCE}
            raw["data"]["revision"] = number + 2
            if draw(st.booleans()):
                ids.append(raw["id"])
                later = draw(st.integers(1, 40)) * HOUR // 4
                raw["data"]["effective_at"] = later
            found.append(("event", raw))
        elif kind == "withdrawal" and ids:
            found.append(("withdrawal", draw(st.sampled_from(ids))))
        elif kind == "time":
            found.append(("time", draw(st.integers(1, 300)) * MINUTE))
        elif kind == "pass":
            found.append(("pass", draw(st.sampled_from([None, "noting", "writing"]))))
    return found


@given(
    steps(),
    st.sampled_from([("", ""), ("", "45m"), ("30m", "")]),
    st.lists(st.booleans(), max_size=6),
)
def test_no_lease_stays_short_and_each_is_put_back_exactly(found, lease_times, kills):
    policy, theirs = lease_times
    desk = active(PaperLease(lease_time=policy), theirs)
    for kind, what in found:
        match kind:
            case "event":
                later = what["data"].get("effective_at")
                if later is not None:
                    what["data"]["effective_at"] = at(desk.now_ms - NOON + later)
                desk.send(what)
            case "withdrawal":
                desk.send(event("schedule_withdrawn", revision=None, withdraws=[what]))
            case "time":
                desk.until(desk.now_ms + what, alive=lambda: kills.pop() if kills else True)
            case "pass":
                desk.converge(what)
        short = [at for at in desk.record.placements.values() if at.short and at.short.last_ms]
        for placement in short:
            # Never short for an event that is over: but for the time that a confirmation takes.
            assert desk.now_ms <= placement.short.last_ms + LONGEST_MS + SHORT_MS
    desk.until(desk.now_ms + 5 * DAY)
    desk.converge()
    assert all(not at.short for name, at in desk.record.placements.items() if name == "R1")
    if desk.row is not None:
        assert desk.lease_time == desk.usual
