"""What a router probably has: the rows that were last written to it and read back.

It stands for a router that does not answer, so that what waits for it can be shown.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import kind_of, possible_kinds
from worker.core.plan.member import wanted_at
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import binding_fields
from worker.core.rows.menus import MENUS
from worker.core.rows.queues import MAY_BE_THERE, QueueRow, queue_fields, queue_name
from worker.core.rows.rows import (
    BINDINGS,
    OPTIONS,
    QUEUES,
    BindingRow,
    Lease,
    ListedAddress,
    MenuPath,
    OptionRow,
    Row,
    comment_for,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.ports import FieldEquals, LeaseQuery
from worker.store.store import Store

_SAMPLE: Final = 20
"""Services by which the menu of the entries is found."""


class LastWritten:
    """Gives the rows of one router as they were last written: a `worker.ports.RowReader`.

    Rows of others, and what a write did whose answer was lost, are not known.

    Args:
        store: the store.
        router: its name.
        policy: of the router, as the inventory has it.
        services: the records of which rows are given; None: all that the router may have.

    Attributes:
        policy: the same, as held in the menu that was probably written.
        rows: all of them.
    """

    def __init__(
        self,
        store: Store,
        router: str,
        policy: RouterPolicy,
        services: Sequence[ServiceRecord] | None = None,
    ) -> None:
        self._store = store
        self._router = router
        if services is None:
            stored = store.views.router_services(router, readable=True)
            services = [found.record for found in stored]
        self.policy = self._held_in(services, policy)
        self.rows = list(self._read(services))

    def lacking(self, menu: MenuPath, names: Collection[str]) -> Sequence[str]:
        """Nothing: the router's version is not known."""
        del menu, names
        return ()

    def renewed(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """The same: what was written last has the seals of the records."""
        return fields

    def read_setup(self, *, fresh: bool) -> DhcpSetup:
        """The DHCP setup as it was last remembered."""
        del fresh
        return self._store.memory.setup(self._router)

    def read_ipv6_setup(self, *, fresh: bool) -> Ipv6Setup:
        """Nothing: it is not remembered."""
        del fresh
        return Ipv6Setup()

    def read_leases(self, query: LeaseQuery | None, progress: Callable[[], None]) -> list[Lease]:
        """All leases of ours."""
        del query, progress
        return [row for row in self.rows if isinstance(row, Lease)]

    def read_rows(
        self, menu: MenuPath, terms: Sequence[FieldEquals] | None, progress: Callable[[], None]
    ) -> list[Row]:
        """All rows of ours in a menu."""
        del terms, progress
        return [row for row in self.rows if row.menu == menu]

    def _held_in(self, services: Sequence[ServiceRecord], policy: RouterPolicy) -> RouterPolicy:
        """Settle `entries = "auto"` by the fields that were written: a session would ask for it."""
        placed = ((record, record.placements.get(self._router)) for record in services)
        written = [record for record, placement in placed if placement and placement.written]
        kinds = reversed(possible_kinds(policy.entries))  # leases, where nothing tells
        policies = [policy.held_in(kind.name) for kind in kinds]
        sample = written[:_SAMPLE]
        return max(policies, key=lambda held_in: sum(self._fits(r, held_in) for r in sample))

    def _fits(self, record: ServiceRecord, policy: RouterPolicy) -> bool:
        wanted = wanted_at(self._router, record, policy)
        fields = wanted.entry.fields
        return bool(wanted.written and fields and wanted.written.keys() == fields.keys())

    def _read(self, services: Sequence[ServiceRecord]) -> Iterator[Row]:
        options: dict[str, Row] = {}
        number = 0
        for record in services:
            for row in self._rows_of(record, options):
                number += 1
                yield _numbered(row, number)
        yield from options.values()

    def _rows_of(self, record: ServiceRecord, options: dict[str, Row]) -> Iterator[Row]:
        placement = record.placements.get(self._router, Placement(None))
        entry = wanted_at(self._router, record, self.policy).entry
        comment = comment_for(self.policy.installation, record.service_id, entry.label)
        yield from self._leases_of(placement, entry, options)
        for number, at in placement.devices.items():
            device = entry.devices.get(number, Entry(record.service_id, None, number=number))
            yield from self._leases_of(at, device, options)
        for own in placement.bindings:
            if own.is_known:
                yield BindingRow("", {**MENUS[BINDINGS].defaults, **binding_fields(own)}, comment)
        if placement.queue is not None and placement.queue != MAY_BE_THERE:
            name = queue_name(self.policy.installation, record.service_id)
            fields = {**MENUS[QUEUES].defaults, **queue_fields(placement.queue, name)}
            yield QueueRow("", fields, comment)

    def _leases_of(
        self, at: Placement, entry: Entry, options: dict[str, Row]
    ) -> Iterator[Lease | ListedAddress]:
        """The rows of one device."""
        comment = comment_for(self.policy.installation, entry.member, entry.label)
        if at.written is not None:
            kind = kind_of(self.policy)
            fields = {**kind.as_lease(kind.menu.defaults), **at.written}
            yield Lease("", fields, comment)
            for name in fields.get("dhcp-option", "").split(","):
                if name in entry.options:  # its name stands for its value
                    known = {**MENUS[OPTIONS].defaults, **entry.options[name]}
                    options[name] = OptionRow(f"*option-{name}", known)
        for place in at.listed:
            yield ListedAddress("", place._asdict(), comment)


def _numbered(row: Row, number: int) -> Row:
    return type(row)(f"*{number:X}", row.fields, row.comment)
