"""The entry of a service on a router, in the form of a lease, and its claims."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pydantic import JsonValue

from worker.core.entry.dhcp_options import OptionFields
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import (
    ANY_SERVER,
    LEASES,
    NO_MAC,
    OPTIONS,
    ListPlace,
    MenuPath,
    is_host_address,
)
from worker.core.service.record import ServiceRecord


@lru_cache(maxsize=2048)  # each read of a round needs those of the whole batch
def placeholder_mac(service_id: str) -> str:
    """Return a MAC of no device, for a row that must give up its own for a moment.

    It is locally administered, always the same for a service, and another one for each service.
    """
    digits = hashlib.sha256(service_id.encode()).hexdigest()[:10].upper()
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


@dataclass(frozen=True, slots=True)
class Entry:
    """The wanted state of one service on one router.

    Attributes:
        service_id: of the service.
        fields: of its row, in lease form: RouterOS names to normal-form values of every field that
            the policy manages (`mac-address`, `address`, `server`, `block-access`, …); None: no
            row.
        label: text to put after our tag when a row is made; never compared.
        listed: the address lists that should have its address.
        options: the option rows that its row names, by name; services share them.
        missing: why nothing can be written towards it now.
        notes: for people: kinds and sentences.
        reserved: without fields: the MAC, address and server that stay reserved while the service
            is suspended by having no row.
        is_pool: its field `address` names a pool, even if it looks like an address.
    """

    service_id: str
    fields: Mapping[str, str] | None
    label: str = ""
    listed: frozenset[ListPlace] = frozenset()
    options: Mapping[str, OptionFields] = field(default_factory=dict)
    missing: Waiting | None = None
    notes: tuple[tuple[str, str], ...] = ()
    reserved: Mapping[str, str] | None = None
    is_pool: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of the service should be left on the router."""
        return self.fields is None and self.reserved is None

    @property
    def needs(self) -> Mapping[MenuPath, Collection[str]]:
        """The fields that the router must support, by menu."""
        needed: dict[MenuPath, Collection[str]] = {}
        if self.fields:
            needed[LEASES] = self.fields.keys()
        if self.options:
            needed[OPTIONS] = {name for fields in self.options.values() for name in fields}
        return needed


def has_pool(record: ServiceRecord) -> bool:
    """Return whether the service gets an address of a pool."""
    address = record.value("address")
    return isinstance(address, dict) and address["mode"] == "pool"


def wanted_router(record: ServiceRecord) -> str | None:
    """Return the router that should have a row of the service; None: nothing is to be written."""
    complete = record.value("mac") is not None and address_field(record.value("address"))
    return record.router if record.value("lifecycle") == "on" and complete else None


def lacking(record: ServiceRecord) -> str:
    """Return what no event gave yet and a router needs; empty: nothing.

    A source may leave registers to others (`unmanaged`), whose events have not come yet.
    """
    if record.value("lifecycle") == "cancelled":
        return ""
    if record.value("lifecycle") is None:
        return "the service was not activated yet"
    known = {
        "router": record.router,
        "MAC": record.value("mac"),
        "address": address_field(record.value("address")),
    }
    missing = [name for name, value in known.items() if not value]
    verb = "is" if len(missing) == 1 else "are"
    return f"its {' and '.join(missing)} {verb} not known yet" if missing else ""


def address_field(address: JsonValue) -> str | None:
    """Return the `address` register as the field `address` has it: an IPv4 address or a pool."""
    if not isinstance(address, dict):
        return None
    return str(address["ipv4"] if address["mode"] == "static" else address["pool"])


class Claim(NamedTuple):
    """A MAC or an IPv4 address that is reserved for one service on one router.

    Attributes:
        key: `mac:AA:BB:CC:DD:EE:FF` or `address:198.51.100.10`.
        scope: the DHCP server of a MAC; `all`, also for addresses, is every server.
    """

    key: str
    scope: str


def claims_of(entry: Entry) -> frozenset[Claim]:
    """Return the claims of an entry; an entry that is over has none."""
    place = entry.fields if entry.fields is not None else entry.reserved
    if place is None:
        return frozenset()
    mac, address = place["mac-address"], place["address"]
    claims = []
    if mac != NO_MAC:
        claims.append(Claim(f"mac:{mac}", place["server"]))
    if not entry.is_pool and is_host_address(address):
        claims.append(Claim(f"address:{address}", ANY_SERVER))
    return frozenset(claims)
