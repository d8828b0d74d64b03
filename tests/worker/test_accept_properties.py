"""Whatever way events take through the intake, the record is the fold of all of them."""

import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import names
from contracts.identity import version_hash
from contracts.parse import parse_event
from tests import builders, strategies
from tests.worker.desk import Desk
from worker.core.service.event_ref import Version
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.store.store import open_store

pytestmark = pytest.mark.redis


@st.composite
def histories(draw):
    """Events with ids of their own; then every one at least once, in any order, in any split."""
    drawn = draw(st.lists(strategies.events(), min_size=1, max_size=6))
    events = [
        raw | {"id": f"e{n}-{version_hash(raw)}", "source": builders.SOURCE}
        for n, raw in enumerate(drawn)
    ]
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    order = draw(st.permutations(events + again))
    messages: list[list[dict[str, object]]] = [[]]
    for each in order:
        if draw(st.booleans()):
            messages.append([])
        messages[-1].append(each)
    ways = st.sampled_from(["sent", "published", "published and sent"])
    workers = st.integers(0, 1)
    return events, [(message, draw(ways), draw(workers)) for message in messages]


def folded_in_order(events):
    record = ServiceRecord("SVC-1")
    for raw in events:
        version = Version(0, raw["data"]["revision"], 0, version_hash(raw))
        record = fold(record, parse_event(raw, strict=False), version).record
    return record


@pytest.mark.usefixtures("quiet")
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_any_way_through_the_intake_gives_the_fold_of_all_events(valkey_server, history):
    events, messages = history
    with valkey_server.client() as client:
        store = open_store(client, f"p{secrets.token_hex(4)}:")
        desks = [Desk(store), Desk(store)]
        for message, way, worker in messages:
            desk = desks[worker]
            if way != "sent":
                desk.publish(*message)
            desk.send(*(message if way != "published" else ()))
        expected = folded_in_order(events)
        record = desks[0].record()
        assert record.registers == expected.registers
        assert record.highest == expected.highest
        assert store.journal.depth(names.QUEUE_EVENTS) == 0
        assert client.hgetall(store.keys.attempts) == {}
        assert all(desks[0].outcome(each) for each in events)
        placed = set(record.placements)
        queued = {router for router in ("R1", "R2") if "SVC-1" in desks[0].queued(router)}
        assert queued == placed
        assert {router for desk in desks for router in desk.routers} == placed
