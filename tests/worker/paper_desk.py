"""An intake desk on paper: what folding makes of events and of time, without a store."""

from datetime import UTC, datetime

from tests.builders import SOURCE
from tests.worker.desk import POLICIES, SOURCES
from worker.core.service.history import line_from_json
from worker.core.service.record import ServiceRecord
from worker.intake.checks import CheckedEvent, check, key_of
from worker.intake.folding import Folding
from worker.store.journal import JournalEntry
from worker.store.records import Stored

NOON = 1_795_521_600_000
"""The time at which events arrive, in milliseconds: 2026-11-24 12:00 UTC."""


def at(ms):
    """A moment as events write it; milliseconds after noon."""
    return datetime.fromtimestamp((NOON + ms) / 1000, UTC).isoformat()


class PaperDesk:
    """One service; `now_ms` is Redis's time and only goes where a test sets it."""

    def __init__(self, sources=SOURCES, service_id="SVC-1"):
        self.sources = sources
        self.now_ms = NOON
        self.stored = Stored(0, ServiceRecord(service_id))
        self.seen = {}
        self.outcomes = {}
        self.commits = []

    def send(self, *raws):
        """Events of one message."""
        folding = Folding(self.stored, POLICIES, self.now_ms)
        self._commit(folding.fold(self.checked(raws), self.seen))

    def checked(self, raws):
        """The events as the checks of the intake pass them on."""
        checked = []
        for raw in raws:
            found = check(JournalEntry(key_of(raw), raw), self.sources, self.now_ms)
            assert isinstance(found, CheckedEvent), found
            checked.append(found)
        return checked

    def release(self, now_ms=None):
        """What the sweep does at a time."""
        if now_ms is not None:
            self.now_ms = now_ms
        self._commit(Folding(self.stored, POLICIES, self.now_ms).release())

    def forget_seen(self):
        """As after 40 days."""
        self.seen.clear()

    def _commit(self, draft):
        commit = draft.commit()
        self.commits.append(commit)
        if commit.record is not None:
            self.stored = Stored(self.stored.generation + 1, commit.record)
        for event in commit.events:
            if event.outcome is not None:
                self.outcomes[event.key] = event.outcome
            if event.content_hash is not None:
                self.seen[event.key] = event.content_hash
        self.outcomes |= {each.key: each for each in commit.outcomes}

    @property
    def record(self):
        return self.stored.record

    @property
    def values(self):
        """Register -> what it holds."""
        return {name: register.value for name, register in self.record.registers.items()}

    @property
    def pending(self):
        """Ids of the scheduled events, in their order."""
        return [each.event.id for each in self.record.schedule.pending]

    def ended(self):
        """Id -> (how, by) of those that no longer wait."""
        return {each.event_id: (each.how, each.by) for each in self.record.schedule.ended}

    def state(self, raw):
        """`state` or `state: reason` of an event's outcome."""
        said = self.outcomes[key_of(raw)]
        return f"{said.state}: {said.reason}" if said.reason else said.state

    def detail(self, raw):
        return self.outcomes[key_of(raw)].detail

    def history(self):
        """What happened, in order."""
        return [line_from_json(line)["what"] for commit in self.commits for line in commit.lines]


__all__ = ["NOON", "SOURCE", "PaperDesk", "at"]
