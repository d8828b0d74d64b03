"""Service records and the commit: record, claims, marks, outcomes and journal in one step."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, cast

import redis
import structlog
from pydantic_core import to_json
from redis.client import Pipeline

from contracts import names
from worker.core.entry.brake import BrakeLimits, Cut
from worker.core.entry.entry import Claim
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_format import record_from_json, record_to_json
from worker.core.storage_format import UnknownFormatError, in_a_line
from worker.store.connection import redis_now_ms
from worker.store.keys import UNKNOWN_SOURCES, Keys, feed_name, periods
from worker.store.scripts import Scripts
from worker.store.sources import ALARM_SHARE, CALM_SHARE, LEAST, WINDOW, Crossing, SourceCount

log = structlog.get_logger()

COMMITS_PER_CALL = 50
_GENERATIONS = 2**32
"""So many that none comes twice within a commit that was read before; their texts stay short."""
_SHORT_KEY = 16
"""As `lua/_services.lua` has it."""
_SHORT_HASH = 12


class Stored(NamedTuple):
    """A record with the generation that a commit must still find; 0 when there is none yet.

    Each commit gives it another one, which says nothing of how many there were.
    """

    generation: int
    record: ServiceRecord


@dataclass(frozen=True, slots=True)
class EventCommit:
    """What a commit says of one event that came; it leaves the journal with it.

    Attributes:
        key: the event's key.
        lane: whose journal it leaves; None when it came without one.
        count: the counter that goes up: `accepted`, `duplicate`, `superseded`, `rejected`, ….
        outcome: the word on it; None leaves an earlier one as it is.
        content_hash: remembered for 31 days to tell a duplicate from a reused id; None: not.
        beside: the word is told in the feed alone: that on another event of its key stands.
        listed: among the last events of its service; else it changed nothing, and is kept an hour.
        unknown_source: nobody knows its source: it is told of in the feed of all such.
        refused: it is no event of its service but one of the refused ones of this source, empty:
            one that nobody knows; None: it was not refused.
    """

    key: str
    lane: names.Lane | None
    count: str
    outcome: Outcome | None = None
    content_hash: str | None = None
    beside: bool = False
    listed: bool = True
    unknown_source: bool = False
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceCommit:
    """One service's part of a commit; without a record it only says things of events.

    Attributes:
        service_id: whose; empty for events that name none.
        generation: of the record that this was folded from.
        record: the new record; None writes none.
        claims: router -> all that the service wants there now; what it held beyond goes.
        work_items: router -> priority (0 first, 3 last).
        cut: what the brake is told; None: nothing was said of the service.
        ownership_changes: source -> by how many the services change that it owns and that live.
        due_ms: when its next scheduled event takes effect, 0 for none; None: as it was.
        events: what is said of each event that came.
        outcomes: what is said anew of events of earlier commits.
        counts: counters that go up besides.
        dead_letters: dead letters.
        lines: history, newest last.
        heard: what this took in.
        names: routers that the record names and did not before: should one of them be a former name
            by now, another was faster.
    """

    service_id: str
    generation: int = 0
    record: ServiceRecord | None = None
    claims: Mapping[str, frozenset[Claim]] = field(default_factory=dict)
    work_items: Mapping[str, int] = field(default_factory=dict)
    cut: Cut | None = None
    ownership_changes: Mapping[str, int] = field(default_factory=dict)
    due_ms: int | None = None
    events: Sequence[EventCommit] = ()
    outcomes: Sequence[Outcome] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Sequence[DeadLetter] = ()
    lines: Sequence[str] = ()
    heard: Mapping[SourceCount, int] = field(default_factory=dict)
    names: Collection[str] = ()


class Committed(NamedTuple):
    """What came of commits.

    Attributes:
        done: which went through (False: another was faster).
        braked: hold -> how many marks the brake took.
        let_go: how many it let go.
        crossings: sources that an alarm begins or ends for.
        drained: nothing is due in the journal of the lane that was asked about.
        generation: that records have which went through.
    """

    done: list[bool]
    braked: dict[str, int]
    let_go: int = 0
    crossings: Sequence[Crossing] = ()
    drained: bool = False
    generation: int = 0


class Records:
    """Reads and commits of service records."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def now_ms(self) -> int:
        """Redis's clock, in milliseconds since 1970."""
        return redis_now_ms(self._client)

    def read(self, service_ids: Sequence[str]) -> dict[str, Stored]:
        """The records of services; an unknown one comes as an empty record of generation 0."""
        if not service_ids:
            return {}
        texts = cast("list[str | None]", self._client.mget(map(self._keys.record, service_ids)))
        return {
            service: decode_stored(service, text)
            for service, text in zip(service_ids, texts, strict=True)
        }

    def readable(self, service_ids: Sequence[str]) -> dict[str, Stored]:
        """What `read` gives, without the records that cannot be read here."""
        if not service_ids:
            return {}
        texts = cast("list[str | None]", self._client.mget(map(self._keys.record, service_ids)))
        return unreadable_left_out(dict(zip(service_ids, texts, strict=True)))

    def known(self, service_ids: Sequence[str]) -> set[str]:
        """Those of the services that have a record, whatever it says."""
        pipe = self._client.pipeline(transaction=False)
        for service in service_ids:
            pipe.exists(self._keys.record(service))
        there = pipe.execute()
        return {service for service, found in zip(service_ids, there, strict=True) if found}

    def read_for(
        self, service_ids: Sequence[str], event_keys: Sequence[str], now_ms: int
    ) -> tuple[dict[str, Stored], dict[str, str]]:
        """What `read` and `seen` say of one moment; records of a newer version are left out.

        What is committed later changes a record, and is folded anew: were `seen` older than the
        records, an event that another worker folded meanwhile would be folded twice.
        """
        pipe = self._client.pipeline(transaction=True)
        pipe.mget([self._keys.record(each) for each in service_ids])
        ask_seen(pipe, self._keys, event_keys, now_ms)
        texts, *hashes = pipe.execute()
        stored = newer_left_out(dict(zip(service_ids, texts, strict=True)))
        return stored, contents_of(event_keys, hashes)

    def seen(self, event_keys: Sequence[str], now_ms: int) -> dict[str, str]:
        """Short content hash of those events that were committed in the last 31 days or more."""
        if not event_keys:
            return {}
        pipe = self._client.pipeline(transaction=False)
        ask_seen(pipe, self._keys, event_keys, now_ms)
        return contents_of(event_keys, pipe.execute())

    def commit(
        self,
        commits: Sequence[ServiceCommit],
        now_ms: int,
        limits: BrakeLimits | None = None,
        lane: names.Lane | None = None,
    ) -> Committed:
        """Commit services, a bounded number a call, each wholly or not at all; ring for routers.

        Args:
            commits: the services.
            now_ms: Redis's time.
            limits: from which on the brake holds marks; None: it holds none.
            lane: if nothing is due in its journal after this, the next publish is to ring.
        """
        done: list[bool] = []
        braked: dict[str, int] = {}
        crossings: list[Crossing] = []
        let_go = 0
        drained = False
        generation = new_generation()
        for start in range(0, len(commits), COMMITS_PER_CALL):
            part = commits[start : start + COMMITS_PER_CALL]
            order: dict[str, Any] = {
                "work_version": new_work_version(),
                "generation": generation,
                "now_ms": now_ms,
                "alarm": [WINDOW, LEAST, ALARM_SHARE, CALM_SHARE],
                "commits": [_order_of(each) for each in part],
            }
            if limits is not None:
                order["limits"] = asdict(limits)
            if lane is not None and start + len(part) == len(commits):
                order["lane"] = lane
            answer = self._scripts.run("commit", to_json(order))
            results, held, freed, alarms, is_drained = answer
            drained = bool(is_drained)
            crossings += [
                Crossing(source, int(crossed) > 0, int(recent), int(late))
                for source, crossed, recent, late in zip(*[iter(alarms)] * 4, strict=True)
            ]
            let_go += int(freed)
            done += [bool(each) for each in results]
            for scope, taken in zip(held[::2], held[1::2], strict=True):
                braked[scope] = braked.get(scope, 0) + int(taken)
        return Committed(done, braked, let_go, crossings, drained, generation)


def _order_of(c: ServiceCommit) -> dict[str, Any]:
    order: dict[str, Any] = {
        "service": c.service_id,
        "places": () if c.record is None else list(c.record.placements),
        "claims": [[name, sorted(want)] for name, want in c.claims.items()],
        "work_items": list(c.work_items.items()),
        "ownership_changes": list(c.ownership_changes.items()),
        "dead_letters": [
            [dead_letter.id, dead_letter.to_json(), dead_letter.group]
            for dead_letter in c.dead_letters
        ],
        "events": [_event_order(event) for event in c.events],
        "outcomes": [outcome_order(each) for each in c.outcomes],
        "counts": list(c.counts.items()),
        "heard": [
            [each.source, count, count if each.superseded else 0] for each, count in c.heard.items()
        ],
    }
    if c.service_id:
        order["generation"] = c.generation
    if c.record is not None:
        order["text"] = record_to_json(c.record)
        order["cancelled"] = c.record.status == "cancelled"
    if c.cut is not None:
        order["cut"] = _cut_order(c.cut)
    if c.names:
        order["names"] = sorted(c.names)
    if c.due_ms is not None:
        order["due"] = c.due_ms
    if c.lines:
        order["lines"] = c.lines
    return order


def _cut_order(cut: Cut) -> dict[str, Any]:
    if cut.loss is None:
        return {}
    return {
        "router": cut.loss.router,
        "source": cut.source,
        "is_suspension": cut.loss.kind == "suspended",
        "new": cut.new,
    }


def _event_order(event: EventCommit) -> dict[str, Any]:
    order: dict[str, Any] = {"key": event.key, "count": event.count}
    if event.lane:
        order["lane"] = event.lane
    if event.outcome is not None:
        if not event.beside:
            order["said"] = "first" if event.listed else "brief"
        order["text"] = event.outcome.to_json()
        # What changed nothing must not push out of the feed what did.
        if feed := feed_of(event.outcome, bulk=not event.listed):
            order["feed"] = UNKNOWN_SOURCES if event.unknown_source else feed
    if event.refused is not None:
        order["refused"] = event.refused
    if event.content_hash is not None:
        order["content"] = short_hash(event.content_hash)
    elif order.get("said") == "first" and event.refused is None:
        order["content"] = ""
    return order


def ask_seen(pipe: Pipeline, keys: Keys, event_keys: Sequence[str], now_ms: int) -> None:
    """Ask what is remembered of events: an answer for each of the `periods`."""
    fields = [key[:_SHORT_KEY] for key in event_keys]
    for period in periods(now_ms):
        pipe.hmget(keys.seen(period), fields)


def contents_of(
    event_keys: Sequence[str], answers: Sequence[Sequence[str | None]]
) -> dict[str, str]:
    """Event -> its short content hash, by the answers to `ask_seen`."""
    return _remembered(event_keys, answers, 0)


def services_of(
    event_keys: Sequence[str], answers: Sequence[Sequence[str | None]]
) -> dict[str, str]:
    """Event -> its service, by the answers to `ask_seen`."""
    return _remembered(event_keys, answers, 2)


def _remembered(
    event_keys: Sequence[str], answers: Sequence[Sequence[str | None]], part: int
) -> dict[str, str]:
    """What is not empty of one part of `content hash|service`."""
    found: dict[str, str] = {}
    for texts in answers:
        for key, text in zip(event_keys, texts, strict=True):
            if value := (text or "").partition("|")[part]:
                found[key] = value
    return found


def outcomes_of(text: str | None) -> dict[str, str]:
    """Event -> the word on it as JSON, newest first, of a service's text."""
    _, *lines = (text or "").split("\n")
    return {line[:at]: line[at:] for line in lines if (at := line.find("[")) > 0}


def decode_stored(service_id: str, text: str | None) -> Stored:
    """Read the first line, `generation|JSON`; None is a service of which nothing is known.

    Raises:
        UnknownFormatError: a newer version wrote it.
    """
    if not text:
        return Stored(0, ServiceRecord(service_id))
    generation, _, body = text.partition("\n")[0].partition("|")
    return Stored(int(generation), record_from_json(body, service_id))


def generation_of(text: str | None) -> int:
    """The generation of a record of which nothing else can be read, as scripts read it."""
    generation, _, _ = (text or "").partition("|")
    return int(generation) if generation.isdecimal() else 0


def newer_left_out(texts: Mapping[str, str | None]) -> dict[str, Stored]:
    """The records by service, without those that a newer version wrote."""
    found = {}
    for service, text in texts.items():
        with suppress(UnknownFormatError):
            found[service] = decode_stored(service, text)
    return found


def unreadable_left_out(texts: Mapping[str, str | None]) -> dict[str, Stored]:
    """The records by service, without those that cannot be read here, whatever the reason."""
    found = {}
    for service, text in texts.items():
        try:
            found[service] = decode_stored(service, text)
        except Exception as error:  # noqa: BLE001 - of one service: others go on without it
            log.warning("record.unreadable", service_id=service, reason=in_a_line(error))
    return found


def feed_of(outcome: Outcome, *, bulk: bool = False) -> str | None:
    """Name of the feed in which an outcome is told; None where nobody could read it."""
    if not outcome.source:
        return None
    return feed_name(outcome.source, bulk=bulk or outcome.bulk)


def outcome_order(outcome: Outcome) -> list[str | bool]:
    """The word on an event as scripts take it: its key, the text, its feed if it has one."""
    return [outcome.key, outcome.to_json(), feed_of(outcome) or False]


def short_hash(content_hash: str) -> str:
    """What the store remembers of an event's content."""
    return content_hash[:_SHORT_HASH]


def new_generation() -> int:
    """A generation for records: random as stamps are, and for the same reason."""
    return secrets.randbelow(_GENERATIONS) + 1


def new_work_version() -> str:
    """A stamp for marks: random, so that a Redis that rolled back hands none out twice."""
    return secrets.token_hex(8)
