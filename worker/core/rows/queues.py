"""A service's own simple queue, and which queues take the packets of an address before it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import ClassVar, Final, Literal, NamedTuple

from worker.core.rows import normal
from worker.core.rows.prefixes import PrefixMap
from worker.core.rows.rows import QUEUES, MenuPath, Row, parse_tag, tag_text

FIRST: Final = "first"
LAST: Final = "last"
BEFORE: Final = "before "
_NO_PARENT: Final = "none"
RATE_WORDS: Final = 6
"""A rate limit has at most so many: rate, burst rate, threshold and time, priority, least rate."""


@dataclass(frozen=True, slots=True)
class QueueRow(Row):
    """One row of `/queue/simple`.

    Attributes:
        place: its place in the order of the menu, which decides which queue takes a packet; -1: not
            known, as only some rows were read.
    """

    menu: ClassVar[MenuPath] = QUEUES

    place: int = -1

    @property
    def queue(self) -> str:
        """Its name on the router."""
        return self.fields["name"]

    @property
    def target(self) -> str:
        """Prefixes and interfaces, comma separated."""
        return self.fields["target"]

    @property
    def name(self) -> str:
        """The row as text for a person."""
        kind = "dynamic queue" if self.dynamic else "queue"
        return f"{kind} {self.queue} (target {self.target}, limit {self.fields['max-limit']})"


class OwnQueue(NamedTuple):
    """The queue of a service.

    Attributes:
        address: the IPv4 address that it limits.
        rate: its rate limit, in the normal form of a lease's.
        place: among the other queues: `first`, `last` or `before NAME`.
        parent: name of the queue above it; empty: none.
        ipv6: prefixes that it limits together with the address, comma separated, in normal form.
        more: addresses of further devices with `/32`, which it limits too, comma separated.
    """

    address: str = ""
    rate: str = ""
    place: str = FIRST
    parent: str = ""
    ipv6: str = ""
    more: str = ""


MAY_BE_THERE: Final = OwnQueue()
"""Noted before a queue is added: no more is known of it until it was read back."""


def short_queue(queue: OwnQueue, written: Mapping[str, str] | None) -> list[str]:
    """Return what a record keeps of a queue.

    These are rate, place and parent, and the address where it is not that of the lease, or not all.
    """
    if queue == MAY_BE_THERE:
        return []
    address, *others, ipv6, more = queue
    if ipv6 or more:
        return [*others, address, ipv6, *([more] if more else [])]
    return [*others, *([] if address == (written or {}).get("address") else [address])]


def queue_of(short: list[str], written: Mapping[str, str] | None) -> OwnQueue:
    """Reverse `short_queue`."""
    if not short:
        return MAY_BE_THERE
    rate, place, parent, *other = short
    address = other[0] if other else (written or {}).get("address", "")
    return OwnQueue(address, rate, place, parent, *other[1:])


def queue_fields(queue: OwnQueue, name: str) -> dict[str, str]:
    """Return the fields of the queue's row, in normal form.

    The words of a lease's rate limit are rate, burst rate, burst threshold, burst time, priority
    and least rate, `rx/tx` each, and rx is what the device sends: the upload of a queue.
    """
    words = queue.rate.split()
    rate, burst, threshold, time, priority, least = words + [""] * (RATE_WORDS - len(words))
    zero = "0/0"
    return {
        "name": name,
        "target": normal.prefixes(f"{queue.address}/32,{queue.ipv6},{queue.more}"),
        "parent": _parent_of(queue),
        "max-limit": normal.rates(rate),
        "limit-at": normal.rates(least) if least else zero,
        "burst-limit": normal.rates(burst) if burst else zero,
        "burst-threshold": normal.rates(threshold or rate) if burst else zero,
        "burst-time": normal.durations(time or "1s") if burst else "0s/0s",
        "priority": f"{priority or 8}/{priority or 8}",
    }


def owner_of(row: QueueRow, installation: str) -> str | None:
    """Return the service that a queue belongs to: by its name, which we gave it, or its tag."""
    for text in (row.queue, row.comment):
        tag = None if row.dynamic else parse_tag(text)
        if tag is not None and tag.installation == installation:
            return tag.service_id
    return None


def queue_name(installation: str, service_id: str) -> str:
    """Return the name of a service's queue: as its tag, no other queue of the router has it."""
    return tag_text(installation, service_id)


class QueueOrder:
    """The queues of a router in their order; the first that fits takes the packet.

    `rows` come from a read of the whole menu, in any order; those without a place are left out.
    """

    def __init__(self, rows: Iterable[QueueRow], installation: str) -> None:
        self._rows = sorted((row for row in rows if row.place >= 0), key=lambda row: row.place)
        self._named = {row.queue: row for row in self._rows}
        foreign = [row for row in self._rows if owner_of(row, installation) is None]
        self._static = [row for row in foreign if not row.dynamic]
        self._at: dict[str, list[QueueRow]] = defaultdict(list)
        self._wide: list[tuple[QueueRow, QueueTarget]] = []
        prefixes: list[tuple[IPv6Network, QueueRow]] = []
        for row in foreign:
            target = QueueTarget.of(row.target)
            for address in target.addresses:
                self._at[address].append(row)
            prefixes += ((prefix, row) for prefix in target.prefixes)
            if target.networks or target.interfaces:
                self._wide.append((row, target))
        self._prefixes = PrefixMap(prefixes)

    def named(self, name: str) -> QueueRow | None:
        """Return the queue with this name."""
        return self._named.get(name)

    def next_to(self, queue: OwnQueue) -> QueueRow | None:
        """Return the queue of others that this one is to stand before; None: behind all."""
        if queue.place == LAST:
            return None
        parent = _parent_of(queue)
        siblings = (row for row in self._static if row.fields["parent"] == parent)
        return self._anchor(queue) or next(siblings, None)

    def is_misplaced(self, row: QueueRow, queue: OwnQueue) -> bool:
        """Return whether a queue of ours stands where the policy does not want it.

        Among queues that cannot take the same packets, order does not matter.
        """
        if row.place < 0:
            return False
        named = self._anchor(queue)
        if named is not None:
            return named.place < row.place
        parent = _parent_of(queue)
        meeting = (
            other.place
            for other, _ in self._meeting(queue)
            if not other.dynamic and other.fields["parent"] == parent
        )
        if queue.place == LAST:
            return any(place > row.place for place in meeting)
        return any(place < row.place for place in meeting)

    def has_no_anchor(self, queue: OwnQueue) -> bool:
        """Return whether the policy names a queue to stand before, and there is none."""
        return queue.place.startswith(BEFORE) and self._anchor(queue) is None

    def shadows(self, queue: OwnQueue, place: int) -> list[QueueRow]:
        """Return the queues of others that take the packets of a service before its own queue.

        Siblings stand in order, and so do the queues above. Queues for marked packets alone are
        left out, and those of an interface, as it is not known which addresses are behind it.
        """
        levels = {_parent_of(queue): place}
        above = self._named.get(queue.parent)
        while above is not None and above.fields["parent"] not in levels:
            levels[above.fields["parent"]] = above.place
            above = self._named.get(above.fields["parent"])
        found = [
            row
            for row, meets in self._meeting(queue)
            if meets == "yes"
            and row.place < levels.get(row.fields["parent"], -1)
            and not row.disabled
            and not row.fields["packet-marks"]
        ]
        return sorted(found, key=lambda row: row.place)

    def _anchor(self, queue: OwnQueue) -> QueueRow | None:
        if not queue.place.startswith(BEFORE):
            return None
        return self._named.get(queue.place.removeprefix(BEFORE))

    def _meeting(self, queue: OwnQueue) -> Iterator[tuple[QueueRow, Literal["yes", "maybe"]]]:
        """The queues of others that can take its packets, of IPv6 those of a whole prefix."""
        addresses = [queue.address, *(one[:-3] for one in queue.more.split(",") if one)]
        found = {row.id: row for address in addresses for row in self._at.get(address, ())}
        for prefix in map(IPv6Network, filter(None, queue.ipv6.split(","))):
            found |= {row.id: row for row in self._prefixes.around(prefix)}
        yield from ((row, "yes") for row in found.values())
        own = [IPv4Address(address) for address in addresses]
        for row, target in self._wide:
            if row.id in found:
                continue
            if any(address in network for network in target.networks for address in own):
                yield row, "yes"
            elif target.interfaces:
                yield row, "maybe"


class Shadow(NamedTuple):
    """A queue of others that stands before queues of ours and takes their packets.

    Its target are prefixes, comma separated.
    """

    name: str
    target: str

    def covers(self, address: str) -> bool:
        """Return whether it takes the packets of an IPv4 address."""
        target = QueueTarget.of(self.target)
        in_network = (IPv4Address(address) in network for network in target.networks)
        return address in target.addresses or any(in_network)

    def __str__(self) -> str:
        """The queue as text for a person."""
        return f"queue {self.name} (target {self.target})"


SHADOWS_KEPT: Final = 50


def shadows_of(rows: Iterable[Row], installation: str) -> tuple[Shadow, ...]:
    """Return the queues of others that shadow any of ours, a bounded number.

    `rows` has the whole menu, maybe beside rows of others.
    """
    queues = [row for row in rows if isinstance(row, QueueRow)]
    order, found = QueueOrder(queues, installation), dict[Shadow, None]()
    for row in queues:
        target = QueueTarget.of(row.target)
        if owner_of(row, installation) is None or not target.addresses:
            continue
        parent = "" if row.fields["parent"] == _NO_PARENT else row.fields["parent"]
        ipv6 = ",".join(map(str, target.prefixes))
        first, *others = sorted(target.addresses)
        more = ",".join(f"{address}/32" for address in others)
        queue = OwnQueue(first, parent=parent, ipv6=ipv6, more=more)
        for other in order.shadows(queue, row.place):
            if not other.dynamic:
                found[Shadow(other.queue, other.target)] = None
    return tuple(found)[:SHADOWS_KEPT]


def _parent_of(queue: OwnQueue) -> str:
    return queue.parent or _NO_PARENT


class QueueTarget(NamedTuple):
    """What a queue limits: IPv4 addresses and networks, IPv6 prefixes, and whether interfaces."""

    addresses: frozenset[str]
    networks: tuple[IPv4Network, ...]
    interfaces: bool
    prefixes: tuple[IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "QueueTarget":
        """Read the field; nothing in it is everything."""
        addresses, networks, delegated, interfaces = set(), [], [], False
        for part in text.split(",") if text else ["0.0.0.0/0"]:
            try:
                network = ip_network(part, strict=False)
            except ValueError:
                interfaces = True
                continue
            if isinstance(network, IPv6Network):
                delegated.append(network)
                continue
            if network.prefixlen == network.max_prefixlen:
                addresses.add(str(network.network_address))
            else:
                networks.append(network)
        return cls(frozenset(addresses), tuple(networks), interfaces, tuple(delegated))
