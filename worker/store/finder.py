"""Finds services, events and dead letters by what they name: a MAC address, an address, an id."""

import json
from collections.abc import Collection, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

from contracts import names
from contracts.values import Mac48
from worker.core.diagnosis.facts import Journaled
from worker.core.service.outcome import DeadLetter
from worker.core.storage_format import object_in, to_json
from worker.store.connection import StorePart
from worker.store.views import key_pages

JOURNAL_LOOKED_THROUGH: Final = 50_000
"""Limit of journal entries: behind a longer backlog nobody asks for one event."""
_PAGE: Final = 1_000


class Finder(StorePart):
    """Searches; each method says what it costs."""

    def holders(self, router: str, macs: Collection[str]) -> dict[str, list[str]]:
        """MAC -> the services that have it on a router, each by another DHCP server: one read."""
        found = self._fields(self._keys.router(router).claims, [f"mac:{mac}" for mac in macs])
        texts = {mac: found.get(f"mac:{mac}", "{}") for mac in macs}
        return {
            mac: sorted(service for service, _ in json.loads(text).values())
            for mac, text in texts.items()
        }

    def services_naming(self, text: str) -> list[str]:
        """The services whose record has exactly this value, or a row with it.

        Reads all records: about a second for a hundred thousand.
        """
        prefix, value, found = self._keys.record(""), to_json(text), []
        for page in key_pages(self._client, prefix, _PAGE):
            texts = self._client.mget(page)
            found += [
                key.removeprefix(prefix)
                for key, record in zip(page, texts, strict=True)
                if record and value in record
            ]
        return sorted(found)

    def journaled_naming(
        self, text: str, most: int = JOURNAL_LOOKED_THROUGH
    ) -> list[tuple[str, Journaled]]:
        """Events in a journal that name it, with their service; a MAC in any spelling.

        `text`: a MAC in normal form, an address or an id; `most`: limit of the events of a journal
        that are searched.
        """
        found = []
        for lane in names.LANES:
            journal = self._keys.journal(lane)
            entries = self._client.hscan_iter(journal.body, count=_PAGE)
            for key, body in islice(entries, most):
                event = _event_naming(text, body)
                if event is None:
                    continue
                since_ms = self._client.zscore(journal.due, key)
                entry = Journaled(
                    str(event.get("id", "")), str(event.get("type", "")), int(since_ms or 0)
                )
                data = event.get("data")
                service = data.get("service_id", "") if isinstance(data, dict) else ""
                found.append((str(service), entry))
        return found

    def dead_letters_naming(
        self, text: str, dead_letters: Sequence[DeadLetter]
    ) -> list[DeadLetter]:
        """The dead letters that name it."""
        return [
            dead_letter
            for dead_letter in dead_letters
            if dead_letter.service_id == text or _event_naming(text, dead_letter.body) is not None
        ]


def _event_naming(text: str, body: str) -> dict[str, Any] | None:
    """The event in a text, if one of its values is this one; a MAC counts in any spelling."""
    lower = body.lower()  # every event of a long journal is checked: a mismatch must be cheap
    if text not in body and not any(spelling in lower for spelling in _mac_spellings(text)):
        return None
    event = object_in(body)
    return event if _names(text, event) else None


def _names(text: str, value: object) -> bool:
    match value:
        case str():
            return text in (value, _as_mac(value))
        case dict():
            return any(_names(text, part) for part in value.values())
        case list():
            return any(_names(text, part) for part in value)
        case _:
            return False


@cache
def _mac_spellings(text: str) -> tuple[str, ...]:
    """The spellings of a MAC that the contract allows, in lower case; none if it is no MAC."""
    if _as_mac(text) != text:
        return ()
    digits = text.replace(":", "").lower()
    pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
    quads = [digits[at : at + 4] for at in range(0, 12, 4)]
    return (":".join(pairs), "-".join(pairs), ".".join(quads), "-".join(quads), digits)


def _as_mac(text: str) -> str:
    try:
        return Mac48.parse(text)
    except ValueError:
        return ""
