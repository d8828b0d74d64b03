"""Delivers outcomes to one target: in order where it can, for three days, without loss in silence.

A target that is away holds back only its own outcomes, which wait in the feed. One that answers but
does not take an item gets the next ones; that item is tried again later. What was not taken for
three days is kept for a person.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from gateway.outcomes.cloudevent import missed_event
from gateway.outcomes.deliveries import Deliveries, Undelivered
from gateway.outcomes.feed import CursorTooOld, Feed, FeedEvent, just_before
from gateway.outcomes.posting import Answer, Poster
from gateway.outcomes.redis_keys import ASIDE_MOST
from gateway.outcomes.targets import Target

log = structlog.get_logger()

GIVE_UP_MS: Final = 3 * 86_400_000
"""Long enough for a weekend."""
REST_FIRST_S: Final = 1.0
REST_CAP_S: Final = 300.0
"""A target that is back is found within five minutes."""
AGAIN_S: Final = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 43_200)
"""Until an item that was refused is tried again; the last for all that follow."""
CHECK_EVERY_S: Final = 0.25
PAGE: Final = 100


class Courier:
    """One target.

    Args:
        target: where to.
        deliveries: its state.
        feed: what was said.
        installation: whose.
        clock_ms: milliseconds since 1970.
        stopping: set when it is to end.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        target: Target,
        *,
        deliveries: Deliveries,
        feed: Feed,
        installation: str,
        clock_ms: Callable[[], int],
        stopping: asyncio.Event,
    ) -> None:
        self._target = target
        self._deliveries = deliveries
        self._feed = feed
        self._installation = installation
        self._clock_ms = clock_ms
        self._stopping = stopping
        self._token = secrets.token_hex(8)
        self._failures = 0
        self._failing_since = 0
        self._seen = ""
        self._new_first = False

    async def run(self) -> None:
        """Deliver until it is to end."""
        poster = Poster(self._target)
        notified = False
        try:
            while not self._stopping.is_set():
                try:
                    rest_s = await self._round(poster)
                    notified = False
                except self._feed.passing as error:
                    if not notified:
                        log.warning("store.unavailable", task="outcomes", reason=str(error))
                    notified, rest_s = True, REST_FIRST_S
                await self._rest(rest_s)
            with suppress(*self._feed.passing):  # it ends by itself in half a minute
                await asyncio.to_thread(self._deliveries.let_go, self._token)
        finally:
            await poster.close()

    async def _round(self, poster: Poster) -> float:
        """One attempt, or a look for something to deliver; returns how long to rest (s)."""
        if not await asyncio.to_thread(self._deliveries.hold, self._token):
            return REST_FIRST_S
        if not self._new_first:
            item = await asyncio.to_thread(self._deliveries.due, self._clock_ms())
            if item is not None:
                self._new_first = True  # what was refused once must not hold up the rest
                return await self._try_again(poster, item)
        self._new_first = False
        page = await asyncio.to_thread(self._next)
        for each in page:
            rest_s = await self._deliver(poster, each)
            if rest_s or self._stopping.is_set():
                return rest_s
            if not await asyncio.to_thread(self._deliveries.hold, self._token):
                return REST_FIRST_S
        return 0 if page else CHECK_EVERY_S

    def _next(self) -> list[FeedEvent]:
        """The next items of the feed, and what was missed said."""
        last = self._feed.last()
        if last == self._seen:
            return []
        cursor = self._deliveries.cursor(last)
        try:
            page = self._feed.read(self._target.sources, cursor, PAGE)
        except CursorTooOld:
            page = self._begin_anew(cursor, last)
        wanted = [each for each in page if self._wants(each)]
        if not wanted:
            # Nothing for it among them: none is looked at again.
            self._deliveries.go_on(page[-1].cursor if page else last)
            self._seen = "" if page else last
        return wanted

    def _begin_anew(self, cursor: str, last: str) -> list[FeedEvent]:
        """Go on with the oldest items that are kept; the target is told that it missed some."""
        now_ms = self._clock_ms()
        page = self._feed.read(self._target.sources, None, PAGE)
        event = missed_event(cursor, self._installation, _utc(now_ms))
        onward = just_before(page[0].cursor) if page else last
        self._deliveries.set_aside(Undelivered(event, now_ms), now_ms, onward)
        log.error(
            "outcomes.missed",
            target=self._target.name,
            cursor=cursor,
            advice="it was away for longer than outcomes are kept: the BSS must read state",
        )
        return page

    def _wants(self, each: FeedEvent) -> bool:
        states = self._target.states
        return not states or each.event["data"].get("state") in states

    async def _deliver(self, poster: Poster, each: FeedEvent) -> float:
        now_ms = self._clock_ms()
        item = Undelivered(each.event, now_ms)
        if self._failures and now_ms - each.at_ms > GIVE_UP_MS:
            message = "the target was away for three days"
            await asyncio.to_thread(self._give_up, item, message, each.cursor)
            return 0
        answer = await poster.post(each.event, now_ms // 1000)
        if answer.verdict == "taken":
            await asyncio.to_thread(self._well)
            await asyncio.to_thread(self._deliveries.go_on, each.cursor, now_ms)
            return 0
        rest_s = await asyncio.to_thread(self._ill, answer)
        full = await asyncio.to_thread(self._deliveries.waiting) >= ASIDE_MOST
        if answer.verdict == "refused" and not full:
            tried = Undelivered(each.event, now_ms, 1, answer.message)
            due_ms = now_ms + _again_ms(1)
            await asyncio.to_thread(self._deliveries.set_aside, tried, due_ms, each.cursor)
        return rest_s

    async def _try_again(self, poster: Poster, item: Undelivered) -> float:
        now_ms = self._clock_ms()
        answer = await poster.post(item.event, now_ms // 1000)
        if answer.verdict == "taken":
            await asyncio.to_thread(self._well)
            await asyncio.to_thread(self._deliveries.taken, item, now_ms)
            return 0
        # A target that refuses one item anew is well: that item has times of its own.
        away = answer.verdict == "away"
        rest_s = await asyncio.to_thread(self._ill, answer) if away else REST_FIRST_S
        tries = item.tries + 1
        if now_ms - item.first_ms > GIVE_UP_MS:
            await asyncio.to_thread(self._give_up, item, answer.message, None)
            return rest_s
        tried = Undelivered(item.event, item.first_ms, tries, answer.message)
        due_ms = now_ms + max(_again_ms(tries), round(rest_s * 1000))
        await asyncio.to_thread(self._deliveries.set_aside, tried, due_ms)
        return rest_s

    def _give_up(self, item: Undelivered, message: str, cursor: str | None) -> None:
        dead = Undelivered(item.event, item.first_ms, item.tries + 1, message)
        self._deliveries.give_up(dead, self._clock_ms(), cursor)
        log.error(
            "outcome.undelivered",
            target=self._target.name,
            id=item.id,
            reason=message,
            advice=f"`leasewire outcomes failed {self._target.name}`, then `retry`",
        )

    def _well(self) -> None:
        if self._failures:
            log.info("target.recovered", target=self._target.name, failures=self._failures)
            self._deliveries.note_well()
        self._failures = 0

    def _ill(self, answer: Answer) -> float:
        """Note a failure; returns how long to leave the target alone (s)."""
        now_ms = self._clock_ms()
        if not self._failures:
            self._failing_since = now_ms
            log.warning("target.failing", target=self._target.name, reason=answer.message)
        rest_s = min(REST_FIRST_S * 2.0 ** min(self._failures, 20), REST_CAP_S)
        rest_s = max(rest_s * random.uniform(0.5, 1), answer.rest_s)  # noqa: S311 - no secret
        self._failures += 1
        next_ms = now_ms + round(rest_s * 1000)
        self._deliveries.note_failing(answer.message, self._failing_since, next_ms)
        return rest_s

    async def _rest(self, seconds: float) -> None:
        """Wait, but not for longer than it may go on."""
        if seconds <= 0:
            return
        deadline = asyncio.get_running_loop().time() + seconds
        while (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), min(left_s, 10.0))
            except TimeoutError:
                # Held on: whoever takes a target over while it rests would ask it anew.
                await self._hold_on()
            else:
                return

    async def _hold_on(self) -> None:
        try:
            await asyncio.to_thread(self._deliveries.hold, self._token)
        except self._feed.passing:
            return  # the next round says so


def _utc(at_ms: int) -> str:
    """RFC 3339, in UTC."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _again_ms(tries: int) -> int:
    seconds = AGAIN_S[min(tries, len(AGAIN_S)) - 1]
    return round(seconds * 1000 * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
