"""What a router must hold for a service: the fields of its row, or absence; and the claims.

Who calls it: `accept` (claims, marks) and `converge` (what to plan for), each with a record and
the policies of the routers.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import JsonValue

from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord

ANY_SERVER: Final = "all"
"""RouterOS's name for every DHCP server of a router."""
NO_MAC: Final = "00:00:00:00:00:00"
"""A row with it is not matched by MAC address."""
NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a field's value, no socket is bound to it
"""A row with it gives an address of its server's own pool."""

_IPV4: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")


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
        fields: RouterOS names to normal-form values of every field that the policy manages
            (`mac-address`, `address`, `server`, `block-access`, …); None means absent.
        label: text to put behind our tag when a row is made; never compared.
    """

    service_id: str
    fields: Mapping[str, str] | None
    label: str = ""

    @property
    def digest(self) -> str:
        """Names this content: equal digests, equal entries."""
        return digest_of(self.fields)


def digest_of(fields: Mapping[str, str] | None) -> str:
    """A short hash over fields; `absent` for None."""
    if fields is None:
        return "absent"
    text = json.dumps(sorted(fields.items()), separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def wanted_entries(
    record: ServiceRecord, policies: Mapping[str, RouterPolicy]
) -> Mapping[str, Entry]:
    """The entries of one service, by router: present where it is served, absent elsewhere.

    Args:
        record: of the service.
        policies: by router. The router that the service wants may be missing here: then it has no
            entry, and stays as it is until someone names it.
    """
    entries = {router: Entry(record.service_id, None) for router in record.placements}
    router = wanted_router(record)
    if router is None:
        return entries
    entries.pop(router, None)
    policy = policies.get(router)
    if policy is not None:
        fields = {
            "mac-address": str(record.value("mac")),
            "address": str(_address_field(record.value("address"))),
            "server": str(record.value("dhcp_server") or policy.default_server),
            "block-access": "no" if record.value("suspension") is None else "yes",
        }
        label = record.value("label") if policy.label else None
        entries[router] = Entry(record.service_id, fields, str(label or ""))
    return entries


def wanted_router(record: ServiceRecord) -> str | None:
    """The router that is to hold a row of the service; None while there is nothing to write."""
    complete = record.value("mac") is not None and _address_field(record.value("address"))
    return record.router if record.value("lifecycle") == "on" and complete else None


def _address_field(address: JsonValue) -> str | None:
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
    """What an entry needs for itself; nothing when it is absent."""
    if entry.fields is None:
        return frozenset()
    mac, address = entry.fields["mac-address"], entry.fields["address"]
    claims = set()
    if mac != NO_MAC:
        claims.add(Claim(f"mac:{mac}", entry.fields["server"]))
    if is_host_address(address):
        claims.add(Claim(f"address:{address}", ANY_SERVER))
    return frozenset(claims)


def is_host_address(address: str) -> bool:
    """Whether a field `address` is one device's own: not a pool's name, not `0.0.0.0`."""
    return address != NO_ADDRESS and _IPV4.fullmatch(address) is not None


def scopes_meet(a: str, b: str) -> bool:
    """Whether claims of one key with these scopes exclude each other."""
    return a == b or ANY_SERVER in (a, b)
