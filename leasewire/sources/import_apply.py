"""Publishes the rows of a file on the lane for imports, and follows what becomes of them.

What is published twice is a duplicate: it may be interrupted and run again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from contracts import names
from leasewire.context import Context
from leasewire.progress import Advance, progress_bar
from leasewire.sources.service_file import ServiceFile, end
from producers.complete import CompleteEvent
from producers.errors import PublishFailed
from worker.admin.file_preview import Effect, FilePreview
from worker.core.service.outcome import UNCHANGED, Outcome
from worker.store.imports import Import, Imports
from worker.store.store import Store

OUT_OF_REACH: Final = 3
_AHEAD: Final = 20_000
"""Rows in the journal at the most: Redis is to hold records, not the file."""
_TIME_LIMIT_S: Final = 60.0
"""As long no row may be taken in before somebody should look at the workers."""
_CHECK_EVERY_S: Final = 0.05


@dataclass(slots=True)
class Done:
    """What became of the rows that were imported, in the words of the preview."""

    counts: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    stalled: bool = False
    published: int = 0


def apply_events(
    context: Context, file: ServiceFile, events: Iterable[CompleteEvent], actor: str, *, total: int
) -> Done:
    """Publish events on the lane for imports and follow what becomes of them."""
    store = context.store
    imports = Imports(store.client, store.keys)
    imports.remember(file.digest, Import(file.as_of_ms, actor, file.source))
    done, following, desk = Done(), _Following(store), file_preview(context)
    with progress_bar("importing", total) as advance:
        try:
            for batch in batches(events):
                if not following.wait_until(lambda: following.rows <= _AHEAD, done, advance):
                    done.stalled = True
                    return done
                expected = desk.effects([completed.event for completed in batch])
                file.publisher.write(batch, lane=names.QUEUE_BULK)
                done.published += len(batch)
                following.add({each.key: expected.get(each.key, "changed") for each in batch})
            done.stalled = not following.wait_until(lambda: not following.rows, done, advance)
        except KeyboardInterrupt:
            done.interrupted = True
        except PublishFailed as error:
            end(OUT_OF_REACH, str(error), "Run the same command again to go on.")
    return done


class _Following:
    """Events of which it is not known yet what became of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since_ms = store.records.now_ms()
        self._batches: deque[dict[str, Effect]] = deque()
        self._moved_at = time.monotonic()
        self.rows = 0

    def add(self, expected: dict[str, Effect]) -> None:
        """Follow events; what the preview said just before they were published."""
        self._batches.append(expected)
        self.rows += len(expected)

    def wait_until(self, holds: Callable[[], bool], done: Done, advance: Advance) -> bool:
        """Collect what is known until it holds; False: nothing moves any more."""
        self._moved_at = time.monotonic()
        self._collect(done, advance)
        while not holds():
            if time.monotonic() - self._moved_at > _TIME_LIMIT_S:
                return False
            time.sleep(_CHECK_EVERY_S)
            self._collect(done, advance)
        return True

    def _collect(self, done: Done, advance: Advance) -> None:
        while self._batches and not self._store.journal.holds(
            names.QUEUE_BULK, list(self._batches[0])
        ):
            expected = self._batches.popleft()
            found = {each.key: each for each in self._store.views.outcomes(list(expected))}
            done.counts.update(
                _effect(found.get(key), effect, self._since_ms) for key, effect in expected.items()
            )
            self.rows -= len(expected)
            self._moved_at = time.monotonic()
            advance(len(expected))


def file_preview(context: Context) -> FilePreview:
    """What tells of each row what it changes, by the inventory of this command."""
    policies = {name: router.policy for name, router in context.inventory.routers.items()}
    return FilePreview(context.store, context.inventory.sources, policies)


def _effect(outcome: Outcome | None, expected: Effect, since_ms: int) -> Effect:
    """What a row did: as the preview said, but where the outcome says otherwise."""
    if outcome is None:
        return "already_imported"  # so long ago that its outcome is gone
    match outcome.state:
        case "superseded":
            return "newer"
        case "rejected" | "failed" | "expired":
            return "refused"
        case _ if outcome.accepted_at_ms < since_ms:
            return "already_imported"
    if expected in ("newer", "refused"):  # something else came between
        return "unchanged" if outcome.reason == UNCHANGED else "changed"
    return expected


def batches(events: Iterable[CompleteEvent]) -> Iterator[list[CompleteEvent]]:
    """Events, as many at a time as a message holds."""
    left = iter(events)
    while batch := list(islice(left, names.MAX_EVENTS_PER_MESSAGE)):
        yield batch
