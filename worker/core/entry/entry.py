"""What a router must hold for a service: the fields of its lease, or absence; and the claims."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from worker.core.entry.dhcp_options import OptionFields, option_rows
from worker.core.entry.kinds.lease import suspending
from worker.core.entry.plan_rates import rate_of
from worker.core.policy.policy import RouterPolicy
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

_LEFT_TO_OTHERS: Final = "the router's policy leaves dhcp-option to others"


@lru_cache(maxsize=2048)  # of the services of a batch: each read of a round asks for it
def placeholder_mac(service_id: str) -> str:
    """A MAC of no device for the row of a service that must give its own up for a moment.

    Locally administered, the same for each service whenever asked, another one for each service.
    """
    digits = hashlib.sha256(service_id.encode()).hexdigest()[:10].upper()
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


@dataclass(frozen=True, slots=True)
class Entry:
    """The wanted state of one service on one router.

    Attributes:
        service_id: whose entry it is.
        fields: of its lease: RouterOS names to normal-form values of every field that the policy
            manages (`mac-address`, `address`, `server`, `block-access`, …); None means absent.
        label: text to put behind our tag when a row is made; never compared.
        listed: the address lists in which its address is to stand.
        options: the option rows that its lease names, by name; others share them.
        missing: why nothing can be written towards it now.
        notes: what a person should know of it: kinds and sentences.
        reserved: without fields: the MAC, address and server that stay the service's own while it
            is suspended by having no row.
        is_pool: its field `address` names a pool, whatever that looks like.
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
        """Whether nothing of the service is to be left on the router."""
        return self.fields is None and self.reserved is None

    @property
    def needs(self) -> Mapping[MenuPath, Collection[str]]:
        """The fields that a router must have, by menu; of menus without any nothing is said."""
        needed: dict[MenuPath, Collection[str]] = {}
        if self.fields:
            needed[LEASES] = self.fields.keys()
        if self.options:
            needed[OPTIONS] = {name for fields in self.options.values() for name in fields}
        return needed


def wanted_entries(
    record: ServiceRecord, policies: Mapping[str, RouterPolicy]
) -> Mapping[str, Entry]:
    """The entries of one service, by router: present where it is served, absent elsewhere.

    Args:
        record: of the service.
        policies: by router. The router that the service wants may be missing here: then it has no
            entry, and stays as it is until someone names it.
    """
    wanted = wanted_router(record)
    entries = {
        router: Entry(record.service_id, None) for router in record.placements if router != wanted
    }
    policy = None if wanted is None else policies.get(wanted)
    if wanted is not None and policy is not None:
        by_mac = policy.entries == "mac-server"
        entries[wanted] = (_mac_entry if by_mac else _present)(record, policy)
    return entries


def _mac_entry(record: ServiceRecord, policy: RouterPolicy) -> Entry:
    """An entry of `/ip/mac-server/entry`, which meets every server; absent while suspended.

    That menu has no other way to suspend, and of DHCP options it has DNS servers alone.
    """
    address, is_pool = str(address_field(record.value("address"))), _is_pool(record)
    place = {
        "mac-address": str(record.value("mac")),
        "address": address,
        "server": ANY_SERVER,
    }
    if isinstance(record.value("suspension"), dict):
        note = ("suspend-mode", "suspended by removing its entry: /ip/mac-server has no other way")
        return Entry(record.service_id, None, reserved=place, notes=(note,), is_pool=is_pool)
    servers: Any = record.value("dns_servers") or []
    managed = policy.manages("dhcp-option")
    dns = {"dns-server": ",".join(str(each) for each in servers)} if managed else {}
    missing = None
    if is_pool:
        detail = f"/ip/mac-server holds addresses, and none of pool {address}"
        missing = Waiting("not-expressible", detail)
    notes = []
    if record.value("options"):
        detail = "of DHCP options /ip/mac-server holds DNS servers alone"
        notes.append(("options-not-managed", detail))
    elif servers and not managed:
        notes.append(("options-not-managed", _LEFT_TO_OTHERS))
    if policy.manages("rate-limit") and rate_of(record, policy):
        notes.append(("rate-not-managed", "/ip/mac-server holds no rate limits"))
    label = str((record.value("label") if policy.label else None) or "")
    return Entry(
        record.service_id,
        {**place, **dns},
        label,
        missing=missing,
        notes=tuple(notes),
        is_pool=is_pool,
    )


def _present(record: ServiceRecord, policy: RouterPolicy) -> Entry:
    address, is_pool = str(address_field(record.value("address"))), _is_pool(record)
    how = suspending(record, policy, own_address=not is_pool)
    fields = {
        "mac-address": str(record.value("mac")),
        "address": address,
        "server": str(record.value("dhcp_server") or policy.default_server),
        "block-access": "yes" if how.mode == "block" else "no",
    }
    missing = None
    if is_pool and is_host_address(address):
        detail = f"RouterOS takes the pool's name {address} for an address: give it another name"
        missing = Waiting("not-expressible", detail)
    if policy.manages("rate-limit"):
        rate = rate_of(record, policy)
        if how.mode == "throttle":
            fields["rate-limit"] = policy.throttle
        elif isinstance(rate, Waiting):
            missing = rate
        else:
            fields["rate-limit"] = rate
    if policy.manages("lease-time"):
        fields["lease-time"] = policy.lease_time
    if policy.manages("address-lists"):
        fields["address-lists"] = policy.address_lists
    notes = [] if how.note is None else [how.note]
    options = option_rows(record, policy)
    if policy.manages("dhcp-option"):
        fields["dhcp-option"] = ",".join(sorted(options))
    elif options:
        notes.append(("options-not-managed", _LEFT_TO_OTHERS))
        options = {}
    walled = how.mode == "walled_garden"
    return Entry(
        record.service_id,
        fields,
        label=str((record.value("label") if policy.label else None) or ""),
        listed=frozenset({ListPlace(policy.suspend_list, address)} if walled else ()),
        options=options,
        missing=missing,
        notes=tuple(notes),
        is_pool=is_pool,
    )


def _is_pool(record: ServiceRecord) -> bool:
    address = record.value("address")
    return isinstance(address, dict) and address["mode"] == "pool"


def wanted_router(record: ServiceRecord) -> str | None:
    """The router that is to hold a row of the service; None while there is nothing to write."""
    complete = record.value("mac") is not None and address_field(record.value("address"))
    return record.router if record.value("lifecycle") == "on" and complete else None


def lacking(record: ServiceRecord) -> str:
    """What was not said yet without which no router can serve it, in words; empty: nothing.

    A source may leave registers to others (`unmanaged`), who have not spoken yet.
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
    """The `address` register as the field `address` holds it: an IPv4 address or a pool's name."""
    if not isinstance(address, dict):
        return None
    return str(address["ipv4"] if address["mode"] == "static" else address["pool"])


class Claim(NamedTuple):
    """The sole right of one service to a MAC address or an IPv4 address on one router.

    Attributes:
        key: `mac:AA:BB:CC:DD:EE:FF` or `address:198.51.100.10`.
        scope: the DHCP server of a MAC; `all` meets every server, and is the scope of addresses.
    """

    key: str
    scope: str


def claims_of(entry: Entry) -> frozenset[Claim]:
    """What an entry needs for itself; nothing when it is over."""
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
