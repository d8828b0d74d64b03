"""What a customer notices of a concluded change, when it acts, and what is watched until then."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from contracts import event_key
from worker.convergence.batch_item import BatchItem
from worker.core.effect.means import kinds_of, with_rate
from worker.core.effect.rungs import ChangeKind, RouterEffect, Trait
from worker.core.effect.watch import OF_GONE_ROW, DeviceChange, EffectWatch
from worker.core.entry.short_lease import is_everywhere, renews_within_s
from worker.core.rows.radius import listed_by
from worker.core.rows.rows import ListPlace
from worker.core.service.outcome import Outcome
from worker.core.service.record import Settled


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
    for at in item.each_alone()[1:]:
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
    if item.short is not None and (renews_s := renews_within_s(item.short, now_ms)):
        fields = {**fields, "lease-time": f"{renews_s}s"}
        everywhere = is_everywhere(item.short, now_ms)
    if kinds[0] == "prefix" and item.entry.bindings:
        binding = item.entry.bindings[0]
        fields = {"life-time": binding.life_time or "", "server": binding.server}
    traits: dict[Trait, bool] = {
        # By a prefix alone the customer is not suspended: its lease decides.
        "listed": any(":" not in at.address for at in (*item.entry.listed, *item.listed)),
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
    return row, item.listed | listed_by(_before(item)) if resumed else frozenset()


def _before(item: BatchItem) -> Mapping[str, str] | None:
    """Its row as it was confirmed last; None: it had none."""
    placement = item.record.placements.get(item.router)
    return with_rate(placement.written, placement.queue) if placement else None
