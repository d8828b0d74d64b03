"""Reads the outcome feeds of sources. Scripts append to them (`lua/_feed.lua`)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.service.outcome import Outcome, feed_name
from worker.store.connection import StorePart
from worker.store.keys import UNKNOWN_SOURCES

KEPT_MS: Final = 30 * 86_400_000
START: Final = "0-0"
"""The cursor before the first item."""


class CursorTooOldError(Exception):
    """Items after the cursor were dropped."""


class FeedItem(NamedTuple):
    """An outcome; its `id` comes after the ids of all earlier items."""

    id: str
    outcome: Outcome


class FeedPage(NamedTuple):
    """Items in order; `cursor`: to read on; `more`: there are more items now."""

    items: list[FeedItem]
    cursor: str
    more: bool


class Feed(StorePart):
    """Reads the feeds of sources as if they were one."""

    def last(self) -> str:
        """The cursor after the last item of all feeds."""
        return self._client.get(self._keys.feed_last) or START

    def read(
        self,
        sources: Sequence[str],
        cursor: str | None,
        most: int,
        *,
        unknown_sources: bool = False,
    ) -> FeedPage:
        """Read on after a cursor; None: from the oldest item.

        `most`: at least one; `unknown_sources`: some of the sources are unknown: read their
        rejections too.

        Raises:
            CursorTooOldError: items after the cursor were dropped; with `unknown_sources` they may
                have been of other sources.
        """
        page = self._page(sources, cursor, most, unknown_sources=unknown_sources)
        while page.more and not page.items:  # all were of other unknown sources
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
        # In one step, so that no item is dropped between the check and the read.
        pipe = self._client.pipeline(transaction=True)
        pipe.get(self._keys.feed_last)
        pipe.hmget(self._keys.feed_gone, feeds)
        for feed in feeds:
            pipe.xrange(feed, min=f"({after}", count=most + 1)
        last, gone, *streams = pipe.execute()
        if cursor and any(position(cursor) < position(left_at or START) for left_at in gone):
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
        # Not the last item's id: the cursor of a quiet source must not grow old.
        return FeedPage(ours, max(last or START, after, key=position), more=False)

    def trim(self, now_ms: int) -> None:
        """Drop items that are too old."""
        self._scripts.run("trim_feeds", now_ms - KEPT_MS)


def position(cursor: str) -> tuple[int, int]:
    """The order of cursors and ids."""
    ms, _, sequence = cursor.partition("-")
    return int(ms), int(sequence)
