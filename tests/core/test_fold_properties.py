"""Arrival does not matter: not its order, and not how often."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests.builders import version_of
from tests.strategies import events, orders
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.writes import writes_of

DEVICES = {f"device{number}" for number in range(2, 9)}


def said_by(raw, ever):
    """What an event says of each register; a block says of every further device that it is, or not.

    `ever`: the registers of further devices that any event named.
    """
    said = writes_of(parse_event(raw)).together
    block = said.pop("devices", None)
    if block is not None:
        in_block = {f"device{device['number']}": device for device in block}
        said = {**dict.fromkeys(ever), **in_block, **said}  # its own fields win
    return said


def devices_named(history):
    """The registers of further devices of which an event said something, if only that it ended."""
    named = set()
    for raw in history:
        said = writes_of(parse_event(raw)).together
        named |= {f"device{device['number']}" for device in said.get("devices", ())}
        named |= said.keys() & DEVICES
    return named


def fold_all(raws, order):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw, order=order)).record
    return record


@given(st.lists(events(), min_size=1, max_size=8), orders, st.data())
def test_any_permutation_and_duplication_gives_the_same_record(history, order, data):
    again = data.draw(st.lists(st.sampled_from(history), max_size=5), label="duplicates")
    arrival = data.draw(st.permutations(history + again), label="arrival")
    assert fold_all(arrival, order) == fold_all(history, order)


@given(st.lists(events(), min_size=1, max_size=8), orders)
def test_each_register_holds_what_its_newest_event_said(history, order):
    record = fold_all(history, order)
    said = {}
    ever = devices_named(history)
    for raw in history:
        for name, value in said_by(raw, ever).items():
            said.setdefault(name, []).append((version_of(raw, order=order), value))
    newest = {name: max(all_said, key=lambda one: one[0]) for name, all_said in said.items()}
    assert {n: (r.version, r.value) for n, r in record.registers.items()} == newest
    assert record.highest == max(version_of(raw, order=order) for raw in history)


@given(st.lists(events(), min_size=1, max_size=6), events(), orders)
def test_what_folding_tells_agrees_with_what_it_did(history, raw, order):
    before = fold_all(history, order)
    event, version = parse_event(raw), version_of(raw, order=order)
    folded = fold(before, event, version)
    after = folded.record
    ever = before.registers.keys() & DEVICES
    names = set(said_by(raw, ever))
    # Of a device that it did not have, the newest block said that it is no more.
    unknown = names - before.registers.keys() & DEVICES
    label = before.registers.get("label")
    assert folded.wrote.isdisjoint(folded.overtaken)
    assert folded.wrote | folded.overtaken.keys() <= names
    for name in names:
        held = label if label and name in unknown else before.registers.get(name)
        assert (name in folded.wrote) == (held is None or held.version < version)
        assert (name in folded.overtaken) == (held is not None and held.version > version)
        assert (name in folded.changed) == (before.value(name) != after.value(name))
    assert all(folded.overtaken[name] == after.registers[name].event for name in folded.overtaken)
    untouched = before.registers.keys() - names
    assert all(after.registers[name] is before.registers[name] for name in untouched)
