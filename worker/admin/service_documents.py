"""JSON documents of services and their history: the same for commands and gateway."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from worker.admin.documents import event_document, scheduled_documents
from worker.admin.json_fields import utc_time, without_empty
from worker.core.entry.short_lease import describe
from worker.core.policy.circuit import RouterState
from worker.core.rows.bindings import OwnBinding, binding_fields
from worker.core.rows.operations import Note, shown
from worker.core.service.outcome import FINAL, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import DEFAULTS, Placement
from worker.store.store import Store
from worker.store.views import RouterLook, ServiceView

Sync = Literal[
    "in_sync", "observed", "observed: differs", "pending", "waiting", "circuit_open", "failed"
]


class SyncStatus(NamedTuple):
    """Whether a router has what a service should have there.

    Attributes:
        sync: `in_sync` (nothing to do), `observed` or `observed: differs` (nothing is written to
            this router; at its last check it had, or had not, what it should), `pending` (a pass
            will check it), `waiting` (blocked for the reason in `why`; rechecked periodically),
            `circuit_open` (the router is unreachable or blocked), `failed` (until the next event).
        why: {reason, detail, since_ms} of the last check that did not end in sync.
    """

    sync: Sync
    why: Mapping[str, Any]


def sync_status(
    state: RouterState,
    why: Mapping[str, Any] | None,
    *,
    queued: bool,
    observed: Placement | None = None,
) -> SyncStatus:
    """The sync status of a service on a router.

    Args:
        state: of the router.
        why: the service's last check there did not end in sync, and this is why.
        queued: the service has a work item there.
        observed: the service's placement, if nothing is written to this router.
    """
    if not queued and not why and observed is not None:
        return SyncStatus("observed" if observed.seen_ms else "observed: differs", {})
    if not queued:
        return SyncStatus("failed" if why else "in_sync", why or {})
    if state.state != "up":
        circuit_open = {"reason": state.cause or state.state, "detail": state.message}
        return SyncStatus("circuit_open", circuit_open | {"since_ms": state.since_ms})
    return SyncStatus("waiting" if why else "pending", why or {})


class ServiceList:
    """Makes the short documents of services; reads each router once for all of them.

    If the services that will be asked for are few, `page` has them: their routers are read at once,
    and only them.
    """

    def __init__(self, store: Store, page: Sequence[ServiceRecord] | None = None) -> None:
        self._store = store
        ids_at: dict[str, list[str]] = {}
        for record in page or ():
            for router in record.placements:
                ids_at.setdefault(router, []).append(record.service_id)
        self._observed = _observed_routers(store, None if page is None else list(ids_at))
        self._looks = store.views.looks_at(ids_at)
        self._setups = store.memory.setups({r.router for r in page or () if r.router})

    def document(self, record: ServiceRecord) -> dict[str, Any]:
        """A service in short."""
        found = [self._status(record, router) for router in record.placements]
        # The status that says most about why a service is not in sync stands for all its routers.
        order: tuple[Sync, ...] = (
            *("failed", "waiting", "circuit_open", "pending"),
            *("observed: differs", "observed", "in_sync"),
        )
        worst = min(found, key=lambda status: order.index(status.sync), default=None)
        note = self._misfit(record)
        return without_empty(
            {
                "service": record.service_id,
                "status": record.status,
                "router": record.router,
                "mac": record.value("mac"),
                "address": _address_text(record),
                "prefix": record.prefix,
                "sync": worst and worst.sync,
                "reason": (worst and worst.why.get("reason")) or (note and note.kind),
                "detail": (worst and worst.why.get("detail")) or (note and note.detail),
            }
        )

    def _misfit(self, record: ServiceRecord) -> Note | None:
        """Why no device can use the address of this active or suspended service."""
        router, address = record.row_router, record.address
        if router is None or address is None or record.status not in ("active", "suspended"):
            return None
        if router not in self._setups:
            self._setups[router] = self._store.memory.setup(router)
        return self._setups[router].misfit(record.service_id, address)

    def _status(self, record: ServiceRecord, router: str) -> SyncStatus:
        if router not in self._looks:
            views = self._store.views
            self._looks[router] = RouterLook(
                views.state(router),
                views.router_waiting(router),
                views.router_queued(router),
            )
        state, waiting, queued = self._looks[router]
        service = record.service_id
        return sync_status(
            state,
            waiting.get(service),
            queued=service in queued,
            observed=record.placements[router] if router in self._observed else None,
        )


def service_document(view: ServiceView, store: Store) -> dict[str, Any]:
    """All that is known of a service."""
    record = view.stored.record
    routers, observed = [], _observed_routers(store, list(record.placements))
    for name, placement in record.placements.items():
        status = sync_status(
            store.views.state(name),
            view.waiting.get(name),
            queued=name in view.queued,
            observed=placement if name in observed else None,
        )
        document = {
            "router": name,
            "wanted": name == record.row_router and record.status in ("active", "suspended"),
            "sync": status.sync,
            "reason": status.why.get("reason"),
            "detail": status.why.get("detail"),
            "since": utc_time(status.why.get("since_ms", 0)),
            "lease": describe(placement.short),
            "written": {n: shown(value) for n, value in (placement.written or {}).items()} or None,
            "bindings": [_binding(own) for own in placement.bindings] or None,
            "devices": {
                number: {name: shown(value) for name, value in (at.written or {}).items()}
                for number, at in placement.devices.items()
            },
        }
        routers.append(without_empty(document))
    scheduled = scheduled_documents(record, store.records.now_ms())
    assigned = record.assigned_values
    return {
        "service": record.service_id,
        "status": record.status,
        "owner": record.owner,
        **({"assigned": dict(assigned)} if assigned else {}),
        "registers": {
            name: {
                "value": _shown(record.registers[name].value),
                "event": record.registers[name].event,
                "revision": record.registers[name].version.revision,
            }
            for name in DEFAULTS
            if name in record.registers
        },
        "routers": routers,
        "pending": [pending.event.id for pending in record.pending],
        "scheduled": [without_empty(_without_ms(document)) for document in scheduled],
        "events": [event_document(outcome) for outcome in view.events],
        "history": [
            {"at": utc_time(entry["at_ms"])} | _without_ms(entry) for entry in view.history
        ],
    }


def _binding(own: OwnBinding) -> dict[str, str]:
    fields = {name: value for name, value in binding_fields(own).items() if value}
    return {"ia-type": own.ia, **fields}


def _shown(value: JsonValue) -> JsonValue:
    """A register's value without what nobody may see."""
    has_password = isinstance(value, dict) and "password" in value
    return {**value, "password": "***"} if isinstance(value, dict) and has_password else value


def _without_ms(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "at_ms"}


def _observed_routers(store: Store, routers: Sequence[str] | None = None) -> frozenset[str]:
    """The routers in observe mode, by the policies that were applied; None: of all routers."""
    policies = store.fleet.policies(routers)
    return frozenset(name for name, applied in policies.items() if applied.observes)


def _address_text(record: ServiceRecord) -> str | None:
    """The address that a service should have, or the pool of the router that it comes from."""
    address = record.address
    return f"pool {address}" if address and record.has_pool else address


class HistoryEntry(NamedTuple):
    """Something that happened to a service or one of its events.

    `at_ms` is in milliseconds since 1970, `what` such as `accepted` or `event applied`.
    """

    at_ms: int
    what: str
    more: dict[str, Any]

    @property
    def key(self) -> str:
        """Names the entry. What a service waits for is recorded every minute but is one entry."""
        repeated = self.what in ("event waiting", "event accepted")
        return json.dumps([0 if repeated else self.at_ms, self.what, self.more])

    def document(self) -> dict[str, Any]:
        """The entry for programs."""
        return without_empty({"at": utc_time(self.at_ms), "what": self.what, **self.more})


def effect_entries(outcome: Outcome) -> list[HistoryEntry]:
    """What was read last of an event's effect, if it was read."""
    if outcome.effect is None:
        return []
    more = {"event": outcome.event.id, "router": outcome.router}
    more |= {"reason": outcome.effect.reason, "detail": outcome.effect.detail}
    what = outcome.effect.state.replace("-", " ")
    return [HistoryEntry(outcome.effect.at_ms, what, without_empty(more))]


def recorded(view: ServiceView) -> list[HistoryEntry]:
    """The recorded history of a service, the newest first."""
    return [
        HistoryEntry(entry.pop("at_ms"), entry.pop("what"), entry)
        for entry in map(dict, view.history)
    ]


def history_of(store: Store, service_id: str) -> list[HistoryEntry]:
    """The history of a service with the latest outcome of each of its events, oldest first."""
    view = store.views.service(service_id, ())
    if view is None:
        return []
    entries = recorded(view)
    for outcome in view.events:
        if outcome.state in FINAL or outcome.reason:  # the history has that it was accepted
            more = {
                "event": outcome.event.id,
                "type": outcome.event.type,
                "router": outcome.router,
                "reason": outcome.reason,
                "detail": outcome.detail,
            }
            what = f"event {outcome.state}"
            entries.append(HistoryEntry(outcome.at_ms, what, without_empty(more)))
        entries += effect_entries(outcome)
    return sorted(entries, key=lambda entry: entry.at_ms)
