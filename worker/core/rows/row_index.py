"""The rows of one read, found by what they hold and by the service that they belong to.

Every list is in the order of the row ids, so that a plan does not depend on the order of the read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Literal

from worker.core.rows.binding_index import BindingIndex
from worker.core.rows.queues import QueueOrder, QueueRow, owner_of
from worker.core.rows.rows import (
    NO_DEVICE,
    OPTION_82,
    BindingRow,
    Identity,
    Lease,
    ListedAddress,
    ListPlace,
    OptionRow,
    Row,
    RowKey,
    Tag,
    is_host_address,
    parse_tag,
    scopes_meet,
)

_Leases = dict[str, list[Lease]]


class RowIndex:
    """Rows by what they hold and by tag: leases, list rows, options, queues and bindings.

    Args:
        rows: of one read, in any order.
        installation: ours.
        duplicates: rows that belong to no service, whatever their tags say.
        unknown: services that do not exist: a tag that names one counts as no tag.
        held: static leases that a device holds now, by row id, each with the device's address;
            None: not read.

    Attributes:
        tagged: static leases with a tag of our installation, by whose they are (`Tag.member`).
        untagged: static leases without a tag, by identity.
        listed: rows of address lists, by place.
        listed_tagged: those with a tag of our installation, by whose they are.
        options: DHCP options, by name.
        queues: simple queues, in the order of the menu as far as it is known.
        queues_of: those with a tag of our installation, by service.
        further: services and numbers of their further devices that tags name.
        named: services that tags of our installation name on rows that are not dynamic.
        bindings_of: static ones with a tag of our installation, by service.
        untagged_bindings: static ones without a tag.
        has_dynamic: the router made some of the leases itself.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        installation: str,
        duplicates: frozenset[RowKey] = frozenset(),
        unknown: AbstractSet[str] = frozenset(),
        held: Mapping[str, str] | None = None,
    ) -> None:
        self.rows: list[Row] = sorted(rows, key=lambda row: (len(row.id), row.id))
        self.installation = installation
        self.duplicates = duplicates
        self.unknown = unknown
        self.held = held
        self.tagged: _Leases = defaultdict(list)
        self.untagged: dict[Identity, list[Lease]] = defaultdict(list)
        self.listed: dict[ListPlace, ListedAddress] = {}
        self.listed_tagged: dict[str, list[ListedAddress]] = defaultdict(list)
        self.options: dict[str, OptionRow] = {}
        self.queues: list[QueueRow] = []
        self.queues_of: dict[str, list[QueueRow]] = defaultdict(list)
        self.further: set[tuple[str, str]] = set()
        self.bindings_of: dict[str, list[BindingRow]] = defaultdict(list)
        self.untagged_bindings: list[BindingRow] = []
        self._static_devices: _Leases = defaultdict(list)
        self._static_addresses: _Leases = defaultdict(list)
        self._dynamic_devices: _Leases = defaultdict(list)
        self._dynamic_addresses: _Leases = defaultdict(list)
        self._bindings: list[BindingRow] = []
        self.has_dynamic = False
        self.named: set[str] = set()
        for row in self.rows:
            tag = parse_tag(row.comment)
            ours = tag if tag is not None and tag.installation == installation else None
            if ours is not None and not row.dynamic:
                self.named.add(ours.service_id)
            if isinstance(row, Lease):
                self._add_lease(row, ours, is_tagged=tag is not None)
            elif isinstance(row, ListedAddress):
                self._add_listed(row, ours)
            elif isinstance(row, OptionRow):
                self.options.setdefault(row.option, row)
            elif isinstance(row, QueueRow):
                self._add_queue(row)
            elif isinstance(row, BindingRow):
                self._bindings.append(row)
                self._add_binding(row)
        self.queues.sort(key=lambda queue: queue.place)

    @cached_property
    def queue_order(self) -> QueueOrder:
        """The queues seen from single addresses."""
        return QueueOrder(self.queues, self.installation)

    @cached_property
    def bindings(self) -> BindingIndex:
        """The IPv6 bindings, found by what they hold and by who asks for them."""
        return BindingIndex(self._bindings)

    def _add_lease(self, row: Lease, tag: Tag | None, *, is_tagged: bool) -> None:
        device, address = row.device, row.address
        if row.dynamic:
            self.has_dynamic = True
            self._dynamic_devices[device].append(row)
            self._dynamic_addresses[address].append(row)
            return
        if device not in NO_DEVICE and not row.disabled:
            self._static_devices[device].append(row)
            if (ids := row.fields.get(OPTION_82, device)) not in ("", device):
                self._static_devices[ids].append(row)  # it is for a MAC, and for them
        if is_host_address(address):
            self._static_addresses[address].append(row)
        if row.radius or row.key in self.duplicates:
            return
        if not is_tagged or (tag is not None and tag.service_id in self.unknown):
            self.untagged[row.identity].append(row)
        elif tag is not None:
            self.tagged[tag.member].append(row)
            if tag.number:
                self.further.add((tag.service_id, tag.number))

    def _add_listed(self, row: ListedAddress, tag: Tag | None) -> None:
        self.listed.setdefault(row.place, row)
        if tag is None or row.dynamic:
            return
        if row.key not in self.duplicates:
            self.listed_tagged[tag.member].append(row)
        if tag.number:
            self.further.add((tag.service_id, tag.number))

    def _add_queue(self, row: QueueRow) -> None:
        self.queues.append(row)
        service_id = owner_of(row, self.installation)
        if service_id is not None and row.key not in self.duplicates:
            self.queues_of[service_id].append(row)

    def _add_binding(self, row: BindingRow) -> None:
        if row.dynamic or row.key in self.duplicates:
            return
        service_id = self.service_of(row)
        if self.names_no_service(row):
            self.untagged_bindings.append(row)
        elif service_id is not None:
            self.bindings_of[service_id].append(row)

    def service_of(self, row: Row) -> str | None:
        """The service that a tag of our installation on the row names."""
        tag = self._tag_of(row)
        return None if tag is None else tag.service_id

    def member_of(self, row: Row) -> str | None:
        """Whose row it is by a tag of our installation: a service's, or a further device's."""
        tag = self._tag_of(row)
        return None if tag is None else tag.member

    def _tag_of(self, row: Row) -> Tag | None:
        tag = parse_tag(row.comment)
        return tag if tag is not None and tag.installation == self.installation else None

    def names_no_service(self, row: Row) -> bool:
        """Whether the row has no tag, or our tag of a service that does not exist."""
        return parse_tag(row.comment) is None or self.service_of(row) in self.unknown

    def holders(self, identity: Identity) -> Iterator[tuple[Literal["device", "address"], Lease]]:
        """The static rows beside which RouterOS refuses a row with this identity, and by what."""
        for row in self.static_of(identity.device, identity.server):
            yield "device", row
        for row in self._static_addresses.get(identity.address, ()):
            yield "address", row

    def static_of(self, device: str, server: str) -> Sequence[Lease]:
        """The enabled static rows of a device whose server meets this one."""
        rows = self._static_devices.get(device, ())
        return [row for row in rows if scopes_meet(row.server, server)]

    def dynamic_of(self, device: str, server: str) -> Sequence[Lease]:
        """The dynamic rows of a device on a server, without RADIUS's: we never touch them."""
        rows = self._dynamic_devices.get(device, ())
        return [row for row in rows if not row.radius and scopes_meet(row.server, server)]

    def dynamic_at(self, address: str) -> Sequence[Lease]:
        """The dynamic rows that hold an address, on any server."""
        return self._dynamic_addresses.get(address, ())
