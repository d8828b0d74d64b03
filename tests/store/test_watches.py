"""Changes whose effect is awaited, each with the keys of its events, whose outcomes are kept."""

import json
from dataclasses import replace

import pytest

from worker.core.effect.watch import EffectWatch
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import EffectReport, Outcome
from worker.core.service.record import ServiceRecord
from worker.store.commits import EventCommit, ServiceCommit
from worker.store.watches import HOUR_MS, ActedTimes, ReadEffect

pytestmark = pytest.mark.redis

BSS = "urn:isp:bss"
ACTING = EffectReport("acting", "rate", 2_005, 2_000, "", "limited to 10M/50M")
LATE = EffectReport("not-acting-yet", "rate", 1_005, 1_000, "other-limit", "not yet", 90_000)


def applied(number, router="R1"):
    event = EventRef(f"{number:024x}", f"e-{number}", BSS, "t")
    return Outcome(event, f"SVC-{number}", "applied", router=router, at_ms=5)


def watch_of(outcome):
    return EffectWatch((outcome.key,), ("rate",), "lease-rate 1800s", 5)


@pytest.fixture
def awaited(store, client):
    """Notes changes as a pass does that applied their events."""

    def awaited(*outcomes, router="R1"):
        for outcome in outcomes:
            member = f"{outcome.service_id}@{router}"
            client.zadd(store.keys.watches_due, {member: 1})
            client.hset(store.keys.watches, member, watch_of(outcome).to_text())
            service = outcome.service_id
            commits = [EventCommit(outcome.key, "events", "n", outcome)]
            commit = ServiceCommit(service, record=ServiceRecord(service), events=commits)
            store.records.commit([commit], store.records.now_ms())
        return store.watches.take(9).awaited

    return awaited


def in_feed(store):
    items = [item.outcome for item in store.feed.read([BSS], None, 9).items]
    return [outcome for outcome in items if outcome.state != "applied"]


def kept(store, outcome):
    (found,) = store.views.outcomes([outcome.key])
    return found


def test_what_acts_is_reported_and_kept_beside_the_applied_outcome(store, client, awaited):
    first, _ = awaited(applied(1), applied(2))
    assert first.outcomes == [applied(1)]
    store.watches.report([ReadEffect(first, ACTING, 0)])
    (said,) = in_feed(store)
    assert (said.state, said.event.id, said.detail) == ("acting", "e-1", ACTING.detail)
    assert said.effective_by == "lease-rate 1800s"
    assert kept(store, applied(1)) == applied(1)._replace(effect=ACTING)
    assert client.hkeys(store.keys.watches) == ["SVC-2@R1"]
    assert store.watches.take(9).awaited == [], "nobody else reads it for a while"


def test_what_does_not_act_yet_is_read_again(store, client, awaited):
    (effect,) = awaited(applied(1))
    store.watches.report([ReadEffect(effect, LATE, 77, "other-limit")])
    assert [outcome.state for outcome in in_feed(store)] == ["not-acting-yet"]
    assert client.zscore(store.keys.watches_due, effect.member) == 77
    (again,) = store.watches.take(9).awaited
    assert again.watch == replace(effect.watch, reported="other-limit")
    assert again.outcomes == [applied(1)._replace(effect=LATE)]
    store.watches.report([ReadEffect(again, None, 99, "other-limit")])
    assert len(in_feed(store)) == 1


def test_a_newer_change_is_left_as_it_is(store, client, awaited):
    (effect,) = awaited(applied(1))
    newer = watch_of(applied(3)).to_text()
    client.hset(store.keys.watches, effect.member, newer)
    store.watches.report([ReadEffect(effect, ACTING, 0)])
    assert in_feed(store) == []
    assert kept(store, applied(1)).effect is None
    assert client.hget(store.keys.watches, effect.member) == newer
    assert client.zcard(store.keys.watches_due) == 1
    assert store.watches.acted() == {}


def test_a_change_whose_events_have_no_outcome_any_more_is_dropped(store, client, awaited):
    awaited(applied(1))
    client.delete(store.keys.record(applied(1).service_id))
    client.zadd(store.keys.watches_due, {"SVC-1@R1": 1})
    assert store.watches.take(9).awaited == []
    assert not client.exists(store.keys.watches_due, store.keys.watches)


def test_a_service_that_is_purged_is_not_read_any_more(store, client, awaited):
    awaited(applied(1), applied(2))
    store.watches.forget("SVC-1")
    assert client.hkeys(store.keys.watches) == ["SVC-2@R1"]
    assert client.zrange(store.keys.watches_due, 0, -1) == ["SVC-2@R1"]


def test_what_is_left_at_the_old_router_is_no_part_of_the_outcome_at_the_new_one(store, awaited):
    (effect,) = awaited(applied(1, "R2"))
    store.watches.report([ReadEffect(effect, LATE, 77, "x")])
    assert [outcome.router for outcome in in_feed(store)] == ["R1"]
    assert kept(store, applied(1)).effect is None


def test_the_times_that_changes_took_are_counted_in_all_and_of_a_day(store, client, awaited):
    effects = awaited(*map(applied, range(1, 4)))
    times = (300, 1_500, 90_000_000)
    found = [ACTING._replace(after_ms=after_ms) for after_ms in times]
    store.watches.report([ReadEffect(e, f, 0) for e, f in zip(effects, found, strict=True)])
    ((what, acted),) = store.watches.acted().items()
    assert what == ("rate", "lease-rate")
    assert acted.sum_ms == sum(times)
    assert [at for at, number in enumerate(acted.buckets) if number] == [0, 1, 11]
    now_ms = store.records.now_ms()
    assert store.watches.acted_lately(now_ms) == {what: acted}
    assert store.watches.acted_lately(now_ms + 25 * HOUR_MS) == {}
    assert 0 < client.ttl(store.keys.acted_in(now_ms // HOUR_MS)) <= 26 * 3_600


@pytest.mark.parametrize(
    ("buckets", "share", "seconds"),
    [
        ((4,), 0.5, 0.5),
        ((0, 10), 0.5, 1.5),
        ((5, 5), 0.95, 1.9),
        ((), 0.5, 0),
        ((0,) * 11 + (3,), 0.5, 86_400),
    ],
)
def test_quantiles_are_as_exact_as_the_buckets(buckets, share, seconds):
    whole = tuple(buckets) + (0,) * (12 - len(buckets))
    assert ActedTimes(whole, 1).quantile_s(share) == pytest.approx(seconds)


def test_a_watch_survives_its_text():
    watch = replace(watch_of(applied(1)), row={"mac-address": "m"}, reported="late!")
    assert EffectWatch.from_text(watch.to_text()) == watch
    assert EffectWatch.from_text(watch_of(applied(1)).to_text()) == watch_of(applied(1))
    assert json.loads(watch.to_text())[0] == [applied(1).key], "scripts read the events there"
