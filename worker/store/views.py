"""What people and programs ask of the store: outcomes, histories, dead letters, backlogs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from contracts import names
from worker.core.policy.circuit import RouterState
from worker.core.service.history import line_from_json
from worker.core.service.outcome import FINAL, DeadLetter, Outcome
from worker.store.connection import PAGE, StoreClient, StorePart, pages
from worker.store.records import (
    Stored,
    ask_seen,
    decode_stored,
    outcomes_of,
    periods,
    remembered,
    unreadable_left_out,
)
from worker.store.router_figures import RouterFigures, known_state, read_routers

HOUR_MS: Final = 3_600_000
_INVENTORY_MS: Final = 60_000


class RouterLook(NamedTuple):
    """A router's state, and of some services why which wait there and which have a work item."""

    state: RouterState
    waiting: Mapping[str, dict[str, Any]]
    queued: frozenset[str]


class ServiceView(NamedTuple):
    """All that is known of a service."""

    stored: Stored
    events: list[Outcome]
    history: list[dict[str, Any]]
    waiting: dict[str, dict[str, Any]]
    queued: list[str]


class Views(StorePart):
    """Reads, and the signs of life that workers leave for them."""

    def outcomes(self, event_keys: Sequence[str]) -> list[Outcome]:
        """The latest outcome of each event that the store knows, in the order of the keys."""
        wanted, keys = list(dict.fromkeys(event_keys)), self._keys
        if not wanted:
            return []
        now_ms = self.now_ms()
        hour, known = now_ms // HOUR_MS, len(periods(now_ms))
        pipe = self._client.pipeline(transaction=False)
        pipe.smembers(keys.refused_sources)
        pipe.hmget(keys.scheduled, wanted)
        ask_seen(pipe, keys, wanted, now_ms)
        for period in periods(now_ms):
            pipe.hmget(keys.beside(period), wanted)
        for brief_hour in (hour + 1, hour, hour - 1):  # the clock may have been set back
            pipe.hmget(keys.brief(brief_hour), wanted)
        sources, scheduled, *answers = pipe.execute()
        services = remembered(wanted, answers[:known], "service")
        services |= {
            key: service for key, service in zip(wanted, scheduled, strict=True) if service
        }
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

    def journaled(self, event_keys: Sequence[str]) -> dict[str, names.Lane]:
        """Which of the events are in a journal still, and in which lane's."""
        found: dict[str, names.Lane] = {}
        for lane in names.LANES:
            body = self._keys.journal(lane).body
            for key in event_keys:
                if self._client.hexists(body, key):
                    found[key] = lane
        return found

    def services(self) -> Iterator[Stored]:
        """Every record, in no certain order, a page at a time."""
        start = len(self._keys.record(""))
        for page in key_pages(self._client, self._keys.record("")):
            yield from self._records([key[start:] for key in page])

    def services_from(self, cursor: int, most: int, router: str | None) -> tuple[list[Stored], int]:
        """One step of a walk over all records, or a router's; what is unreadable is left out.

        `cursor`: where the step before ended; 0: the beginning; `most`: about how many keys to
        read; `router`: of which a row may be there; None: wherever they are.

        Returns:
            The records, and the cursor of the next step; 0 after the last. A record that is there
            all the while comes at least once.
        """
        if router is None:
            texts, onward = self.record_texts_from(cursor, most)
            return list(unreadable_left_out(texts).values()), onward
        members = self._keys.router(router).services
        onward, found = self._client.sscan(members, cursor, count=most)
        return self._records(list(dict.fromkeys(found)), readable=True), int(onward)

    def record_texts_from(self, cursor: int, most: int) -> tuple[dict[str, str], int]:
        """As `services_from` over all records, but not parsed: service -> its stored text."""
        pattern = literal(self._keys.record("")) + "*"
        onward, found = self._client.scan(cursor, match=pattern, count=most)
        start = len(self._keys.record(""))
        service_ids = [key[start:] for key in dict.fromkeys(found)]
        return self.record_texts(service_ids), int(onward)

    def record_texts(self, service_ids: Sequence[str]) -> dict[str, str]:
        """The stored texts of those of the services that have a record."""
        return self._texts(self._keys.record, service_ids)

    def looks_at(self, services: Mapping[str, Sequence[str]]) -> dict[str, RouterLook]:
        """Router -> its state, and what is known there of these services; one round trip."""
        if not services:
            return {}
        pipe = self._client.pipeline(transaction=False)
        pipe.hmget(self._keys.fleet.paused, list(services))
        pipe.mget([self._keys.router(router).state for router in services])
        for router, service_ids in services.items():
            block = self._keys.router(router)
            pipe.hmget(block.waiting, service_ids)
            pipe.hmget(block.work_items, service_ids)
        paused, states, *rest = pipe.execute()
        answers, found = iter(rest), dict[str, RouterLook]()
        for (router, service_ids), by_person, state in zip(
            services.items(), paused, states, strict=True
        ):
            waiting, work_items = next(answers), next(answers)
            why = zip(service_ids, waiting, strict=True)
            queued = zip(service_ids, work_items, strict=True)
            found[router] = RouterLook(
                known_state(by_person, state),
                {service_id: json.loads(text) for service_id, text in why if text},
                frozenset(service_id for service_id, version in queued if version is not None),
            )
        return found

    def service(self, service_id: str, routers: Iterable[str]) -> ServiceView | None:
        """One service with its events, history and where it is marked or waits; None if unknown."""
        text = self._client.get(self._keys.record(service_id))
        if text is None:
            return None
        history = self._client.lrange(self._keys.history(service_id), 0, -1)
        looks = self.looks_at({router: [service_id] for router in routers})
        return ServiceView(
            decode_stored(service_id, text),
            [Outcome.from_json(outcome, key) for key, outcome in outcomes_of(text).items()],
            [line_from_json(line) for line in history],
            {at: why for at, look in looks.items() for why in look.waiting.values()},
            [at for at, look in looks.items() if look.queued],
        )

    def state(self, router: str) -> RouterState:
        """A router's state; of one that was never reached as if it was up."""
        paused = self._client.hget(self._keys.fleet.paused, router)
        return known_state(paused, self._client.get(self._keys.router(router).state))

    def router(self, name: str) -> RouterFigures:
        """The figures of one router."""
        return self.routers([name])[0]

    def routers(self, names: Sequence[str]) -> list[RouterFigures]:
        """The figures of routers, with a bounded number of round trips."""
        return read_routers(self._client, self._keys, names, self.now_ms())

    def router_services(self, name: str, *, readable: bool = False) -> list[Stored]:
        """The records of all services of which a row may exist on a router.

        `readable`: leave out what cannot be read here.
        """
        ids = sorted(self._client.smembers(self._keys.router(name).services))
        return [stored for page in pages(ids) for stored in self._records(page, readable=readable)]

    def router_waiting(self, name: str) -> dict[str, dict[str, Any]]:
        """Service -> {reason, detail, since_ms} of those that cannot go on at a router."""
        raw = self._client.hgetall(self._keys.router(name).waiting)
        return {service: json.loads(text) for service, text in raw.items()}

    def router_queued(self, name: str) -> frozenset[str]:
        """The services with a work item at a router, due now or later."""
        return frozenset(self._client.hkeys(self._keys.router(name).work_items))

    def router_claims(self, name: str) -> dict[str, dict[str, tuple[str, bool]]]:
        """Claim key -> {scope: (service, whether it is held)} at a router."""
        raw = self._client.hgetall(self._keys.router(name).claims)
        return {
            key: {scope: (service, is_held == 1) for scope, (service, is_held) in holders.items()}
            for key, text in raw.items()
            for holders in [json.loads(text)]
        }

    def dead_letters(self, most: int = 1000) -> list[DeadLetter]:
        """The newest dead letters first."""
        by_time = self._keys.dead_letters_by_time
        ids = self._client.zrevrange(by_time, 0, most - 1)
        return list(map(DeadLetter.from_json, self._fields(self._keys.dead_letters, ids).values()))

    def dead_letter(self, dead_letter_id: str) -> DeadLetter | None:
        """One dead letter by its id."""
        text = self._client.hget(self._keys.dead_letters, dead_letter_id)
        return DeadLetter.from_json(text) if text else None

    def router_in_flight(self, router: str) -> frozenset[str]:
        """The services of which writes at a router may be under way."""
        return frozenset(self._client.hkeys(self._keys.router(router).inflight))

    def counters(self) -> dict[str, int]:
        """What happened, how often, since this Redis began."""
        raw = self._client.hgetall(self._keys.counters)
        return {name: int(count) for name, count in raw.items()}

    def save_inventory(self, worker: str, read_ms: int) -> None:
        """Note when a living worker read its inventory; called each second."""
        self._client.set(self._keys.inventory_of(worker), str(read_ms), px=_INVENTORY_MS)

    def inventories(self, workers: Sequence[str]) -> list[int]:
        """When these workers read the inventories that they have (ms), the oldest first."""
        return sorted(map(int, self._texts(self._keys.inventory_of, workers).values()))

    def _records(self, service_ids: Sequence[str], *, readable: bool = False) -> list[Stored]:
        found = self.record_texts(service_ids)
        if readable:
            return list(unreadable_left_out(found).values())
        return [decode_stored(service, text) for service, text in found.items()]


def _latest(wanted: Sequence[str], answers: Iterable[Sequence[str | None]]) -> dict[str, str]:
    """Of several outcomes of an event the final one, which is the last; else the first found."""
    found: dict[str, str] = {}
    for texts in answers:
        for key, text in zip(wanted, texts, strict=True):
            if text and (key not in found or Outcome.from_json(text).state in FINAL):
                found[key] = text
    return found


def key_pages(client: StoreClient, prefix: str, size: int = PAGE) -> Iterator[list[str]]:
    """All keys that start so, at most `size` a page, in no certain order; no page is empty."""
    yield from pages(client.scan_iter(match=literal(prefix) + "*", count=size), size)


def literal(text: str) -> str:
    """Escape what SCAN's patterns would read as more than itself."""
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
