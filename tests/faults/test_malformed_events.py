"""Malformed events, published and straight on the queue: each is told what is wrong with it.

The suite sends a few hundred; `MALFORMED=10000` is the long form.
"""

import copy
import json
import os

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from contracts import names
from contracts.errors import ContractViolation
from contracts.parse import parse_event
from producers.errors import BatchViolation
from tests import builders, strategies
from tests.installation import PREFIX, Installation
from tests.waiting import eventually
from worker.intake.checks import key_of
from worker.runtime.celery_app import make_app
from worker.settings import Settings

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.timeout(900),
]

HOW_MANY = int(os.environ.get("MALFORMED", "300"))
A_MESSAGE = 100
FILLED_IN = [(name,) for name in ("id", "time", "specversion", "datacontenttype", "subject")]
"""What `publish` completes, it may be without."""

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", " ", "00:00:00:00:00:00", "1.2.3", "0.0.0.0", "R 1", "é" * 300]),  # noqa: S104 - a value
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


def places(value, at=()):
    """Every place in an event, as the keys that lead there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in inside:
        yield (*at, key)
        if isinstance(child, (dict, list)):
            yield from places(child, (*at, key))


@st.composite
def malformed_events(draw):
    """A valid event with one place replaced by junk or gone; its path, and the event."""
    event = copy.deepcopy(draw(strategies.events()))
    path = draw(st.sampled_from(sorted(places(event), key=str)))
    holder = event
    for key in path[:-1]:
        holder = holder[key]
    if draw(st.booleans()):
        holder[path[-1]] = draw(junk)
    else:
        del holder[path[-1]]
    assume(problems_of(event))
    return path, event


def problems_of(event):
    try:
        parse_event(json.dumps(event), strict=False)
    except ContractViolation as violation:
        return str(violation)
    return ""


def generated():
    found = []

    @settings(
        max_examples=HOW_MANY,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(malformed_events())
    def collect(drawn):
        found.append(drawn)

    collect()
    events = []
    for number, (path, event) in enumerate(found):
        own_id = {} if path == ("id",) or "id" not in event else {"id": f"malformed-{number}"}
        events.append((path, event | own_id))
    return events


def test_each_malformed_event_is_rejected_with_its_problem_and_no_worker_ends(short_directory):
    events = generated()
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        refused = 0
        for path, event in events:
            problems = refused_because(here, event)
            refused += bool(problems)
            assert path in FILLED_IN or names_the_place(problems, path), (path, problems)
        # all but some of those of which `publish` fills the broken field in; they are a few
        assert refused >= sum(path not in FILLED_IN for path, _ in events) > HOW_MANY / 2
        with make_app(Settings(redis_url=here.valkey.url, key_prefix=PREFIX)) as app:
            for start in range(0, len(events), A_MESSAGE):
                carried = [event for _, event in events[start : start + A_MESSAGE]]
                app.send_task(names.TASK_ACCEPT, args=[carried], queue=names.QUEUE_EVENTS)
        last = builders.activated("SVC-LAST", ipv4="100.64.0.9")
        here.publisher.publish([last])
        wanted = {key_of(event): problems_of(event) for _, event in events}
        views = here.store.views
        eventually(
            lambda: all(views.dead_letter(key) for key in wanted),
            "refused",
            within_s=20 + HOW_MANY / 100,
        )
        for key, problems in wanted.items():
            dead_letter = views.dead_letter(key)
            assert (dead_letter.kind, dead_letter.detail) == ("event", problems)
            assert dead_letter.reason in ("invalid-event", "unsupported-type")
        eventually(lambda: here.outcome(last), "the good one behind them", within_s=20)
        assert [worker.process.poll() for worker in here.workers] == [None, None]
        assert here.log_text().count('"worker.started"') == len(here.workers)


def refused_because(here, event):
    """What `publish` says; an event that it completes is another one than that of the queue."""
    if str(event.get("id", "")).startswith("malformed-"):
        event = event | {"id": event["id"].replace("malformed", "published")}
    try:
        here.publisher.publish([event])
    except BatchViolation as violation:
        return [problem for _, problem in violation.problems]
    return []


def names_the_place(problems, path):
    """A problem at the place that was broken, above it, below it, or beside it: what disagrees."""
    at = "/" + "/".join(str(key) for key in path)
    named = ".".join(str(key) for key in path)
    return any(
        at.startswith(problem.pointer)
        or problem.pointer.startswith(at)
        or problem.pointer.rpartition("/")[0] == at.rpartition("/")[0]
        or named in problem.message
        for problem in problems
        if problem.message
    )
