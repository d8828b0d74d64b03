"""When what two events of one rank disagreed about is settled."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.service.conflicts import Conflict
from worker.core.service.event_ref import Version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Register


def record(**registers):
    """A record with registers as (value, revision)."""
    held = {
        name: Register(value, Version(0, revision, 0, "d"), f"e-{revision}")
        for name, (value, revision) in registers.items()
    }
    return ServiceRecord("SVC-1", registers=held)


def test_it_is_settled_when_all_of_it_was_said_anew():
    of = Conflict("SVC-1", ("mac", "plan"), (0, 5, 0))
    assert not of.is_settled(record(mac=("a", 5), plan=(None, 5)))
    assert not of.is_settled(record(mac=("a", 6), plan=(None, 5), label=("x", 9)))
    assert of.is_settled(record(mac=("a", 6), plan=(None, 7)))


def test_an_end_settles_it_unless_the_end_is_what_was_disputed():
    of = Conflict("SVC-1", ("lifecycle", "mac"), (0, 5, 0))
    assert not of.is_settled(record(lifecycle=("cancelled", 5), mac=("a", 5)))
    assert of.is_settled(record(lifecycle=("cancelled", 6), mac=("a", 5)))


def test_an_operators_word_settles_it():
    held = {"mac": Register("a", Version(0, 5, 1, "d"), "e")}
    assert Conflict("S", ("mac",), (0, 5, 0)).is_settled(ServiceRecord("S", registers=held))


@given(
    st.text(),
    st.lists(st.sampled_from(["mac", "plan", "label"]), unique=True),
    st.tuples(*(st.integers(0, 2**60),) * 3),
)
def test_it_comes_back_as_it_was_kept(service_id, registers, rank):
    kept = Conflict(service_id, tuple(registers), rank)
    assert Conflict.from_json(kept.to_json()) == kept
