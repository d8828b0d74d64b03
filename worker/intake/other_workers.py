"""Events that only other workers can fold: of a newer version, or with a newer inventory."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import structlog

from contracts import names
from worker.intake.checks import Checked, NotAccepted, NotYet, check, object_of
from worker.inventory import SourceConfig
from worker.store.journal import JournalEntry
from worker.store.store import Store
from worker.version import installed_version, release_of

log = structlog.get_logger()

NEWER_MS: Final = 1_000
"""For so long an event that only a newer version can fold is left to workers of that version."""
_NOT_UNDERSTOOD: Final = ("unsupported-type", "invalid-event")
KNOWN_ELSEWHERE_MS: Final = 2_000
"""For so long an event of a source that only other workers know is left to them."""


class OtherWorkers:
    """What other workers can do with the events of one take."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_again(
        self,
        entry: JournalEntry,
        why: NotAccepted,
        sources: Mapping[str, SourceConfig],
        now_ms: int,
        own_ms: int,
    ) -> Checked:
        """Leave an event that was not accepted to those who understand it, if there are any.

        Only where no newer version runs, which may know them, its unknown fields are ignored.

        `why`: it was not accepted, strictly read; the others as for `check`.
        """
        if why.reason in _NOT_UNDERSTOOD:
            if self._is_newer_there:
                log.warning("event.left_to_newer", key=entry.key)
                return NotYet(now_ms + NEWER_MS)
            secret = self._store.journal.operators_secret
            return check(entry, sources, now_ms, own_ms, operators_secret=secret)
        if why.reason == "source-not-allowed" and self._is_known(entry):
            log.warning(
                "event.of_a_newer_inventory",
                key=entry.key,
                advice="another worker knows its source: restart this one, too",
            )
            return NotYet(now_ms + KNOWN_ELSEWHERE_MS)
        return why

    @cached_property
    def _is_newer_there(self) -> bool:
        """Whether a worker of a newer version folds events."""
        ours = release_of(installed_version())
        return any(
            sign.alive
            and sign.process.kind == names.QUEUE_EVENTS
            and release_of(sign.process.version) > ours
            for sign in self._store.heartbeats.seen()
        )

    def _is_known(self, entry: JournalEntry) -> bool:
        """Whether a living worker knows the source, as while they are restarted one by one."""
        source = object_of(entry.raw).get("source")
        return isinstance(source, str) and self._store.sources.is_known(source)
