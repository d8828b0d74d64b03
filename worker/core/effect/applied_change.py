"""An applied change, and what is said of it after a read of its router: it acts, or not yet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from worker.core.effect.reading import EffectReading
from worker.core.effect.rungs import ChangeKind
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.normal import rate_limit
from worker.core.rows.rows import ANY_SERVER, ListPlace, device_field, device_of, is_host_address


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedChange:
    """An applied change at one router.

    Attributes:
        kinds: what it is to the customer, the gravest first.
        row: the row that decides, in lease form: as it was written, or as it was removed.
        listed: the rows in address lists that must be there while it is suspended, or must be gone
            after that.
        is_pool: the address of the row is the name of a pool.
        applied_ms: when it was confirmed, by Redis's clock.
        number: of the further device that it is about; empty: the first one.
    """

    kinds: tuple[ChangeKind, ...]
    row: Mapping[str, str]
    listed: frozenset[ListPlace] = frozenset()
    is_pool: bool = False
    applied_ms: int = 0
    bindings: tuple[OwnBinding, ...] = ()
    number: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Its prefixes, and its IPv6 address as a /128."""
        return tuple(binding.address for binding in self.bindings)

    @property
    def device(self) -> str:
        """The MAC, the ids or the name of its device."""
        return device_of(self.row)

    @property
    def has_mac(self) -> bool:
        """Whether its device is known by a MAC."""
        return device_field(self.row) == "mac-address"

    @property
    def limit(self) -> str:
        """What limits its device, in normal form; empty: nothing."""
        return rate_limit(self.row.get("rate-limit", "").partition(" ")[0])

    @property
    def server(self) -> str:
        """Its DHCP server, or `all`."""
        return self.row.get("server", ANY_SERVER)

    @property
    def by_radius(self) -> bool:
        """Whether a router asks RADIUS for it, and makes a lease of the answer."""
        return "attributes" in self.row

    def within(self, suspend_list: str) -> "AppliedChange":
        """Return it without rows that RADIUS makes in other lists than that of the suspended."""
        if not self.by_radius:
            return self
        listed = frozenset(place for place in self.listed if place.list == suspend_list)
        return replace(self, listed=listed)

    def located(self, reading: EffectReading) -> "AppliedChange":
        """Return it with the address that its device has in the lists, where RADIUS names a pool.

        Of a device without an address the router has no such row.
        """
        named = {place for place in self.listed if place.address == self.row.get("address")}
        if not (self.by_radius and named):
            return self
        held = self.address(reading)
        places = {place._replace(address=held) for place in named if held}
        return replace(self, listed=self.listed - named | places)

    def address(self, reading: EffectReading) -> str:
        """The address that its device has, or should have; empty: not known."""
        address = self.row.get("address", "")
        if not self.is_pool and is_host_address(address):
            return address
        held = reading.held_by(self.device)
        return held.active_address if held else ""


class EffectVerdict(NamedTuple):
    """Whether a change acts.

    Attributes:
        reason: one word for programs, of what does not act; `ipv4-only` where that is all.
        until_ms: until when it may last, where that is known; 0: not known.
    """

    acting: bool
    reason: str = ""
    detail: str = ""
    until_ms: int = 0


def acts(detail: str = "", reason: str = "") -> EffectVerdict:
    """Return that it acts."""
    return EffectVerdict(acting=True, reason=reason, detail=detail)


def not_yet(reason: str, detail: str, until_ms: int = 0) -> EffectVerdict:
    """Return that it does not act, and why."""
    return EffectVerdict(acting=False, reason=reason, detail=detail, until_ms=until_ms)
