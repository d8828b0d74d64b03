"""Confirms a service whose rows are as wanted: its events end.

What a customer notices of that, when it acts, and what is watched until then is found here too.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from contracts.identity import event_key
from worker.convergence.batch_item import BatchItem, placements_after
from worker.core.effect.means import kinds_of, with_rate
from worker.core.effect.rungs import ChangeKind, RouterEffect, Trait
from worker.core.effect.watch import OF_GONE_ROW, DeviceChange, EffectWatch
from worker.core.entry.short_lease import is_everywhere, renews_within_s
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Waiting
from worker.core.rows.radius import listed_by
from worker.core.rows.rows import ListPlace, MenuPath
from worker.core.service.history import line_to_json
from worker.core.service.outcome import UNCHANGED, Outcome
from worker.core.service.record import Settled, cleaned, settle
from worker.core.storage_format import short_type
from worker.store.batches import Conclusion

log = structlog.get_logger(__name__)

SWITCHED_OFF: Final = "disabled-by-hand"
NO_VALUE: Final = ("pool-full", "no-pool", "pool-not-read", "prefix-of-pool", "address-assigned")
"""Why a service has no prefix of a pool: the rest of it is written."""
WARNINGS: Final = frozenset(
    {
        "address-still-used-by",
        SWITCHED_OFF,
        "queue-disabled",
        "queue-shadowed",
        "lease-queue",
        "binding-disabled",
        "ipv6-not-managed",
        "ipv6-client-unknown",
        "ipv6-client-ambiguous",
        "ipv6-client-changed",
        *NO_VALUE,
    }
)
"""Notes of a plan that go into the outcome although the rows are as wanted."""
_INTO_USE: Final = frozenset({"activated", "resumed"})
_NOTHING_KNOWN: Final = RouterEffect()
_NOWHERE: Final[Mapping[str, frozenset[ListPlace]]] = {}


def confirmed(  # noqa: PLR0913 - the parts of a conclusion
    item: BatchItem,
    now_ms: int,
    listed: Mapping[str, frozenset[ListPlace]] = _NOWHERE,
    wrote: Sequence[str] = (),
    touched: Collection[MenuPath] = (),
    *,
    bindings: tuple[OwnBinding, ...] = (),
    effect: RouterEffect = _NOTHING_KNOWN,
    remark: str = "",
) -> Conclusion:
    """Confirm a service whose rows are as wanted, with the outcomes of the events that this ends.

    Args:
        item: the service.
        now_ms: Redis's time.
        listed: what its own rows in address lists say, and those of its further devices
            (`WritePlan.listed`).
        wrote: the operations that the router confirmed, described.
        touched: their menus.
        bindings: its own bindings of DHCPv6 servers, as read.
        effect: what is known of when changes act on this router.
        remark: what a person should know of how the change acts.
    """
    record, warning = item.record, item.warning
    gone = item.entry.is_over
    placements = placements_after(item, listed, now_ms, bindings)
    after, stands_nowhere = cleaned(record._replace(placements=placements), item.router)
    # A service that has an entry here wants this router.
    wanted = record.wanted_router if gone else item.router
    settled: tuple[Settled, ...] = ()
    # A move is applied when the new router confirms; the old one is cleaned afterwards.
    is_cleaned = wanted is None and not placements and not record.unassigned
    if wanted == item.router or is_cleaned:
        after, settled = settle(after)
    assigned = record.assigned_values
    left = sorted(placements.keys() - {item.router}) if wanted else []
    remarks = [warning.detail] if warning else []
    remarks += [remark] if remark else []
    remarks += [f"still to clean on {', '.join(left)}"] if left else []
    # Events that changed nothing, and whose rows were there.
    idle = () if wrote else (end for end in settled if not end.pending.registers)
    unchanged = dict.fromkeys(idle, UNCHANGED)
    noticed = noticed_at(item, settled, effect, now_ms)
    outcomes = [
        Outcome(
            end.pending.event,
            item.service_id,
            end.outcome,
            now_ms,
            reason="" if end.by else warning.kind if warning else unchanged.get(end, ""),
            detail=f"by {end.by}" if end.by else "; ".join(remarks),
            router=item.router,
            effective_by=noticed.by if touched and not end.by else "",
            assigned={} if end.by else assigned,
        )
        for end in settled
    ]
    pairs = zip(settled, outcomes, strict=True)
    changing = [outcome for end, outcome in pairs if end not in unchanged]
    watch = watch_of(item, noticed, changing, now_ms)
    if item.before.get("notified"):
        log.info(
            "service.waiting_ended",
            service_id=item.service_id,
            router=item.router,
            reason=item.before["reason"],
            waited_s=(now_ms - item.before["since_ms"]) // 1000,
        )
    lines = []
    if wrote or len(unchanged) < len(outcomes):
        line = {
            "router": item.router,
            "wrote": wrote,
            "applied": [outcome.event.id for outcome in outcomes if outcome.state == "applied"],
        }
        lines = [line_to_json(now_ms, "removed" if gone else "in sync", line)]
        log.info(
            "service.converged",
            service_id=item.service_id,
            router=item.router,
            operations=len(wrote),
            events=[outcome.event.id for outcome in outcomes],
        )
    return Conclusion(
        item.work_item,
        "confirmed",
        record=after if after != record else None,
        gone=gone,
        outcomes=outcomes,
        lines=lines,
        counts=Counter(end.outcome for end in settled),
        watch=watch,
        quarantine=stands_nowhere,
        may_vacate=item.work_item.vacates or item.work_item.held != item.entry.claims,
    )


def switched_off(item: BatchItem) -> Waiting | None:
    """Why an event that puts a service into use is not applied yet although the fields are right.

    Other events are applied: the row has what they say, and their outcome warns that it is off.
    """
    warning = item.warning
    if warning is None or warning.kind != SWITCHED_OFF:
        return None
    if not any(short_type(event.event.type) in _INTO_USE for event in item.pending):
        return None
    return Waiting(SWITCHED_OFF, f"{warning.detail}: its device gets nothing until it is enabled")


class Noticed(NamedTuple):
    """What a customer notices; without kinds nothing.

    Attributes:
        kinds: of the change at the first device, the gravest first.
        by: when it acts, in short form (`EffectiveBy`); at a further device, if only there.
        devices: what the change is at further devices, by number.
    """

    kinds: tuple[ChangeKind, ...] = ()
    by: str = ""
    devices: Mapping[str, DeviceChange] = {}


def noticed_at(
    item: BatchItem, settled: Sequence[Settled], effect: RouterEffect, now_ms: int
) -> Noticed:
    """Return what the applied events change for the customer at this router, and when that acts.

    Args:
        item: the service.
        settled: its events that end now.
        effect: what is known of when changes act there.
        now_ms: Redis's time.
    """
    registers = {name for end in settled if not end.by for name in end.pending.registers}
    noticed = _at_first(item, registers, effect, now_ms)
    for at in item.each_alone()[1:] if item.entry.devices else ():
        change = _at_first(at, registers, effect, now_ms)
        kinds = change.kinds
        if kinds == ("moved-away",) and item.record.wanted_router == item.router:
            kinds = ("cancelled",)  # the service stays, without this device
        if kinds:
            device = DeviceChange(kinds, *_of_gone(at, kinds))
            devices = {**noticed.devices, at.entry.number: device}
            noticed = noticed._replace(by=noticed.by or change.by, devices=devices)
    return noticed


def _at_first(
    item: BatchItem, registers: Collection[str], effect: RouterEffect, now_ms: int
) -> Noticed:
    before, placement = _before(item), item.record.placements.get(item.router)
    had = placement.bindings if placement else ()
    kinds = kinds_of(item.entry, item.record, before, registers, had)
    if not kinds:
        return Noticed()
    fields = item.entry.fields or item.entry.reserved or before or {}
    everywhere = False
    short = item.at.short
    if short is not None and (renews_s := renews_within_s(short, now_ms)):
        fields = {**fields, "lease-time": f"{renews_s}s"}
        everywhere = is_everywhere(short, now_ms)
    if kinds[0] == "prefix" and item.entry.bindings:
        binding = item.entry.bindings[0]
        fields = {"life-time": binding.life_time or "", "server": binding.server}
    traits: dict[Trait, bool] = {
        # By a prefix alone the customer is not suspended: its lease decides.
        "listed": any(":" not in at.address for at in (*item.entry.listed, *item.at.listed)),
        "shortened": everywhere,
        "own-queue": item.entry.queue is not None or item.entry.shares is not None,
    }
    by = effect.of(kinds[0], fields, [trait for trait, is_so in traits.items() if is_so])
    return Noticed(kinds, by.to_text())


def watch_of(
    item: BatchItem, noticed: Noticed, outcomes: Sequence[Outcome], now_ms: int
) -> EffectWatch | None:
    """Return the change to read until it acts; None: no event asks for that.

    Args:
        item: the service.
        noticed: what the customer notices of it.
        outcomes: of its events that changed something.
        now_ms: Redis's time.
    """
    events = [outcome.event.key for outcome in outcomes if outcome.state == "applied"]
    moved = item.record.registers.get("router")
    if noticed.kinds == ("moved-away",) and moved is not None and item.record.owner:
        events = [event_key(item.record.owner, moved.event)]
    if not ((noticed.kinds or noticed.devices) and events):
        return None
    row, listed = _of_gone(item, noticed.kinds)
    return EffectWatch(
        tuple(events), noticed.kinds, noticed.by, now_ms, row, listed, devices=noticed.devices
    )


def _of_gone(
    item: BatchItem, kinds: Collection[ChangeKind]
) -> tuple[Mapping[str, str], frozenset[ListPlace]]:
    """What the record has no more: the row that is gone, and the list rows that must be."""
    row: Mapping[str, str] = {}
    if item.entry.fields is None:
        was = item.entry.reserved or _before(item) or {}
        row = {name: was[name] for name in OF_GONE_ROW if name in was}
    resumed = "resumed" in kinds
    return row, item.at.listed | listed_by(_before(item)) if resumed else frozenset()


def _before(item: BatchItem) -> Mapping[str, str] | None:
    """Its row as it was confirmed last; None: it had none."""
    placement = item.record.placements.get(item.router)
    return with_rate(placement.written, placement.queue) if placement else None
