"""The outcome feeds: what was said of the events of sources, for whoever wants to follow.

Items are appended by the scripts that say something of events (`lua/_feed.lua`); here they are
read.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import redis

from worker.core.service.outcome import Outcome
from worker.store.keys import UNKNOWN_SOURCES, Keys, feed_name
from worker.store.scripts import Scripts

KEPT_MS: Final = 30 * 86_400_000
START: Final = "0-0"
"""The cursor before the first item."""


class CursorTooOldError(Exception):
    """What came after the cursor is not kept any more."""


class FeedItem(NamedTuple):
    """One thing that was said; `id` is later in the order of ids than all that was said before."""

    id: str
    outcome: Outcome


class FeedPage(NamedTuple):
    """Some items in order; `cursor` stands after them: give it to read on. `more`: now, at once."""

    items: list[FeedItem]
    cursor: str
    more: bool


class Feed:
    """Reads the feeds of sources as if they were one."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def last(self) -> str:
        """The cursor after everything that was said so far, whoever's."""
        return cast("str | None", self._client.get(self._keys.feed_last)) or START

    def read(
        self,
        sources: Sequence[str],
        cursor: str | None,
        most: int,
        *,
        unknown_sources: bool = False,
    ) -> FeedPage:
        """Read on.

        Args:
            sources: of whose events.
            cursor: after which; None: from the oldest item that is kept.
            most: items; at least one.
            unknown_sources: nobody knows some of the sources: what was refused for it is read too.

        Raises:
            CursorTooOldError: some items after the cursor are gone; with `unknown_sources` they
                may have been another one's.
        """
        page = self._page(sources, cursor, most, unknown_sources=unknown_sources)
        while page.more and not page.items:  # all were of other strangers
            page = self._page(sources, page.cursor, most, unknown_sources=unknown_sources)
        return page

    def _page(
        self, sources: Sequence[str], cursor: str | None, most: int, *, unknown_sources: bool
    ) -> FeedPage:
        feeds = [
            self._keys.feed(feed_name(each, bulk=bulk))
            for each in sources
            for bulk in (False, True)
        ]
        if unknown_sources:
            feeds.append(self._keys.feed(UNKNOWN_SOURCES))
        after = cursor or START
        # In one step: nothing goes between the look at what went and the reading.
        pipe = self._client.pipeline(transaction=True)
        pipe.get(self._keys.feed_last)
        pipe.hmget(self._keys.feed_gone, feeds)
        for feed in feeds:
            pipe.xrange(feed, min=f"({after}", count=most + 1)
        last, gone, *streams = pipe.execute()
        if cursor and any(position(cursor) < position(each or START) for each in gone):
            raise CursorTooOldError
        found = sorted(
            (
                FeedItem(id_, Outcome.from_json(fields["outcome"]))
                for s in streams
                for id_, fields in s
            ),
            key=lambda item: position(item.id),
        )
        ours = [i for i in found[:most] if not unknown_sources or i.outcome.event.source in sources]
        if len(found) > most:
            return FeedPage(ours, found[most - 1].id, more=True)
        # Not the last item's: the cursor of a source that is quiet must not grow old.
        return FeedPage(ours, max(last or START, after, key=position), more=False)

    def trim(self, now_ms: int) -> None:
        """Let the items go that are too old."""
        self._scripts.run("trim_feeds", now_ms - KEPT_MS)


def position(cursor: str) -> tuple[int, int]:
    """By this cursors and ids are ordered."""
    ms, _, sequence = cursor.partition("-")
    return int(ms), int(sequence)
