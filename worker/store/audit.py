"""The audit trail: what people did, the newest 10,000 entries.

Every write by a person leaves exactly one entry: by a command, by the console, or by an API
key with scope `ops`. What a script changes, it records in the same step (`lua/_audit.lua`).
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

import redis
from redis.client import Pipeline

from worker.core.storage_format import known_part, printable, to_json
from worker.store.connection import PAGE, StorePart

AUDIT_MOST: Final = 10_000
"""Limit of the trail (as in `lua/_audit.lua`)."""
_LONGEST: Final = 1_000
"""Characters of one field that are kept."""
_FIELD: Final = "entry"
_ESCAPE: Final = "\\u"
"""Begins each character of a text that is not ASCII."""


class AuditEntry(NamedTuple):
    """One write by a person.

    Attributes:
        at_ms: when, by Redis's clock.
        by: who: a name, `NAME (console)` or `key ID (NAME)`.
        what: what happened to which kind of thing, such as `router.paused`.
        subject: which thing: a router, a service, a source, …
    """

    at_ms: int
    by: str
    what: str
    subject: str
    detail: str = ""

    @property
    def kind(self) -> str:
        """The kind of thing: `router` of `router.paused`."""
        return self.what.partition(".")[0]

    def to_text(self) -> str:
        """For Redis."""
        at_ms, *fields = self
        return to_json([at_ms, *(printable(field)[:_LONGEST] for field in fields)])

    @classmethod
    def from_text(cls, text: str) -> "AuditEntry":
        """The reverse of `to_text`."""
        return known_part(cls, json.loads(text))


class AuditFilter(NamedTuple):
    """Which entries to read; empty fields match all.

    Attributes:
        by: part of the person's name, in any case.
        kind: `router`, or one thing that happened: `router.paused`.
        subject: part of the subject, in any case.
        from_ms: not earlier.
        until_ms: earlier than this; 0: any time.
    """

    by: str = ""
    kind: str = ""
    subject: str = ""
    from_ms: int = 0
    until_ms: int = 0

    def parts(self) -> list[str]:
        """What the text of an entry that matches has in lower case, if it has no `_ESCAPE`."""
        wanted = (self.by, self.kind, self.subject)
        return [to_json(text.lower())[1:-1] for text in wanted if text.isascii()]

    def matches(self, entry: AuditEntry) -> bool:
        """Whether an entry is one of these."""
        return (
            self.from_ms <= entry.at_ms
            and (not self.until_ms or entry.at_ms < self.until_ms)
            and self.kind in ("", entry.kind, entry.what)
            and self.by.casefold() in entry.by.casefold()
            and self.subject.casefold() in entry.subject.casefold()
        )


EVERYTHING: Final = AuditFilter()


class Audit(StorePart):
    """Records and reads the trail."""

    def record(self, by: str, what: str, subject: str, detail: str = "") -> None:
        """Record a write that no script records."""
        entry = AuditEntry(self.now_ms(), by, what, subject, detail)
        add_entry(self._client, self._keys.audit, entry)

    def entries(self, chosen: AuditFilter = EVERYTHING) -> Iterator[AuditEntry]:
        """The entries that match, newest first, read in pages as they are asked for."""
        before = "+"
        # An id is never earlier than the time of its entry.
        since = chosen.from_ms or "-"
        parts = chosen.parts()
        while page := self._client.xrevrange(self._keys.audit, before, since, count=PAGE):
            before = f"({page[-1][0]}"
            for _, fields in page:
                text = fields[_FIELD].lower()
                # Measured: this halves the time of a filter that few entries pass.
                if _ESCAPE in text or all(part in text for part in parts):
                    entry = AuditEntry.from_text(fields[_FIELD])
                    if chosen.matches(entry):
                        yield entry


def add_entry(client: "redis.Redis | Pipeline", audit: str, entry: AuditEntry) -> None:
    """Add an entry, in a transaction if the client is one; `audit`: the key."""
    client.xadd(audit, {_FIELD: entry.to_text()}, maxlen=AUDIT_MOST, approximate=False)
