"""What may stand in a queue: messages run, everything else is set aside, and the worker lives."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import names
from tests.builders import activated, mac
from tests.installation import PREFIX, Installation
from tests.waiting import eventually
from worker.runtime.celery_app import make_app
from worker.runtime.transport import BrokenMessageError, checked
from worker.settings import Settings
from worker.store.store import open_store


def body_of(*args, kwargs=None, embedded=None):
    return base64.b64encode(json.dumps([args, kwargs or {}, embedded]).encode()).decode()


def message(*args, **body):
    """The least that a client of another language sends."""
    return {
        "body": body_of(*args, **body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "php", "task": names.TASK_ACCEPT, "id": "m-1"},
        "properties": {
            "delivery_tag": "t-1",
            "delivery_info": {"exchange": "", "routing_key": "events"},
            "body_encoding": "base64",
        },
    }


def without(*path, of=None):
    return changed(*path, of=of, to=None, gone=True)


def changed(*path, to, of=None, gone=False):
    """A message with one field changed, or left out."""
    found = json.loads(json.dumps(of or message([])))
    place = found
    for step in path[:-1]:
        place = place[step]
    if gone:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return found


def raw(entry):
    return entry if isinstance(entry, bytes) else json.dumps(entry).encode()


EVENT = activated()

BROKEN = {
    # contracts: what hand-made messages looked like, and what they did to a stock worker
    "not JSON": b"not json",
    "no content-type": without("content-type"),
    "no headers.id": without("headers", "id"),
    "no delivery_info": without("properties", "delivery_info"),
    "no delivery_tag": without("properties", "delivery_tag"),
    "unknown task": changed("headers", "task", to="billing.charge"),
    "pickle": changed("content-type", to="application/x-python-serialize"),
    # and further ones
    "empty": b"",
    "not UTF-8": b'{"body": "\xff"}',
    "no object": [1, 2],
    "nested deeply": b"[" * 100_000,
    "a huge number": b'{"body": ' + b"9" * 5000 + b"}",
    "Python's types": changed("headers", "origin", to={"__type__": "no", "__value__": 1}),
    "Python's types inside": changed(
        "body", to=body_of([{"__type__": "datetime", "__value__": "2026-11-24T00:00:00"}])
    ),
    "no body": without("body"),
    "body is no text": changed("body", to=[[], {}, {}]),
    "body is no base64": changed("body", to="*"),
    "body is no JSON": changed("body", to=base64.b64encode(b"[[").decode()),
    "body is one object": changed("body", to=base64.b64encode(b"{}").decode()),
    "body has two parts": changed("body", to=base64.b64encode(b"[[],{}]").decode()),
    "body calls another task": changed("body", to=body_of([], embedded={"callbacks": [{}]})),
    "odd body_encoding": changed("properties", "body_encoding", to="zip"),
    "odd content-encoding": changed("content-encoding", to="utf-99"),
    "compressed": changed("headers", "compression", to="application/x-gzip"),
    "for later": changed("headers", "eta", to="2100-01-01T00:00:00Z"),
    "too late": changed("headers", "expires", to="2000-01-01T00:00:00Z"),
    "half a character": changed("headers", "id", to="\ud800"),
}

# Each of them made a worker end or drop the message; they are taken without what did it.
MENDED = {
    "the least": message([]),
    "timelimit []": changed("headers", "timelimit", to=[]),
    "timelimit [1]": changed("headers", "timelimit", to=[1]),
    "shadow": changed("headers", "shadow", to=[1]),
    "stamps": changed("headers", "stamped_headers", to=7),
    "exchange": changed("properties", "delivery_info", to={"exchange": 7}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_entry_is_known_by_what_is_wrong(name):
    with pytest.raises(BrokenMessageError, match=r"\w"):
        checked(raw(BROKEN[name]), "events")


@pytest.mark.parametrize("name", MENDED)
def test_only_what_is_needed_of_a_message_is_let_in(name):
    kept = json.loads(checked(raw(MENDED[name]), "bulk"))
    assert kept["headers"] == {"lang": "py", "task": names.TASK_ACCEPT, "id": "m-1"}
    assert kept["properties"]["delivery_info"] == {"exchange": "", "routing_key": "bulk"}
    assert kept["body"] == MENDED[name]["body"]


def test_everything_that_is_wrong_is_said_at_once():
    broken = without("headers", "id", of=without("content-type"))
    with pytest.raises(BrokenMessageError) as caught:
        checked(raw(broken), "events")
    assert str(caught.value) == "content-type must be application/json; headers.id must be text"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
places = st.sampled_from(
    [(a,) for a in message()]
    + [(a, b) for a in ("headers", "properties") for b in message()[a]]
    + [("headers", "eta"), ("headers", "compression"), ("properties", "delivery_info", "exchange")]
)


@given(places, anything)
def test_an_entry_is_either_broken_or_let_in_for_good(place, value):
    try:
        kept = checked(raw(changed(*place, to=value)), "events")
    except BrokenMessageError:
        return
    again = checked(kept, "events")
    assert [json.loads(each)["body"] for each in (kept, again)] == [json.loads(kept)["body"]] * 2


@given(st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode()))
def test_no_entry_at_all_raises_anything_else(entry):
    with pytest.raises(BrokenMessageError):
        checked(entry, "events")


@pytest.mark.redis
def test_what_our_own_publishers_and_workers_send_is_let_in(valkey, client, prefix):
    settings = Settings(redis_url=valkey.url, key_prefix=prefix)
    app = make_app(settings)
    store = open_store(client, prefix)
    store.journal.notify("bulk")
    store.routers.add_work("R1", ["SVC-1"])
    app.send_task(names.TASK_ACCEPT, args=[[EVENT]], queue="events")  # as contracts.md says
    app.close()
    for queue, args in (("bulk", [[], "bulk"]), ("routers", ["R1"]), ("events", [[EVENT]])):
        kept = json.loads(checked(client.lpop(f"{prefix}{queue}").encode(), queue))
        body = kept["body"]
        if kept["properties"]["body_encoding"] == "base64":
            body = base64.b64decode(body)
        assert json.loads(body)[0] == args


@pytest.mark.redis
@pytest.mark.e2e
def test_a_worker_takes_what_is_good_behind_all_that_is_broken(short_directory):
    with Installation(short_directory) as installation:
        installation.start_workers("events")

        def push(entry):
            installation.client.lpush(PREFIX + "events", raw(entry))

        def outcome(event):
            return installation.outcome(event)

        for entry in BROKEN.values():
            push(entry)
        # well-formed, with broken arguments
        for entry in (
            message(),
            message(7),
            message([EVENT], "express"),
            message([EVENT], "events", "more"),
            message([EVENT], kwargs={"lane": "events"}),
            message([EVENT] * 501),
        ):
            push(entry)
        push(message([None, {"id": "x"}, "text"]))  # and with broken events
        for entry in MENDED.values():
            push(entry)
        good = activated(mac=mac(9))
        push(message([good]))
        eventually(lambda: outcome(good), "the good one behind them is folded", within_s=30)
        assert outcome(good).state == "accepted"

        process = installation.workers[0].process
        assert process.poll() is None
        pid = f":{process.pid}"
        alive = installation.store.heartbeats.workers
        eventually(lambda: [w.endswith(pid) for w in alive()] == [True], "its sign of life")
        dead_letters = installation.store.views.dead_letters()
        by_reason = {
            reason: [dead_letter for dead_letter in dead_letters if dead_letter.reason == reason]
            for reason in ("broken-message", "invalid-message", "unsupported-type", "invalid-event")
        }
        assert len(by_reason["broken-message"]) == len(BROKEN)
        kept = {dead_letter.body for dead_letter in by_reason["broken-message"]}
        assert "not json" in kept
        assert len(by_reason["invalid-message"]) == 6
        assert len(by_reason["invalid-event"] + by_reason["unsupported-type"]) == 3
        assert len(dead_letters) == len(BROKEN) + 6 + 3
        eventually(
            lambda: not installation.client.exists(PREFIX + "events", PREFIX + "unacked"),
            "the queue is empty and all is acknowledged",
        )
        assert installation.outcome(good).service_id == "SVC-1"
