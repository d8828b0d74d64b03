"""One service in a batch of a pass, as it is handed from step to step."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from worker.core.entry.devices import as_service
from worker.core.entry.entry import Entry, placeholders
from worker.core.entry.short_lease import confirmed_short
from worker.core.plan.member import Wanted
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Note, Waiting
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    OPTION_82,
    Identity,
    ListPlace,
    MenuPath,
    Row,
    comment_for,
    device_of,
    is_host_address,
    member_id,
    parse_tag,
    tag_text,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import (
    DEVICE_REGISTERS,
    OF_DEVICES,
    PendingEvent,
    Placement,
)
from worker.ports import LeaseQuery
from worker.store.batches import WorkItem

NOTHING_KNOWN: Final = Placement(None)


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One service in a batch.

    Attributes:
        work_item: as taken.
        router: its name.
        entry: what the router should hold for it.
        at: what is known of its rows there; of one for a further device (`further`) of that one's.
        refused: why its entry must not be written: its claims were not granted, or the router
            lacks something; None: it may be.
        warning: what a person should know although the rows are as wanted.
        gives_way: an earlier try failed, and it takes part only so that its row can give way.
        service_id: the service.
        member: what names its rows; of one for a further device not the service's id.
        record: of the service, as taken.
        before: {reason, detail, since_ms, …} if it was not in sync at its last check.
    """

    work_item: WorkItem
    router: str
    entry: Entry
    at: Placement = NOTHING_KNOWN
    refused: Waiting | None = None
    warning: Note | None = None
    gives_way: bool = False
    service_id: str = field(init=False)
    member: str = field(init=False)
    record: ServiceRecord = field(init=False)
    before: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Read the attributes that come with the work item."""
        for name, value in (
            ("service_id", self.work_item.service_id),
            ("member", self.entry.member if self.entry.number else self.work_item.service_id),
            ("record", self.work_item.stored.record),
            ("before", self.work_item.before or {}),
        ):
            object.__setattr__(self, name, value)

    @property
    def is_unknown(self) -> bool:
        """Whether no row of it is known, and no write in flight."""
        return self.work_item.sent is None and self._is_blank

    @property
    def may_have_unknown_rows(self) -> bool:
        """Whether Redis may have lost what was written for it: `with_unknown_rows` asks the rest.

        What it still knows of a service may be what it had before an event that is sent again.
        """
        if self.work_item.sent is not None:
            return False
        return self.work_item.sent_again or (self._is_blank and self.entry.is_over)

    @property
    def is_lost(self) -> bool:
        """Whether it is looked at closely, and may have any row: none of it was confirmed.

        So it is of one that comes when events are sent again that Redis lost.
        """
        at = self.record.placements.get(self.router)
        is_new = at is None or at.written is None
        return self.work_item.sent is not None and (is_new or self.work_item.sent_again)

    @property
    def _is_blank(self) -> bool:
        at = self.record.placements.get(self.router)
        return at is None or (at.written is None and at.is_blank)

    def closely(self) -> "BatchItem":
        """The same, read as if writes were in flight: it may have rows that no record knows."""
        return replace(self, work_item=self.work_item._replace(sent=frozenset()))

    @property
    def may_have(self) -> list[Identity]:
        """What rows may have that no record knows: those that were added, and one that was adopted.

        A person's text behind the tag hides that from who looks for the tag alone.
        """
        sent, record = self.work_item.sent, self.record
        if sent is None or self.entry.fields or self.entry.number:
            return [*(sent or ())]
        devices = filter(None, map(record.device_in, DEVICE_FIELDS))
        return [*sent, *(Identity(device, record.address or "", "") for device in devices)]

    @property
    def forgotten(self) -> list[str]:
        """Its further devices, if some may have rows that no record knows any more."""
        closely = self.work_item.sent is not None
        had_some = self.is_lost or (closely and not OF_DEVICES.isdisjoint(self.record.registers))
        numbers = DEVICE_REGISTERS if had_some else ()
        return [member_id(self.service_id, number) for number in numbers]

    @property
    def needs_order(self) -> bool:
        """Whether more of a queue than its rate may be wrong, or it may be added or removed."""
        wanted, known = self.entry.queue, self.at.queue
        if self.entry.fields is None or (wanted is None and (known is None or self.is_lost)):
            return False
        if wanted is None or known is None or self.work_item.sent is not None:
            return True
        return wanted._replace(rate="") != known._replace(rate="")

    @property
    def may_have_ipv6(self) -> bool:
        """Whether a row of it may be in a menu of IPv6."""
        return bool(self.entry.bindings or self.at.bindings or self.sent6 or self.listed6)

    @property
    def sent6(self) -> set[str]:
        """The prefixes in rows that were added and may land late (`added_rows`)."""
        return {added.address for added in self.work_item.sent or () if ":" in added.address}

    @property
    def listed6(self) -> set[str]:
        """The prefixes that stand in address lists, or should."""
        return {at.address for at in self.at.listed | self.entry.listed if ":" in at.address}

    @property
    def pending(self) -> tuple[PendingEvent, ...]:
        """The pending events that depend on the router; none if it must only be cleaned."""
        return self.record.pending if self.record.wanted_router in (None, self.router) else ()

    def further(self) -> "list[BatchItem]":
        """The same for each further device, as an item of its own."""
        missing = self.entry.missing if self.gives_way else None
        return [
            replace(
                self,
                entry=replace(entry, missing=missing or entry.missing),
                at=self.at.devices.get(number, NOTHING_KNOWN),
            )
            for number, entry in self.entry.devices.items()
        ]

    def each_alone(self) -> "list[BatchItem]":
        """An item for each device, with the record as if it were of that one alone."""
        items, stored = [self], self.work_item.stored
        for at in self.further():
            record = as_service(stored.record, at.entry.number)
            work_item = self.work_item._replace(stored=stored._replace(record=record))
            items.append(replace(at, work_item=work_item))
        return items

    def devices_as_read(
        self, listed: Mapping[str, frozenset[ListPlace]]
    ) -> Mapping[str, Placement]:
        """The placements of its further devices whose rows are as wanted now."""
        return {
            number: Placement(entry.fields, listed.get(entry.member, frozenset()))
            for number, entry in self.entry.devices.items()
            if not entry.is_over
        }

    def wanted(self) -> Wanted:
        """What the planner takes, without further devices."""
        return Wanted(
            replace(self.entry, devices={}) if self.entry.devices else self.entry,
            written=self.at.written,
            granted=self.refused is None,
            refused_because=self.refused,
            listed=self.at.listed,
            sent=self.work_item.sent or frozenset(),
            bindings=self.at.bindings,
        )


@dataclass(slots=True)
class Attempts:
    """What a batch tried for one service.

    Attributes:
        stale: reads in a row that were old when their write arrived.
        writes: rounds in which something was written.
        wrote: the operations that the router confirmed, described.
        touched: their menus.
        added: leases and rows of IPv6 that were sent to be added.
        found: of its changed and removed rows, what they were before.
        changed: the service changed before that was concluded: its next conclusion says it.
    """

    stale: int = 0
    writes: int = 0
    wrote: list[str] = field(default_factory=list)
    touched: set[MenuPath] = field(default_factory=set)
    added: list[Identity] = field(default_factory=list)
    found: list[Mapping[str, str]] = field(default_factory=list)
    changed: bool = False


def bare_item(work_item: WorkItem, router: str) -> BatchItem:
    """An item of which no entry is needed, as nothing is written for it."""
    return BatchItem(work_item, router, Entry(work_item.service_id, None))


def with_unknown_rows(
    items: Iterable[BatchItem], rows: Iterable[Row], installation: str
) -> set[str]:
    """Return services of which no row is known, but with rows that have their tags.

    Redis lost what it had of them, and there may be more.
    """
    tags = {parse_tag(row.comment) for row in rows}
    named = {tag.service_id for tag in tags if tag and tag.installation == installation}
    return {item.service_id for item in items if item.service_id in named and item.is_unknown}


def placements_after(
    item: BatchItem,
    listed: Mapping[str, frozenset[ListPlace]],
    now_ms: int,
    bindings: tuple[OwnBinding, ...] = (),
) -> dict[str, Placement]:
    """The placements of a service whose rows on a router are as wanted now."""
    placements = dict(item.record.placements)
    if item.entry.is_over:
        placements.pop(item.router, None)
    elif item.router in placements:
        placements[item.router] = Placement(
            _kept_fields(item.entry),
            listed.get(item.service_id, frozenset()),
            now_ms,
            None if item.at.short is None else confirmed_short(item.at.short, now_ms),
            item.entry.queue,
            bindings,
            item.devices_as_read(listed) if item.entry.devices else {},
        )
    return placements


def _kept_fields(entry: Entry) -> Mapping[str, str] | None:
    """The fields of a row that stay ours: what was put back for others is theirs again."""
    if entry.fields is None or not entry.spares:
        return entry.fields
    return {name: value for name, value in entry.fields.items() if name not in entry.spares}


def lease_query(items: Collection[BatchItem], installation: str, device: str) -> LeaseQuery:
    """Return what finds the leases with what services want, what was last written, or their tags.

    Args:
        items: the services.
        installation: ours.
        device: the field that names devices at the router.
    """
    unsure = [(item, item.may_have, item.forgotten) for item in items]
    # In order: first what each service wants, as rows mostly have it, then what else may be.
    devices: dict[str, None] = {}
    addresses: dict[str, None] = {}
    comments: dict[str, None] = {}
    for item in items:
        fields = item.entry.fields or item.at.written
        if fields is not None:
            devices[device_of(fields)] = addresses[fields["address"]] = None
        comments[comment_for(installation, item.member, item.entry.label)] = None
    for item, places, forgotten in unsure:
        if (written := item.at.written) is not None:
            devices[device_of(written)] = addresses[written["address"]] = None
        devices.update((place.device, None) for place in places if place.device)
        addresses.update((row.address, None) for row in places if is_host_address(row.address))
        comments[tag_text(installation, item.member)] = None
        for name in forgotten:
            comments[tag_text(installation, name)] = None
            comments[comment_for(installation, name, item.entry.label)] = None
        # A row that a crash left between two writes, should its comment have been edited.
        named = item.entry.fields or item.at.written or {device: ""}
        has_ids = bool(item.record.device_in(OPTION_82))
        devices.update(dict.fromkeys(placeholders(named, item.member, has_ids=has_ids)))
    return LeaseQuery(devices.keys(), addresses.keys(), comments.keys())
