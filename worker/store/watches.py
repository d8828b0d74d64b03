"""Changes whose effect is awaited: which to read now, and what was found.

A pass adds them in the step that applies an event (`lua/conclude.lua`).
"""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from worker.core.effect.rungs import EffectiveBy
from worker.core.effect.watch import EffectWatch
from worker.core.service.outcome import EffectReport, Outcome
from worker.store.connection import StorePart

CHECK_MS: Final = 120_000
"""For so long they belong to the worker that took them: reading a router takes less."""
BUCKETS_S: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
"""Upper limits of the histogram of the time from applied to acting."""
HOUR_MS: Final = 3_600_000
_DAY_HOURS: Final = 24
_PAGE: Final = 1_000


class AwaitedEffect(NamedTuple):
    """A change that was taken.

    Attributes:
        member: `service@router`.
        text: the watch as it is kept.
        watch: the same.
        outcomes: of its events that are still known, applied ones; at least one.
    """

    member: str
    text: str
    watch: EffectWatch
    outcomes: Sequence[Outcome]

    @property
    def service_id(self) -> str:
        """The service."""
        return self.member.partition("@")[0]

    @property
    def router(self) -> str:
        """The router."""
        return self.member.partition("@")[2]


class TakenWatches(NamedTuple):
    """Redis's time, and the changes to read."""

    now_ms: int
    awaited: list[AwaitedEffect]


class ReadEffect(NamedTuple):
    """What was found of a change.

    Attributes:
        report: what is new of it; None: nothing is.
        next_ms: when to read it again; 0: never.
        reported: key of what was reported last.
    """

    awaited: AwaitedEffect
    report: EffectReport | None
    next_ms: int
    reported: str = ""


class ActedTimes(NamedTuple):
    """How fast changes of one kind on one rung acted: a histogram.

    Attributes:
        buckets: changes that took at most as long as each of `BUCKETS_S`, and longer; not summed.
        sum_ms: of all.
    """

    buckets: tuple[int, ...]
    sum_ms: int

    @property
    def number(self) -> int:
        """Changes in all."""
        return sum(self.buckets)

    def quantile_s(self, share: float) -> float:
        """Return the time within which this share of the changes acted, as far as buckets tell."""
        if not self.number:
            return 0.0
        rank, before, lower = share * self.number, 0, 0.0
        for upper, number in zip(BUCKETS_S, self.buckets, strict=False):
            if number and before + number >= rank:
                return lower + (upper - lower) * (rank - before) / number
            before, lower = before + number, float(upper)
        return lower


class Watches(StorePart):
    """The list of these changes, and the times that they took."""

    def take(self, most: int) -> TakenWatches:
        """Take those that are due, for `CHECK_MS`."""
        now_ms, *found = self._scripts.run("take_watches", most, CHECK_MS)
        awaited = [
            AwaitedEffect(
                member,
                text,
                EffectWatch.from_text(text),
                [
                    Outcome.from_json(outcome, key)
                    for key, outcome in zip(*[iter(kept)] * 2, strict=True)
                ],
            )
            for member, text, kept in found
        ]
        return TakenWatches(int(now_ms), awaited)

    def report(self, found: Sequence[ReadEffect]) -> None:
        """Store what was found, and report it in the feeds; a newer change is left as it is.

        The outcome of an event stays `applied`, with the report beside it.
        """
        items = [_document(effect) for effect in found]
        if items:
            self._scripts.run("report_effects", json.dumps(items))

    def forget(self, service_id: str) -> None:
        """Read no change of a service any more."""
        watches = self._client.hscan_iter(self._keys.watches, count=_PAGE)
        members = [member for member, _ in watches if member.partition("@")[0] == service_id]
        if members:
            self._client.zrem(self._keys.watches_due, *members)
            self._client.hdel(self._keys.watches, *members)

    def number(self) -> int:
        """How many changes are awaited."""
        return self._client.zcard(self._keys.watches_due)

    def acted(self) -> Mapping[tuple[str, str], ActedTimes]:
        """(kind, rung) -> how fast they acted since the installation began."""
        return _times([self._client.hgetall(self._keys.acted)])

    def acted_lately(self, now_ms: int) -> Mapping[tuple[str, str], ActedTimes]:
        """The same of the last day."""
        hour = now_ms // HOUR_MS
        hours, key = range(hour - _DAY_HOURS + 1, hour + 1), self._keys.acted_in
        found = self._asked(hours, lambda pipe, number: pipe.hgetall(key(number)))
        return _times([hash_ for _, hash_ in found])


def _times(hashes: Sequence[Mapping[str, str]]) -> Mapping[tuple[str, str], ActedTimes]:
    sums: dict[tuple[str, str], list[int]] = {}
    for hash_ in hashes:
        for name, number in hash_.items():
            kind, rung, bucket = name.split("|")
            counts = sums.setdefault((kind, rung), [0] * (len(BUCKETS_S) + 2))
            counts[-1 if bucket == "sum" else int(bucket)] += int(number)
    return {
        what: ActedTimes(tuple(counts[:-1]), counts[-1]) for what, counts in sorted(sums.items())
    }


def _document(found: ReadEffect) -> dict[str, object]:
    """What was found, for `report_effects.lua`."""
    awaited, report, next_ms, reported = found
    watch = awaited.watch
    kept = replace(watch, reported=reported).to_text() if next_ms else ""
    outcomes, counts = [], {}
    if report is not None:
        outcomes = [
            _outcome_document(outcome, report, awaited, watch) for outcome in awaited.outcomes
        ]
        by = EffectiveBy.from_text(watch.by)
        if report.state == "acting" and by is not None:
            bucket = bisect_left(BUCKETS_S, report.after_ms / 1000)
            name = f"{report.kind}|{by.rung}"
            counts = {f"{name}|{bucket}": 1, f"{name}|sum": report.after_ms}
    return {
        "member": awaited.member,
        "service": awaited.service_id,
        "was": awaited.text,
        "kept": kept,
        "next": next_ms,
        "outcomes": outcomes,
        "counts": counts or None,
    }


def _outcome_document(
    applied: Outcome, report: EffectReport, awaited: AwaitedEffect, watch: EffectWatch
) -> dict[str, object]:
    """The outcome for the feed, and the applied one with the report beside it."""
    said = Outcome(
        applied.event,
        applied.service_id,
        report.state,
        report.at_ms,
        report.reason,
        report.detail,
        awaited.router,
        effective_by=watch.by,
        effect=report,
        assigned=applied.assigned,
    )
    # What is left at a router that the service has left is no part of the event's own outcome.
    is_own = applied.router == awaited.router
    return {
        "key": applied.key,
        "applied": applied._replace(effect=report).to_json() if is_own else False,
        "text": said.to_json(),
        "feed": said.feed() or False,
    }
