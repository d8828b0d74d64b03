"""What failures, refusals and answers make of a router's circuit."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.policy import circuit
from worker.core.policy.circuit import BackOff, RouterState

NOW = 1_795_944_000_000

DOWN = RouterState("unreachable", since_ms=100, attempts=1, message="no route", away_since_ms=100)
shares = st.floats(0, 1, exclude_max=True)


def test_failures_open_it_and_are_counted():
    first = circuit.failed(RouterState(), "no route", 100)
    assert first == DOWN
    second = circuit.failed(first, "timed out", 200)
    assert (second.attempts, second.since_ms, second.message) == (2, 100, "timed out")
    assert first.circuit(busy=False) == "open"
    assert first.circuit(busy=True) == "half-open"


def test_an_answer_closes_it_and_says_since_when_it_was_away():
    up = circuit.answered(circuit.failed(DOWN, "x", 200), 900)
    assert (up.state, up.since_ms, up.away_since_ms, up.attempts) == ("up", 900, 100, 0)
    assert up.circuit(busy=True) == "closed"
    assert circuit.answered(RouterState(), 900) == RouterState()


def test_a_refusal_blocks_it_and_the_outage_goes_on():
    blocked = circuit.refused(DOWN, "login-refused", "wrong", 300)
    assert (blocked.state, blocked.since_ms, blocked.away_since_ms) == ("blocked", 300, 100)
    assert blocked.circuit(busy=False) == "blocked"
    assert circuit.failed(blocked, "x", 400).away_since_ms == 100


def test_a_lost_write_leaves_it_closed():
    state = circuit.lost_write(circuit.lost_write(RouterState(), "gone"), "gone")
    assert (state.state, state.attempts) == ("up", 2)
    assert state.circuit(busy=False) == "closed"
    assert circuit.draining(state) == RouterState()


def test_it_fails_again_while_it_drains():
    drained = RouterState("up", since_ms=900, away_since_ms=100, drained=40, written=12)
    again = circuit.failed(drained, "no route", 950)
    assert (again.attempts, again.since_ms, again.away_since_ms) == (1, 950, 100)
    assert (again.drained, again.written) == (40, 12)


@given(st.integers(1, 10_000), shares)
def test_waits_are_bounded(attempts, share):
    back_off = BackOff(first_s=1, cap_s=300, blocked_s=600)
    assert 0.1 <= back_off.unreachable_s(attempts, share) <= min(300, 2.0 ** min(attempts, 9))
    assert 300 <= back_off.refused_s(share) <= 600
    assert back_off.lost_write_s(attempts, share) <= circuit.LOST_WRITES_CAP_S


@given(
    st.builds(
        RouterState,
        st.sampled_from(["up", "unreachable", "blocked"]),
        *[st.integers(0, 2**50)] * 3,
        *[st.text()] * 2,
        *[st.integers(0, 2**50)] * 4,
    )
)
def test_it_is_read_as_it_was_written(state):
    assert RouterState.from_json(state.to_json()) == state


def test_a_router_that_is_well_has_nothing_stored():
    assert RouterState().to_json() == "{}"
    assert RouterState.from_json(None) == RouterState()


def test_a_refused_login_counts_when_it_is_refused_again_seconds_later():
    well = RouterState()
    assert circuit.doubts_refusal(well, NOW)
    once = circuit.refused_once(well, "Unauthorized", NOW)
    assert (once.state, once.message, once.refused_ms) == ("up", "Unauthorized", NOW)
    assert RouterState.from_json(once.to_json()) == once
    assert circuit.doubts_refusal(once, NOW + 2_999)
    assert circuit.refused_once(once, "Unauthorized", NOW + 2_999).refused_ms == NOW
    assert not circuit.doubts_refusal(once, NOW + 3_000)
    blocked = circuit.refused(once, "login-refused", "Unauthorized", NOW + 3_000)
    assert not circuit.doubts_refusal(blocked, NOW + 300_000)
    for other in (circuit.failed(well, "away", NOW), circuit.refused(well, "rebuild", "", NOW)):
        assert circuit.doubts_refusal(other, NOW + 1)


def test_that_holds_when_the_clock_is_set_back():
    once = circuit.refused_once(RouterState(), "Unauthorized", NOW)
    earlier = NOW - 3_600_000
    assert circuit.doubts_refusal(once, earlier)
    again = circuit.refused_once(once, "Unauthorized", earlier)
    assert not circuit.doubts_refusal(again, earlier + 3_000)
