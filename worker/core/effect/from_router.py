"""Finds the facts in the menus of a router."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv6Interface
from typing import Final

from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.rows import normal
from worker.core.rows.filter_rules import (
    FASTTRACK,
    FILTER,
    FILTER6,
    Judgement,
    is_active,
    judge_suspension,
)
from worker.core.rows.rows import ANY_SERVER

SERVERS: Final = "/ip/dhcp-server"
_DHCP6: Final = "/ipv6/dhcp-server"
_ADVERTISED: Final = "/ipv6/nd"
_ADDRESSES6: Final = "/ipv6/address"
_SETTINGS6: Final = "/ipv6/settings"
_WITH_ARP: Final = tuple(f"/interface/{kind}" for kind in ("ethernet", "bridge", "vlan", "bonding"))

EFFECT_MENUS: Final[Mapping[str, str]] = {
    # All fields: one that is not known here may be a matcher that keeps a rule from matching.
    FILTER: "",
    SERVERS: "name,interface,disabled,lease-time,add-arp,use-reconfigure",
    **dict.fromkeys(_WITH_ARP, "name,arp"),
    _DHCP6: "name,interface,disabled,use-reconfigure",
    _ADVERTISED: "interface,disabled",
    _ADDRESSES6: "address,interface,advertise,disabled",
    _SETTINGS6: "disable-ipv6",
}
"""Menu -> the fields that are read, with commas; empty: all. Older versions lack some of both."""
IPV6_EFFECT_MENUS: Final[Mapping[str, str]] = {FILTER6: ""}
"""Those that are read besides where services have IPv6."""

Row = Mapping[str, str]
Found = Mapping[str, Sequence[Row]]
"""Rows by menu, without the menus that the router lacks or does not show us."""


def facts_of(  # noqa: PLR0913 - what was read, and what it is read for
    found: Found,
    unread: Collection[str],
    suspend_list: str,
    servers: Collection[str],
    version: tuple[int, ...],
    *,
    ipv6_list: str = "",
) -> EffectFacts:
    """Return what decides on a router when a change acts.

    `servers` are those of our services; with `all`, every server is one. Without an `ipv6_list` the
    menus of IPv6 were not read.
    """
    dhcp = [row for row in found.get(SERVERS, ()) if not _on(row, "disabled") and row.get("name")]
    arp = {row.get("name"): row.get("arp") for menu in _WITH_ARP for row in found.get(menu, ())}
    ours = {row.get("interface", "") for row in dhcp if {row["name"], ANY_SERVER} & {*servers}}
    times = {row["name"]: normal.seconds(row.get("lease-time", "")) for row in dhcp}
    return EffectFacts(
        version=version,
        **_filter(found.get(FILTER, ()), suspend_list)._asdict(),
        layer2=frozenset(
            row["name"]
            for row in dhcp
            if _on(row, "add-arp") and arp.get(row.get("interface")) == "reply-only"
        ),
        reconfigure=frozenset(row["name"] for row in dhcp if _on(row, "use-reconfigure")),
        reconfigure6=frozenset(
            row.get("name", "")
            for row in found.get(_DHCP6, ())
            if _on(row, "use-reconfigure") and not _on(row, "disabled")
        ),
        ipv6=frozenset(interface for interface in ours if _has_ipv6(interface, found, unread)),
        lease_times_s={name: time_s for name, time_s in times.items() if time_s},
        unread=frozenset(unread),
        ipv6_filter=_filter(found.get(FILTER6, ()), ipv6_list) if ipv6_list else None,
    )


def _filter(rules: Sequence[Row], suspend_list: str) -> Ipv6Filter:
    fasttrack = any(rule.get("action") == FASTTRACK and is_active(rule) for rule in rules)
    judged = judge_suspension(rules, suspend_list) if suspend_list else Judgement("none")
    return Ipv6Filter(fasttrack, *judged)


def _on(row: Row, name: str) -> bool:
    return row.get(name) in normal.YES


def _has_ipv6(interface: str, found: Found, unread: Collection[str]) -> bool:
    """Whether devices get IPv6 addresses there, by DHCPv6 or by router advertisements."""
    if any(_on(row, "disable-ipv6") for row in found.get(_SETTINGS6, ())):
        return False

    def enabled(menu: str, *interfaces: str) -> list[Row]:
        rows = (row for row in found.get(menu, ()) if not _on(row, "disabled"))
        return [row for row in rows if row.get("interface") in interfaces]

    if enabled(_DHCP6, interface):
        return True
    # A device makes itself an address only of a prefix that is advertised.
    prefixes = any(_is_advertised(row) for row in enabled(_ADDRESSES6, interface))
    return bool(enabled(_ADVERTISED, interface, "all")) and (prefixes or _ADDRESSES6 in unread)


def _is_advertised(row: Row) -> bool:
    try:
        address = IPv6Interface(row.get("address", ""))
    except ValueError:
        return True  # such as one of a pool that gives none now
    return not address.is_link_local and normal.boolean(row.get("advertise", "")) != "no"
