"""Finds the outcomes of events by their keys, wherever they are stored."""

from collections.abc import Iterable, Sequence
from typing import Final

from worker.core.service.outcome import FINAL, Outcome
from worker.store.connection import StoreClient, redis_now_ms
from worker.store.keys import Keys
from worker.store.records import ask_seen, outcomes_of, periods, services_of

HOUR_MS: Final = 3_600_000


def latest_outcomes(client: StoreClient, keys: Keys, wanted: Sequence[str]) -> list[Outcome]:
    """The latest outcome of each event that the store knows, in the order of the keys."""
    if not wanted:
        return []
    now_ms = redis_now_ms(client)
    hour, known = now_ms // HOUR_MS, len(periods(now_ms))
    pipe = client.pipeline(transaction=False)
    pipe.smembers(keys.refused_sources)
    pipe.hmget(keys.scheduled, wanted)
    ask_seen(pipe, keys, wanted, now_ms)
    for period in periods(now_ms):
        pipe.hmget(keys.beside(period), wanted)
    for brief_hour in (hour + 1, hour, hour - 1):  # the clock may have been set back
        pipe.hmget(keys.brief(brief_hour), wanted)
    sources, scheduled, *answers = pipe.execute()
    services = services_of(wanted, answers[:known])
    services |= {key: service for key, service in zip(wanted, scheduled, strict=True) if service}
    ids = sorted(set(services.values()))
    for source in sources:
        pipe.hmget(keys.refused(source), wanted)
    for service in ids:
        pipe.get(keys.record(service))
    texts = pipe.execute()
    lines = dict(zip(ids, map(outcomes_of, texts[len(sources) :]), strict=True))
    found = {
        # An event that was rejected once may have been corrected and sent again.
        **_latest(wanted, texts[: len(sources)]),
        **_latest(wanted, answers[known:]),
        **{key: lines[of][key] for key, of in services.items() if key in lines[of]},
    }
    return [Outcome.from_json(found[key], key) for key in wanted if key in found]


def _latest(wanted: Sequence[str], answers: Iterable[Sequence[str | None]]) -> dict[str, str]:
    """Of several outcomes of an event the final one, which is the last; else the first found."""
    found: dict[str, str] = {}
    for texts in answers:
        for key, text in zip(wanted, texts, strict=True):
            if text and (key not in found or Outcome.from_json(text).state in FINAL):
                found[key] = text
    return found
