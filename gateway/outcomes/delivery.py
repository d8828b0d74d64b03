"""Delivers outcomes to one target: in order if possible, retried for three days, no silent loss.

The outcomes of a target that is down wait in the feed; other targets are not affected. If a target
answers but refuses an outcome, it gets the next ones, and that outcome is retried later. Outcomes
that are not taken for three days are kept for a person.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from gateway.outcomes.deliveries import ASIDE_MOST, Deliveries, TakenOverError, Undelivered
from gateway.outcomes.posting import Poster, PostResult, missed_event
from gateway.outcomes.targets import Target
from gateway.store_failures import STORE_FAILURES
from worker.admin.documents import outcome_cloudevent
from worker.admin.json_fields import utc_time
from worker.store.feed import CursorTooOldError, Feed, FeedItem, position

log = structlog.get_logger()

GIVE_UP_MS: Final = 3 * 86_400_000
"""Long enough for a weekend."""
REST_FIRST_S: Final = 1.0
REST_CAP_S: Final = 300.0
"""A target that is back is found within five minutes."""
AGAIN_S: Final = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 43_200)
"""Waits between the retries of a refused outcome; the last one repeats."""
CHECK_EVERY_S: Final = 0.25
PAGE: Final = 100


@dataclass(slots=True)
class Courier:
    """Delivers to one target.

    Attributes:
        target: the receiver.
        deliveries: its state.
        feed: of outcomes.
        installation: its id.
        clock_ms: gives milliseconds since 1970.
        stopping: set to stop it.
    """

    target: Target
    deliveries: Deliveries
    feed: Feed
    installation: str
    clock_ms: Callable[[], int]
    stopping: asyncio.Event
    _failures: int = 0
    _failing_since: int = 0
    _seen: str = ""
    _new_first: bool = False

    async def run(self) -> None:
        """Deliver until stopped."""
        poster = Poster(self.target)
        notified = False
        try:
            while not self.stopping.is_set():
                try:
                    rest_s = await self._round(poster)
                    notified = False
                except STORE_FAILURES as error:
                    if not notified:
                        log.warning("store.unavailable", task="outcomes", reason=str(error))
                    notified, rest_s = True, REST_FIRST_S
                except TakenOverError:
                    advice = "this process was silent for half a minute; it stands by"
                    log.warning("target.taken_over", target=self.target.name, advice=advice)
                    self._seen, rest_s = "", REST_FIRST_S
                await self._rest(rest_s)
            with suppress(*STORE_FAILURES):  # it expires in half a minute
                await asyncio.to_thread(self.deliveries.let_go)
        finally:
            await poster.close()

    async def _round(self, poster: Poster) -> float:
        """One attempt, or a check for something to deliver; returns how long to rest (s)."""
        if not await asyncio.to_thread(self.deliveries.hold):
            return REST_FIRST_S
        if not self._new_first:
            item = await asyncio.to_thread(self.deliveries.due, self.clock_ms())
            if item is not None:
                self._new_first = True  # a refused outcome must not delay the others
                return await self._retry(poster, item)
        self._new_first = False
        page = await asyncio.to_thread(self._next)
        for feed_item in page:
            rest_s = await self._deliver(poster, feed_item)
            if rest_s or self.stopping.is_set():
                return rest_s
            if not await asyncio.to_thread(self.deliveries.hold):
                return REST_FIRST_S
        return 0 if page else CHECK_EVERY_S

    def _next(self) -> list[FeedItem]:
        """The next items of the feed for this target."""
        last = self.feed.last()
        if last == self._seen:
            return []
        cursor = self.deliveries.cursor(last)
        try:
            page = self.feed.read(self.target.sources, cursor, PAGE).items
        except CursorTooOldError:
            page = self._skip_missed(cursor, last)
        states = self.target.states
        wanted = [item for item in page if not states or item.outcome.state in states]
        if not wanted:
            # None of them is read again.
            self.deliveries.go_on(page[-1].id if page else last)
            self._seen = "" if page else last
        return wanted

    def _skip_missed(self, cursor: str, last: str) -> list[FeedItem]:
        """Continue with the oldest items that are kept, and tell the target that it missed some."""
        now_ms = self.clock_ms()
        page = self.feed.read(self.target.sources, None, PAGE).items
        event = missed_event(cursor, self.installation, utc_time(now_ms) or "")
        onward = _just_before(page[0].id) if page else last
        self.deliveries.set_aside(Undelivered(event, now_ms), now_ms, onward)
        log.error(
            "outcomes.missed",
            target=self.target.name,
            cursor=cursor,
            advice="the target was down for longer than outcomes are kept: the BSS must read state",
        )
        return page

    async def _deliver(self, poster: Poster, feed_item: FeedItem) -> float:
        now_ms, cursor = self.clock_ms(), feed_item.id
        event = outcome_cloudevent(feed_item, self.installation)
        if self._failures and now_ms - position(cursor)[0] > GIVE_UP_MS:
            late = Undelivered(event, now_ms, 1, "the target was down for three days")
            await asyncio.to_thread(self._give_up, late, cursor)
            return 0
        answer = await poster.post(event, now_ms // 1000)
        if answer.verdict == "taken":
            await asyncio.to_thread(self._note_well)
            await asyncio.to_thread(self.deliveries.go_on, cursor, now_ms)
            return 0
        rest_s = await asyncio.to_thread(self._note_failure, answer)
        full = await asyncio.to_thread(self.deliveries.waiting) >= ASIDE_MOST
        if answer.verdict == "refused" and not full:
            tried = Undelivered(event, now_ms, 1, answer.message)
            due_ms = now_ms + _retry_wait_ms(1)
            await asyncio.to_thread(self.deliveries.set_aside, tried, due_ms, cursor)
        return rest_s

    async def _retry(self, poster: Poster, item: Undelivered) -> float:
        now_ms = self.clock_ms()
        answer = await poster.post(item.event, now_ms // 1000)
        if answer.verdict == "taken":
            await asyncio.to_thread(self._note_well)
            await asyncio.to_thread(self.deliveries.taken, item, now_ms)
            return 0
        # A target that refuses one outcome again is well: that outcome has its own waits.
        down = answer.verdict == "down"
        rest_s = await asyncio.to_thread(self._note_failure, answer) if down else REST_FIRST_S
        tried = replace(item, tries=item.tries + 1, message=answer.message)
        if now_ms - item.first_ms > GIVE_UP_MS:
            await asyncio.to_thread(self._give_up, tried, None)
            return rest_s
        due_ms = now_ms + max(_retry_wait_ms(tried.tries), round(rest_s * 1000))
        await asyncio.to_thread(self.deliveries.set_aside, tried, due_ms)
        return rest_s

    def _give_up(self, item: Undelivered, cursor: str | None) -> None:
        self.deliveries.give_up(item, self.clock_ms(), cursor)
        log.error(
            "outcome.undelivered",
            target=self.target.name,
            id=item.id,
            reason=item.message,
            advice=f"`leasewire outcomes failed {self.target.name}`, then `retry`",
        )

    def _note_well(self) -> None:
        if self._failures:
            log.info("target.recovered", target=self.target.name, failures=self._failures)
            self.deliveries.note_well()
        self._failures = 0

    def _note_failure(self, answer: PostResult) -> float:
        """Record a failure; returns how long to rest (s)."""
        now_ms = self.clock_ms()
        if not self._failures:
            self._failing_since = now_ms
            log.warning("target.failing", target=self.target.name, reason=answer.message)
        rest_s = min(REST_FIRST_S * 2.0 ** min(self._failures, 20), REST_CAP_S)
        rest_s = max(rest_s * random.uniform(0.5, 1), answer.rest_s)  # noqa: S311 - no secret
        self._failures += 1
        next_ms = now_ms + round(rest_s * 1000)
        self.deliveries.note_failing(answer.message, self._failing_since, next_ms)
        return rest_s

    async def _rest(self, seconds: float) -> None:
        """Wait, but stop at once when asked to."""
        if seconds <= 0:
            return
        deadline = asyncio.get_running_loop().time() + seconds
        while (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait_for(self.stopping.wait(), min(left_s, 10.0))
            except TimeoutError:
                # Another process that took the target over now would not know that it must rest.
                await self._hold_on()
            else:
                return

    async def _hold_on(self) -> None:
        try:
            await asyncio.to_thread(self.deliveries.hold)
        except STORE_FAILURES:
            return  # the next round reports it


def _just_before(cursor: str) -> str:
    """A cursor after which the item with this id comes first."""
    ms, sequence = position(cursor)
    return f"{ms}-{sequence - 1}" if sequence else f"{ms - 1}-{10**9}"


def _retry_wait_ms(tries: int) -> int:
    seconds = AGAIN_S[min(tries, len(AGAIN_S)) - 1]
    return round(seconds * 1000 * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
