"""Publishes the rows of a file on the lane for imports, and follows their outcomes.

An event that is published twice is a duplicate, so an import may be interrupted and run again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from contracts import names
from leasewire.answer import Exit, fail
from leasewire.context import Context
from leasewire.progress import Advance, progress_bar
from leasewire.sources.service_file import ServiceFile
from producers.errors import PublishFailed
from producers.transport import CompleteEvent
from worker.admin.file_preview import Effect, FilePreview
from worker.admin.json_fields import utc_time
from worker.core.service.outcome import UNCHANGED, Outcome
from worker.store.imports import Import
from worker.store.store import Store

_AHEAD: Final = 20_000
"""Most rows in the journal: Redis must hold records, not the file."""
_TIME_LIMIT_S: Final = 60.0
"""After this long without a folded row a person should check the workers."""
_CHECK_EVERY_S: Final = 0.05


@dataclass(slots=True)
class ImportResult:
    """What became of the imported rows, by the effects of the preview."""

    counts: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    stalled: bool = False
    published: int = 0


def apply_file(
    context: Context, file: ServiceFile, actor: str, what: str, more: str = ""
) -> ImportResult:
    """Publish the rows of a file on the lane for imports and follow their outcomes.

    Args:
        context: of the command.
        file: the file.
        actor: the person.
        what: of the audit entry: `source.imported` or `source.resynced`.
        more: of the same.
    """
    events, total = file.events(), file.rows
    store = context.store
    store.imports.remember(file.digest, Import(file.as_of_ms, actor, file.source))
    detail = f"{total} rows of {file.path.name} as of {utc_time(file.as_of_ms)}"
    store.audit.record(actor, what, file.source, f"{detail}; {more}" if more else detail)
    done, following, preview = ImportResult(), _Following(store), file_preview(context)
    with progress_bar("importing", total) as advance:
        try:
            for batch in batches(events):
                if not following.wait_until(lambda: following.rows <= _AHEAD, done, advance):
                    done.stalled = True
                    return done
                expected = preview.effects([completed.event for completed in batch])
                file.publisher.write(batch, lane=names.QUEUE_BULK)
                done.published += len(batch)
                following.add({event.key: expected.get(event.key, "changed") for event in batch})
            done.stalled = not following.wait_until(lambda: not following.rows, done, advance)
        except KeyboardInterrupt:
            done.interrupted = True
        except PublishFailed as error:
            fail(error, "Run the same command again to continue.", code=Exit.UNREACHABLE)
    return done


class _Following:
    """Published events whose outcomes are not known yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since_ms = store.records.now_ms()
        self._batches: deque[dict[str, Effect]] = deque()
        self._moved_at = time.monotonic()
        self.rows = 0

    def add(self, expected: dict[str, Effect]) -> None:
        """Follow events; `expected` is their preview just before they were published."""
        self._batches.append(expected)
        self.rows += len(expected)

    def wait_until(self, holds: Callable[[], bool], done: ImportResult, advance: Advance) -> bool:
        """Collect outcomes until the condition holds; False: no more rows are folded."""
        self._moved_at = time.monotonic()
        self._collect(done, advance)
        while not holds():
            if time.monotonic() - self._moved_at > _TIME_LIMIT_S:
                return False
            time.sleep(_CHECK_EVERY_S)
            self._collect(done, advance)
        return True

    def _collect(self, done: ImportResult, advance: Advance) -> None:
        while self._batches and not self._store.journal.holds(
            names.QUEUE_BULK, list(self._batches[0])
        ):
            expected = self._batches.popleft()
            outcomes = self._store.views.outcomes(list(expected))
            found = {outcome.key: outcome for outcome in outcomes}
            done.counts.update(
                _effect(found.get(key), effect, self._since_ms) for key, effect in expected.items()
            )
            self.rows -= len(expected)
            self._moved_at = time.monotonic()
            advance(len(expected))


def file_preview(context: Context) -> FilePreview:
    """The preview of rows under the inventory of this command."""
    inventory = context.inventory
    return FilePreview(context.store, inventory.sources, inventory.policies, inventory.pools)


def _effect(outcome: Outcome | None, expected: Effect, since_ms: int) -> Effect:
    """The effect of a row: that of the preview, unless the outcome says otherwise."""
    if outcome is None:
        return "already_imported"  # so long ago that its outcome was dropped
    match outcome.state:
        case "superseded":
            return "newer"
        case "rejected" | "failed" | "expired":
            return "refused"
        case _ if outcome.event.accepted_at_ms < since_ms:
            return "already_imported"
    if expected in ("newer", "refused"):  # another event came in between
        return "unchanged" if outcome.reason == UNCHANGED else "changed"
    return expected


def batches(events: Iterable[CompleteEvent]) -> Iterator[list[CompleteEvent]]:
    """Events in batches of one message."""
    left = iter(events)
    while batch := list(islice(left, names.MAX_EVENTS_PER_MESSAGE)):
        yield batch
