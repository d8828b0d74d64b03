"""The brake: what it holds, what people announce and decide.

Counting and holding happen in the commit (`lua/_brake.lua`), in one step with the record.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from worker.core.service.history import line_to_json
from worker.core.storage_format import known_part, rfc3339
from worker.store.audit import AuditEntry, add_entry
from worker.store.connection import StorePart, new_work_version


class HeldWorkItem(NamedTuple):
    """One work item that the brake holds, since `at_ms`.

    `router`: where its working entry would go away; `scope`: the limit that was passed:
    `router:NAME` or `source:URI`; `source`: of the event that would remove the entry; `text`: as it
    is stored; every commit of the service changes it.
    """

    service_id: str
    router: str
    scope: str
    source: str
    at_ms: int
    text: str

    @property
    def field(self) -> str:
        """Its field in Redis."""
        return f"{self.service_id}@{self.router}"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Losses that a person announced: they are neither counted nor held.

    `scope`: whose: `router:NAME` or `source:URI`; `services`: how many; `used`: how many of them
    came so far.
    """

    scope: str
    services: int
    used: int
    from_ms: int
    until_ms: int
    by: str
    reason: str = ""


class Brake(StorePart):
    """The store's side of `leasewire brake`."""

    def texts(self) -> dict[str, str]:
        """All held work items as they are stored, for `held_work_item`."""
        return self._client.hgetall(self._keys.braked)

    def held(self) -> list[HeldWorkItem]:
        """All held work items, by scope, router and service."""
        return sorted(held_work_item(field, text) for field, text in self.texts().items())

    def approvals(self) -> dict[str, int]:
        """Scope -> how many work items it holds."""
        return Counter(work_item.scope for work_item in self.held())

    def held_at(self, router: str, service_ids: Collection[str]) -> dict[str, HeldWorkItem]:
        """Those of the services whose work items are held at a router."""
        fields = [f"{service}@{router}" for service in service_ids]
        held = self._fields(self._keys.braked, fields)
        return {name.partition("@")[0]: held_work_item(name, text) for name, text in held.items()}

    def approve(
        self,
        scope: str,
        work_items: Sequence[HeldWorkItem],
        by: str,
        now_ms: int,
        reason: str = "",
    ) -> bool:
        """Approve a scope's work items as they were shown; False: they changed, and none is."""
        kind, _, name = scope.partition(":")
        sources = {name} if kind == "source" else {work_item.source for work_item in work_items}
        line = {"actor": by, "scope": scope} | ({"reason": reason} if reason else {})
        detail = of_services(len(work_items), reason)
        entry = AuditEntry(now_ms, by, "brake.approved", scope, detail)
        order: dict[str, Any] = {
            "scope": scope,
            "action": entry.to_text(),
            "work_version": new_work_version(),
            "sources": sorted(sources),
            "work_items": [
                {
                    "field": work_item.field,
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

    def announce(self, announced: Announcement, now_ms: int) -> None:
        """Announce losses; replaces an earlier announcement of the same scope."""
        detail = f"{announced.services} services until {rfc3339(announced.until_ms)}"
        if announced.reason:
            detail = f"{detail}: {announced.reason}"
        entry = AuditEntry(now_ms, announced.by, "brake.announced", announced.scope, detail)
        with self._client.pipeline() as pipe:
            pipe.hset(self._keys.announced, announced.scope, json.dumps(asdict(announced)))
            add_entry(pipe, self._keys.audit, entry)
            pipe.execute()

    def announced(self, now_ms: int) -> list[Announcement]:
        """The announcements that are not over."""
        raw = self._client.hgetall(self._keys.announced)
        found = [known_part(Announcement, json.loads(raw[scope])) for scope in sorted(raw)]
        over = [announced.scope for announced in found if announced.until_ms <= now_ms]
        if over:
            self._client.hdel(self._keys.announced, *over)
        return [announced for announced in found if announced.until_ms > now_ms]


def of_services(number: int, reason: str) -> str:
    """What the audit trail says of a decision on work items."""
    return f"{number} services: {reason}" if reason else f"{number} services"


def held_work_item(field: str, text: str) -> HeldWorkItem:
    """Read a work item as it is stored."""
    service_id, _, router = field.partition("@")
    entry = json.loads(text)
    return HeldWorkItem(
        service_id, router, entry["scope"], entry["source"], int(entry["at_ms"]), text
    )
