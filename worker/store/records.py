"""Service records: reading them, and committing records, claims, work items and outcomes."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import structlog
from pydantic_core import to_json
from redis.client import Pipeline

from contracts import names
from worker.core.entry.brake import BrakeLimits, Cut
from worker.core.service.record import ServiceRecord
from worker.core.service.record_format import record_from_json, record_to_json
from worker.core.storage_format import UnknownFormatError, in_a_line
from worker.store.commits import Committed, EventCommit, ServiceCommit
from worker.store.connection import (
    StorePart,
    StoreParts,
    new_generation,
    new_work_version,
    pages,
)
from worker.store.keys import UNKNOWN_SOURCES, Keys
from worker.store.sources import ALARM_SHARE, CALM_SHARE, LEAST, WINDOW, SupersededAlarm
from worker.store.store_format import StoreFormat

log = structlog.get_logger()

COMMITS_PER_CALL = 50
SEEN_PERIOD_S = 8 * 86_400
"""Event ids are remembered by periods of eight days (`lua/_services.lua`): five are over 31."""
SEEN_PERIODS = 5
_SHORT_KEY = 16
"""As in `lua/_services.lua`."""


class Stored(NamedTuple):
    """A record with its generation, which a commit must still find; 0: there is no record yet.

    Each commit sets another random generation.
    """

    generation: int
    record: ServiceRecord


class Records(StorePart):
    """Reads and commits of service records."""

    def __init__(self, *parts: *StoreParts, store_format: StoreFormat) -> None:
        super().__init__(*parts)
        self._format = store_format

    def read(self, service_ids: Sequence[str]) -> dict[str, Stored]:
        """The records of services; an unknown service has an empty record of generation 0."""
        texts = self._texts(self._keys.record, service_ids)
        return {service: decode_stored(service, texts.get(service)) for service in service_ids}

    def readable(self, service_ids: Sequence[str]) -> dict[str, Stored]:
        """As `read`, without the records that this version cannot read."""
        texts = self._texts(self._keys.record, service_ids)
        return unreadable_left_out({service: texts.get(service) for service in service_ids})

    def known(self, service_ids: Sequence[str]) -> set[str]:
        """Those of the services that have a record, readable or not."""
        key = self._keys.record
        found = self._asked(service_ids, lambda pipe, service: pipe.exists(key(service)))
        return {service for service, is_there in found if is_there}

    def known_whole(self, service_ids: Collection[str]) -> list[str]:
        """Those of the services that have a record which says whether they have a row.

        Of an incomplete one some events came, but none that says so. Redis may have lost the other
        services: their rows stay until events name them again.
        """
        found = self._texts(self._keys.record, sorted(service_ids))
        records = unreadable_left_out(found)
        return [s for s in found if s not in records or records[s].record.status != "incomplete"]

    def read_for(
        self, service_ids: Sequence[str], event_keys: Sequence[str], now_ms: int
    ) -> tuple[dict[str, Stored], dict[str, str]]:
        """The answers of `read` and `seen` at one moment, without records of a newer version.

        A later commit changes a record, and the event is folded again. If `seen` were older than
        the records, an event that another worker folded in between would be folded twice.
        """
        pipe = self._client.pipeline(transaction=True)
        pipe.mget(list(map(self._keys.record, service_ids)))
        ask_seen(pipe, self._keys, event_keys, now_ms)
        texts, *hashes = pipe.execute()
        stored = newer_left_out(dict(zip(service_ids, texts, strict=True)))
        return stored, remembered(event_keys, hashes, "content")

    def seen(self, event_keys: Sequence[str], now_ms: int) -> dict[str, str]:
        """Short content hash of the events that were committed in the last 31 days, by key."""
        if not event_keys:
            return {}
        pipe = self._client.pipeline(transaction=False)
        ask_seen(pipe, self._keys, event_keys, now_ms)
        return remembered(event_keys, pipe.execute(), "content")

    def commit(
        self,
        commits: Sequence[ServiceCommit],
        now_ms: int,
        limits: BrakeLimits | None = None,
        lane: names.Lane | None = None,
    ) -> Committed:
        """Commit services, a bounded number a call, each wholly or not at all; notify routers.

        `limits`: of the brake; None: it is off. `lane`: if nothing is due in its journal after
        this, the next publish notifies a worker.
        """
        total = Committed([], {}, generation=new_generation())
        store_format = self._format.in_use or self._format.check()
        for part in pages(commits, COMMITS_PER_CALL):
            batch: dict[str, Any] = {
                "work_version": new_work_version(),
                "generation": total.generation,
                "now_ms": now_ms,
                "alarm": [WINDOW, LEAST, ALARM_SHARE, CALM_SHARE],
                "services": [commit_document(commit, store_format) for commit in part],
            }
            if limits is not None:
                batch["limits"] = asdict(limits)
            if lane is not None and len(total.done) + len(part) == len(commits):
                batch["lane"] = lane
            done, braked, approved, alarms, drained = self._scripts.run("commit", to_json(batch))
            for scope, count in zip(braked[::2], braked[1::2], strict=True):
                total.braked[scope] = total.braked.get(scope, 0) + int(count)
            alarms = [
                SupersededAlarm(source, int(crossed) > 0, int(recent), int(late))
                for source, crossed, recent, late in zip(*[iter(alarms)] * 4, strict=True)
            ]
            total = total._replace(
                done=[*total.done, *map(bool, done)],
                approved=total.approved + int(approved),
                alarms=[*total.alarms, *alarms],
                drained=bool(drained),
            )
        return total


def periods(now_ms: int) -> range:
    """The periods that may have event ids of the last 31 days, the latest first.

    The first is yet to come: Redis's clock may have been set back.
    """
    now = now_ms // 1000 // SEEN_PERIOD_S
    return range(now + 1, now - SEEN_PERIODS, -1)


def ask_seen(pipe: Pipeline, keys: Keys, event_keys: Sequence[str], now_ms: int) -> None:
    """Read what is remembered of events: one answer for each of the `periods`."""
    fields = [key[:_SHORT_KEY] for key in event_keys]
    for period in periods(now_ms):
        pipe.hmget(keys.seen(period), fields)


def remembered(
    event_keys: Sequence[str],
    answers: Sequence[Sequence[str | None]],
    what: Literal["content", "service"],
) -> dict[str, str]:
    """Event -> its short content hash or its service, by the answers to `ask_seen`."""
    part, found = 0 if what == "content" else 2, dict[str, str]()
    for texts in answers:
        for key, text in zip(event_keys, texts, strict=True):
            if value := (text or "").partition("|")[part]:
                found[key] = value
    return found


def outcomes_of(text: str | None) -> dict[str, str]:
    """Event -> its outcome as JSON, newest first, from a service's text."""
    _, *lines = (text or "").split("\n")
    return {line[:at]: line[at:] for line in lines if (at := line.find("[")) > 0}


def decode_stored(service_id: str, text: str | None) -> Stored:
    """Read the first line, `generation|JSON`; None is an unknown service.

    Raises:
        UnknownFormatError: a newer version wrote it.
    """
    if not text:
        return Stored(0, ServiceRecord(service_id))
    generation, _, body = text.partition("\n")[0].partition("|")
    return Stored(int(generation), record_from_json(body, service_id))


def generation_of(text: str | None) -> int:
    """The generation of a record that cannot be read, as scripts read it."""
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
    """The records by service, without those that cannot be read, whatever the reason."""
    found = {}
    for service, text in texts.items():
        try:
            found[service] = decode_stored(service, text)
        except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
            log.warning("record.unreadable", service_id=service, reason=in_a_line(error))
    return found


def filled(said: Any, store_format: int) -> dict[str, Any]:  # noqa: ANN401 - a commit or a conclusion
    """For a script: the fields by name, without those that are empty.

    Records, outcomes and dead letters are as they are stored. Empty fields are
    left out: most are empty, and Lua would make a table of each.
    """
    document = {name: value for name in said.__match_args__ if (value := getattr(said, name))}
    if said.outcomes:
        document["outcomes"] = [
            {"key": outcome.key, "feed": outcome.feed() or False, "text": outcome.to_json()}
            for outcome in said.outcomes
        ]
    if said.dead_letters:
        document["dead_letters"] = [
            {"id": letter.id, "text": letter.to_json(), "group": letter.group}
            for letter in said.dead_letters
        ]
    if said.record is not None:
        document["record"] = record_to_json(said.record, store_format)
    return document


def commit_document(commit: ServiceCommit, store_format: int) -> dict[str, Any]:
    """A `ServiceCommit` for `commit.lua`, as `filled` has it.

    `routers` (placements of the record) and `is_cancelled` come with the record. Empty
    `service_id`, `generation` and `due_ms` mean something.
    """
    document = filled(commit, store_format)
    document |= {"service_id": commit.service_id, "generation": commit.generation}
    if commit.due_ms is not None:
        document["due_ms"] = commit.due_ms
    if commit.claims:
        claims = {router: sorted(claims) for router, claims in commit.claims.items()}
        document["claims"] = claims
    if commit.events:
        document["events"] = [_event_document(event) for event in commit.events]
    if commit.cut is not None:
        document["cut"] = _cut_document(commit.cut)
    if commit.record is not None:
        document["routers"] = list(commit.record.placements)
        document["is_cancelled"] = commit.record.status == "cancelled"
    return document


def _cut_document(cut: Cut) -> dict[str, Any]:
    if cut.loss is None:
        return {}
    return {
        "router": cut.loss.router,
        "source": cut.source,
        "is_suspension": cut.loss.kind == "suspended",
        "new": cut.new,
        **({} if cut.new else {"stands": sorted(cut.stands)}),
    }


def _event_document(event: EventCommit) -> dict[str, Any]:
    document: dict[str, Any] = {
        "key": event.key,
        "lane": event.lane,
        "count": event.counter or None,
        "in_feed_only": event.in_feed_only or None,
        "unlisted": not event.listed or None,
        "refused": event.refused,
        "content_hash": event.content_hash,
    }
    if event.outcome is not None:
        # Events that changed nothing must not push those that did out of the feed.
        if feed := event.outcome.feed(bulk=not event.listed):
            document["feed"] = UNKNOWN_SOURCES if event.unknown_source else feed
        document["outcome"] = event.outcome.to_json()
    return {name: value for name, value in document.items() if value is not None}
