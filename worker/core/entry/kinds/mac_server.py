"""Entries of `/ip/mac-server/entry`.

No RouterOS release has this menu; what is known of it comes from the guide that this project
started from. An entry meets every DHCP server and holds a MAC, an address and DNS servers.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from worker.core.entry.dhcp_options import OPTIONS_LEFT_TO_OTHERS
from worker.core.entry.entry import Entry, EntryKind, rate_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows import normal
from worker.core.rows.menus import Field, Menu
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import ANY_SERVER, NO_ADDRESS, NO_MAC
from worker.core.service.record import ServiceRecord


class MacServerEntry(EntryKind):
    """An entry per service; a suspended service has none, as the menu cannot block a device."""

    name = "mac-server"
    menu = Menu.of(
        "/ip/mac-server/entry",
        "the guide that this project started from",
        Field("mac-address", normal.mac, NO_MAC),
        Field("address", default=NO_ADDRESS),
        # in the order in which a device is to ask them
        Field("dns-server"),
        Field("comment"),
    )
    in_auto = True
    absent_advice = (
        'No RouterOS release has this menu: set entries to "auto" or "lease" in the inventory'
    )
    # in the guide's words
    stale = ("item with such MAC address already exists",)
    enable: ClassVar[Mapping[str, Mapping[str, str]]] = {"/ip/mac-server": {"enabled": "yes"}}

    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """See `EntryKind`."""
        address, is_pool = str(record.address), record.has_pool
        place = {
            "mac-address": record.device_in("mac-address") or NO_MAC,
            "address": address,
            "server": ANY_SERVER,
        }
        if isinstance(record.value("suspension"), dict):
            detail = "suspended by removing its entry: /ip/mac-server cannot block a device"
            notes = (("suspend-mode", detail),)
            return Entry(record.service_id, None, reserved=place, notes=notes, is_pool=is_pool)
        servers: Any = record.value("dns_servers") or []
        managed = "dhcp-option" in policy.managed
        dns = {"dns-server": ",".join(str(server) for server in servers)} if managed else {}
        missing = None
        if is_pool:
            detail = f"/ip/mac-server holds single addresses, not pool {address}"
            missing = Waiting("not-expressible", detail)
        return Entry(
            record.service_id,
            {**place, **dns},
            record.label if policy.label else "",
            missing=missing,
            notes=tuple(_left_out(record, policy, has_dns=bool(servers))),
            is_pool=is_pool,
        )

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        return {"server": ANY_SERVER, "block-access": "no", **values}


def _left_out(
    record: ServiceRecord, policy: RouterPolicy, *, has_dns: bool
) -> list[tuple[str, str]]:
    """What the service has that the menu cannot hold, or that is not ours to write."""
    notes = []
    if record.value("options"):
        detail = "of DHCP options /ip/mac-server holds DNS servers alone"
        notes.append(("options-not-managed", detail))
    elif has_dns and "dhcp-option" not in policy.managed:
        notes.append(OPTIONS_LEFT_TO_OTHERS)
    if "rate-limit" in policy.managed and rate_of(record, policy):
        notes.append(("rate-not-managed", "/ip/mac-server holds no rate limits"))
    if record.value("ipv6"):
        notes.append(("ipv6-not-managed", "/ip/mac-server holds no IPv6"))
    return notes
