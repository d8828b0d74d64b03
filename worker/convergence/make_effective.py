"""Makes confirmed changes act at once where the router allows it: a step before and one after.

Before the conclusion, tracked connections are removed. If the worker dies, the next pass finds the
service unconcluded and removes them again. After the conclusion, devices are told to renew. If the
worker dies, they are not told: they renew in time anyway.
"""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Final

import structlog

from worker.convergence.batch_item import BatchItem
from worker.convergence.concluder import Concluder
from worker.core.effect.means import (
    SEARCHED_AT_ONCE,
    addresses_to_cut,
    by_family,
    given_up,
    needs_reconfigure,
    sessions_to_end,
)
from worker.core.effect.rungs import Means
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Operation
from worker.core.rows.rows import device_of, parse_tag
from worker.errors import RouterUnreachable
from worker.ports import TrackedConnections
from worker.store.router_memory import SLOW_SEARCH_RESTS_MS

log = structlog.get_logger(__name__)

CUTTING_S: Final = 10.0
"""After this time no further search or removal is begun; the watch does the rest."""
REMOVED_AT_ONCE: Final = 1_000
"""Connections of one removal, after which the time is looked at."""


class MakeEffective:
    """The two steps, for the services of one pass.

    Args:
        policy: of the router.
        concluder: has the lock, and what is known of the router.
        means: that the policy allows there.

    Attributes:
        ends_sessions: devices log in there.
    """

    def __init__(self, policy: RouterPolicy, concluder: Concluder, means: Means) -> None:
        self._means = means
        self._concluder = concluder
        self._store = concluder.store
        self._session = concluder.session
        self._policy = policy
        self.ends_sessions = bool(concluder.kind.sessions)
        self._lock = concluder.lock
        self._router = concluder.lock.router
        self._facts = concluder.effect.facts
        self._rests_until_ms = concluder.no_search_before_ms

    def needs_cut(self, item: BatchItem) -> bool:
        """Return whether connections or a session must end before the service is confirmed."""
        return bool(self._devices(item) or self._addresses(item))

    def _devices(self, item: BatchItem) -> frozenset[str]:
        """The devices whose sessions must end."""
        if not self.ends_sessions:
            return frozenset()
        sent = item.work_item.sent
        found = self._concluder.attempts[item.service_id].found
        return sessions_to_end(
            item.record, item.router, item.entry, self._policy, sent=sent, found=found
        )

    def _addresses(self, item: BatchItem) -> frozenset[str]:
        means = self._means
        return frozenset(
            address
            for at in item.each_alone()
            for address in addresses_to_cut(at.record, item.router, at.entry)
            if (means.cut_ipv6 if ":" in address else means.cut)
        )

    def cut(self, items: Sequence[BatchItem], now_ms: int) -> Mapping[str, str]:
        """End the sessions and remove the tracked connections that the services must not keep.

        Args:
            items: those that need it; their rows are as wanted.
            now_ms: Redis's time.

        Returns:
            Service -> a sentence, where some may go on: bounds were reached, or the router
            refused. The service is confirmed all the same.

        Raises:
            RouterUnreachable: also when the router does not search in time; it rests then.
            LockLost, RouterBlocked: as the lock and the session do.
        """
        return self._end_sessions(items) | self._cut_connections(items, now_ms)

    def end_given_up(
        self, items: Mapping[str, BatchItem], applied: Mapping[str, Sequence[Operation]]
    ) -> None:
        """End the sessions of rows that had to leave their address or name to others.

        Called where devices log in.

        Args:
            items: that were written.
            applied: what the router took, by service.
        """
        devices: dict[str, str] = {}
        for service_id, operations in applied.items():
            item = items[service_id]
            for was in given_up(item.entry, operations):
                rows = (was, item.at.written or {}, item.entry.fields or {})
                devices[next(filter(None, map(device_of, rows)), "")] = service_id
        self._end(devices)

    def _end_sessions(self, items: Sequence[BatchItem]) -> dict[str, str]:
        return self._end(
            {device: item.service_id for item in items for device in self._devices(item)}
        )

    def _end(self, devices: Mapping[str, str]) -> dict[str, str]:
        if not devices:
            return {}
        found = self._session.find_sessions(sorted(devices), self._lock.progress)
        ids = [session.id for session in found]
        refusals = self._session.end_sessions(ids, self._lock.progress) if ids else []
        left = {
            devices[session.device]: f"its session may go on: {refused}"
            for session, refused in zip(found, refusals, strict=True)
            if refused
        }
        log.info("sessions.ended", router=self._router, ended=len(found), refused=len(left))
        return left

    def _cut_connections(self, items: Sequence[BatchItem], now_ms: int) -> dict[str, str]:
        by_service = {item.service_id: self._addresses(item) for item in items}
        addresses = sorted(set().union(*by_service.values()))
        if not addresses:
            return {}
        left = self._cut(addresses, now_ms)
        if left:
            losers = {
                address: service_id
                for service_id, wanted in by_service.items()
                for address in wanted & left.keys()
            }
            self._store.memory.note_left(self._router, losers)
            log.warning(
                "connections.left",
                router=self._router,
                addresses=sorted(left),
                reason=next(iter(left.values())),
                advice="they go on until they end; the watch tries again to remove them",
            )
        return {
            service_id: "; ".join(
                f"connections of {address} may go on: {left[address]}"
                for address in sorted(wanted & left.keys())
            )
            for service_id, wanted in by_service.items()
            if wanted & left.keys()
        }

    def _cut(self, addresses: Sequence[str], now_ms: int) -> Mapping[str, str]:
        """Remove the connections of addresses; returns address -> why some are left."""
        if now_ms < self._rests_until_ms:
            why = "the router did not search its connections in time, and is not asked for a while"
            return dict.fromkeys(addresses, why)
        began = monotonic()
        left: dict[str, str] = {}
        removed = 0
        for family in by_family(addresses):
            for at in range(0, len(family), SEARCHED_AT_ONCE):
                if (at or removed) and monotonic() - began > CUTTING_S:
                    left |= dict.fromkeys(family[at:], "there was no time to search for them")
                    break
                found = self._find(family[at : at + SEARCHED_AT_ONCE], now_ms)
                if found.problem:
                    left |= dict.fromkeys(family[at:], found.problem)
                    break
                ids = list(found.ids)
                done, why = self._remove(ids, began)
                removed += done
                left |= {found.ids[connection_id]: why for connection_id in ids[done:]}
        log.info(
            "connections.cut",
            router=self._router,
            addresses=list(addresses),
            removed=removed,
            elapsed_ms=round((monotonic() - began) * 1000),
        )
        return left

    def _find(self, addresses: Sequence[str], now_ms: int) -> TrackedConnections:
        try:
            return self._session.find_connections(addresses, self._lock.progress)
        except RouterUnreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                self._store.memory.note_slow_search(self._router, now_ms + SLOW_SEARCH_RESTS_MS)
            raise

    def _remove(self, ids: Sequence[str], began: float) -> tuple[int, str]:
        """Remove connections; returns how many were, and why not all."""
        for at in range(0, len(ids), REMOVED_AT_ONCE):
            if monotonic() - began > CUTTING_S:
                return at, f"{len(ids) - at} of {len(ids)} connections were not removed in time"
            part = ids[at : at + REMOVED_AT_ONCE]
            if why := self._session.remove_connections(part, self._lock.progress):
                return at, why
        return len(ids), ""

    def reconfigure(self, items: Sequence[BatchItem], now_ms: int) -> None:
        """Tell the devices of concluded services to renew their leases, once and never again.

        Args:
            items: as they were before the conclusion.
            now_ms: Redis's time.

        Raises:
            RouterUnreachable, RouterBlocked, LockLost: as session and lock do.
        """
        asked = {
            at.entry.member: (at.entry.fields or {})["mac-address"]
            for item in items
            for at in item.each_alone()
            if needs_reconfigure(at.record, self._router, at.entry, self._policy, self._facts)
        }
        if not asked:
            return
        macs = set(asked.values())
        row_ids: dict[str, str] = {}
        found = self._session.reconfigurable(macs, self._lock.progress)
        for comment, row_id in found.items():
            tag = parse_tag(comment)
            if (
                tag is not None
                and tag.installation == self._policy.installation
                and tag.member in asked
            ):
                row_ids[tag.member] = row_id
        reconfigures = self._store.reconfigures
        per_minute = self._policy.reconfigures_per_minute
        allowed = reconfigures.take(self._router, len(row_ids), per_minute, now_ms)
        if allowed < len(row_ids):
            log.warning(
                "reconfigure.limited",
                router=self._router,
                not_sent=len(row_ids) - allowed,
                advice="these devices learn the change when they renew; see "
                "reconfigures_per_minute",
            )
        members = list(row_ids)[:allowed]
        # Noted first: whether a message whose answer is lost was sent, nobody knows.
        reconfigures.note(self._router, dict.fromkeys(members, ""), now_ms)
        refusals = self._session.send_reconfigure(
            [row_ids[member] for member in members], self._lock.progress
        )
        refused = {
            member: refusal for member, refusal in zip(members, refusals, strict=True) if refusal
        }
        reconfigures.note(self._router, refused, now_ms)
        log.info(
            "reconfigure.sent",
            router=self._router,
            service_ids=[member for member in members if member not in refused],
        )
        for member, refusal in refused.items():
            log.warning(
                "reconfigure.refused",
                router=self._router,
                service_id=member,
                reason=refusal,
                advice="the device learns the change when it renews",
            )
