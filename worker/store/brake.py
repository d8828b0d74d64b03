"""What the brake holds, what people announced to it, and what they decide.

Counting and holding happen in the commit (`lua/_brake.lua`): nothing is held or let go between.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import redis

from worker.core.service.history import line_to_json
from worker.core.storage_format import known_part
from worker.store.keys import Keys
from worker.store.records import new_work_version
from worker.store.scripts import Scripts


class HeldWorkItem(NamedTuple):
    """One mark that the brake holds.

    Attributes:
        service_id: of the service.
        router: where its working entry would go away.
        hold: the limit that was passed: `router:NAME` or `source:URI`.
        source: of the event that would take the entry away.
        at_ms: since when.
        text: as it is kept; whatever is said of the service changes it.
    """

    service_id: str
    router: str
    hold: str
    source: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Expected:
    """Losses that a person announced: they are neither counted nor held.

    Attributes:
        hold: whose: `router:NAME` or `source:URI`.
        services: how many.
        used: of them came so far.
        from_ms: from when on.
        until_ms: until when.
        by: who announced them.
        reason: why.
    """

    hold: str
    services: int
    used: int
    from_ms: int
    until_ms: int
    by: str
    reason: str = ""


class Brake:
    """The store's side of `leasewire brake`."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def held(self) -> list[HeldWorkItem]:
        """All that is held, by hold, router and service."""
        raw = cast("dict[str, str]", self._client.hgetall(self._keys.braked))
        return sorted(_work_item(field, text) for field, text in raw.items())

    def holds(self) -> dict[str, int]:
        """How many marks each limit holds."""
        found: dict[str, int] = {}
        for work_item in self.held():
            found[work_item.hold] = found.get(work_item.hold, 0) + 1
        return found

    def held_at(self, router: str, service_ids: Collection[str]) -> dict[str, HeldWorkItem]:
        """Those of the services whose marks are held at a router."""
        if not service_ids:
            return {}
        fields = [f"{service}@{router}" for service in service_ids]
        texts = cast("list[str | None]", self._client.hmget(self._keys.braked, fields))
        work_items = (
            _work_item(field, text) for field, text in zip(fields, texts, strict=True) if text
        )
        return {work_item.service_id: work_item for work_item in work_items}

    def approve(self, hold: str, work_items: Sequence[HeldWorkItem], by: str, now_ms: int) -> bool:
        """Let all marks of a hold through.

        Args:
            hold: the limit.
            work_items: all that it holds, as they were shown.
            by: the person who approves.
            now_ms: Redis's time.

        Returns:
            False when the list has changed meanwhile: nothing is let through.
        """
        scope, _, name = hold.partition(":")
        sources = {name} if scope == "source" else {work_item.source for work_item in work_items}
        line = {"actor": by, "hold": hold}
        action = {"at_ms": now_ms, "what": "brake approved", "by": by, "hold": hold}
        order: dict[str, Any] = {
            "hold": hold,
            "action": json.dumps(action | {"services": len(work_items)}),
            "stamp": new_work_version(),
            "sources": sorted(sources),
            "work_items": [
                {
                    "field": f"{work_item.service_id}@{work_item.router}",
                    "text": work_item.text,
                    "service": work_item.service_id,
                    "router": work_item.router,
                    "line": line_to_json(
                        now_ms, "brake-approved", line | {"router": work_item.router}
                    ),
                }
                for work_item in work_items
            ],
        }
        return bool(self._scripts.run("approve_brake", json.dumps(order)))

    def note_rejected(self, hold: str, services: int, by: str, now_ms: int) -> None:
        """Keep among the actions that a person rejected what a limit holds."""
        action = {"at_ms": now_ms, "what": "brake rejected", "by": by, "hold": hold}
        self._note(action | {"services": services})

    def expect(self, expected: Expected, now_ms: int) -> None:
        """Announce losses; what was announced of the same source or router before ends."""
        self._client.hset(self._keys.expected, expected.hold, json.dumps(asdict(expected)))
        action = {"at_ms": now_ms, "what": "brake expects", "by": expected.by}
        self._note(action | {"hold": expected.hold, "services": expected.services})

    def expected(self, now_ms: int) -> list[Expected]:
        """What is announced, and not over."""
        raw = cast("dict[str, str]", self._client.hgetall(self._keys.expected))
        found = sorted(
            (known_part(Expected, json.loads(text)) for text in raw.values()), key=_by_hold
        )
        over = [each.hold for each in found if each.until_ms <= now_ms]
        if over:
            self._client.hdel(self._keys.expected, *over)
        return [each for each in found if each.until_ms > now_ms]

    def _note(self, action: dict[str, object]) -> None:
        pipe = self._client.pipeline()
        pipe.lpush(self._keys.actions, json.dumps(action))
        pipe.ltrim(self._keys.actions, 0, 499)
        pipe.execute()


def _by_hold(expected: Expected) -> str:
    return expected.hold


def _work_item(field: str, text: str) -> HeldWorkItem:
    service_id, _, router = field.partition("@")
    entry = json.loads(text)
    return HeldWorkItem(
        service_id, router, entry["hold"], entry["source"], int(entry["at_ms"]), text
    )
