"""What a session reads besides rows: the DHCP setup, pools, what decides when changes act, a ping.

Each part is its prints and the function that understands their answers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final

from worker.core.diagnosis.verification import Probe
from worker.core.effect.facts import EffectFacts
from worker.core.effect.from_router import EFFECT_MENUS, IPV6_EFFECT_MENUS, facts_of
from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.entry.entry import EntryKind
from worker.core.rows.menus import version_of
from worker.core.rows.normal import YES
from worker.core.rows.pools import Pool, Pools
from worker.core.rows.rows import is_host_address
from worker.routeros.commands import Command, Pace, Reply
from worker.settings import Settings

_NO_MENU: Final = "no such command"
"""How a router of any version says that it lacks a menu."""

_SETUP_PRINTS: Final[tuple[Command, ...]] = (
    ("/ip/dhcp-server/print", "=.proplist=name"),
    ("/ip/pool/print", "=.proplist=name"),
    ("/ip/dhcp-server/network/print", "=.proplist=address,gateway"),
    ("/ip/address/print", "=.proplist=address,interface,disabled"),
)


def setup_prints(kind: EntryKind) -> list[Command]:
    """Return the prints of what rows of a kind may name, and of what addresses are for."""
    referred = [(f"{menu}/print", "=.proplist=name") for menu in kind.refers.values()]
    return [*_SETUP_PRINTS, *referred]


def setup_pace(prints: Sequence[Command], settings: Settings) -> Pace:
    """Return the pace of these prints, and of those of IPv6: all are short.

    Nobody renews the lock of the router meanwhile, and a worker that is to end waits for them. Over
    REST a silent router is noticed only when the time for all of them is over.
    """
    total_s = min(settings.router_lock_s, settings.read_timeout_s)
    return Pace(len(prints), settings.command_timeout_s, total_s)


def setup_of(kind: EntryKind, replies: Sequence[Reply]) -> DhcpSetup:
    """Understand the answers to these prints; what the router refuses to show is not known."""
    servers, pools, networks, addresses, *referred = replies
    is_here = not kind.serves_others
    named = {field: _names(reply) for field, reply in zip(kind.refers, referred, strict=True)}
    return DhcpSetup(
        _names(servers),
        _names(pools) if is_here else None,
        tuple(_networks(networks)) if kind.device == "mac-address" and is_here else (),
        _gateways(networks) | _own(addresses),
        {field: names for field, names in named.items() if names is not None},
    )


def _names(reply: Reply) -> frozenset[str] | None:
    return None if reply.traps else frozenset(row.get("name", "") for row in reply.rows)


def _gateways(reply: Reply) -> dict[str, str]:
    return {
        gateway: f"the gateway of {row.get('address')}"
        for row in reply.rows
        for gateway in row.get("gateway", "").split(",")
        if is_host_address(gateway)
    }


def _own(reply: Reply) -> dict[str, str]:
    return {
        row.get("address", "").partition("/")[0]: f"the router's own address on {on}"
        for row in reply.rows
        for on in [row.get("interface", "an interface")]
        if row.get("disabled") != "true"
    }


def _networks(reply: Reply) -> list[IPv4Network]:
    found = []
    for row in reply.rows:
        try:
            found.append(IPv4Network(row.get("address", ""), strict=False))
        except ValueError:
            continue  # no known version prints another form
    return found


IPV6_SETUP_PRINTS: Final[tuple[Command, ...]] = (
    ("/ipv6/dhcp-server/print", "=.proplist=name"),
    ("/ipv6/dhcp-server/option/print", "=.proplist=name"),
    ("/ipv6/dhcp-server/option/sets/print", "=.proplist=name"),
    ("/ipv6/address/print", "=.proplist=address,interface,disabled"),
)


def ipv6_setup_of(replies: Sequence[Reply]) -> Ipv6Setup:
    """Understand the answers to `IPV6_SETUP_PRINTS`, as `setup_of` does."""
    servers, options, sets, addresses = replies
    named, grouped = _names(options), _names(sets)
    return Ipv6Setup(
        has_menu=not any(_NO_MENU in trap for trap in servers.traps),
        servers=_names(servers),
        options=None if named is None or grouped is None else named | grouped,
        own={
            IPv6Address(address): what
            for address, what in _own(addresses).items()
            if not address.lower().startswith("fe80:")
        },
    )


POOL_PRINTS: Final[tuple[Command, ...]] = (
    ("/ip/pool/print", "=.proplist=name,ranges,next-pool"),
    # Before 7.21 only this menu shows how many addresses of a pool are used.
    ("/ip/pool/used/print", "=.proplist=pool"),
    ("/ip/dhcp-server/print", "=.proplist=name,address-pool,disabled"),
)
_NONE: Final = ("none", "static-only")
"""How RouterOS says: no next pool, and a server without a pool."""


def pools_of(replies: Sequence[Reply]) -> Pools | None:
    """Understand the answers to `POOL_PRINTS`; None where the router refuses one."""
    if any(reply.traps for reply in replies):
        return None
    pools, used, servers = replies
    count = Counter(row.get("pool", "") for row in used.rows)
    return Pools(
        {
            row["name"]: Pool(size, count[row["name"]], _pool_named(row.get("next-pool", "")))
            for row in pools.rows
            if "name" in row and (size := _size(row.get("ranges", ""))) is not None
        },
        {
            row["name"]: pool
            for row in servers.rows
            if (pool := _pool_named(row.get("address-pool", "")))
            and "name" in row
            and row.get("disabled") not in YES
        },
    )


def _pool_named(text: str) -> str:
    return "" if text in _NONE else text


def _size(ranges: str) -> int | None:
    """Count the addresses in `10.0.0.2-10.0.0.9,10.0.1.0/24`; None: another form."""
    try:
        return sum(_length(part) for part in ranges.split(","))
    except ValueError:
        return None


def _length(part: str) -> int:
    first, dash, last = part.partition("-")
    if dash:
        return int(IPv4Address(last)) - int(IPv4Address(first)) + 1
    return IPv4Network(part, strict=False).num_addresses


def facts_prints(*, ipv6: bool) -> list[Command]:
    """Return the prints of what decides on a router when changes act."""
    return [
        (f"{menu}/print", *([f"=.proplist={fields}"] if fields else []))
        for menu, fields in _effect_menus(ipv6=ipv6).items()
    ]


def _effect_menus(*, ipv6: bool) -> Mapping[str, str]:
    return {**EFFECT_MENUS, **IPV6_EFFECT_MENUS} if ipv6 else EFFECT_MENUS


def effect_of(
    replies: Sequence[Reply],
    suspend_list: str,
    servers: Collection[str],
    version: str,
    *,
    ipv6_list: str = "",
) -> EffectFacts:
    """Understand the answers to `facts_prints`; see `facts_of`."""
    answers = dict(zip(_effect_menus(ipv6=bool(ipv6_list)), replies, strict=True))
    refused = {menu: "; ".join(reply.traps) for menu, reply in answers.items() if reply.traps}
    unread = [menu for menu, message in refused.items() if _NO_MENU not in message]
    found = {menu: reply.rows for menu, reply in answers.items() if not reply.traps}
    return facts_of(found, unread, suspend_list, servers, version_of(version), ipv6_list=ipv6_list)


USER_PRINTS: Final[Sequence[Command]] = (
    ("/ip/dhcp-server/lease/print", "=.proplist=dhcp-option"),
    ("/ip/dhcp-server/network/print", "=.proplist=dhcp-option"),
    # a server, network or lease that names a set names its options
    ("/ip/dhcp-server/option/sets/print", "=.proplist=options"),
)


def named_options(rows: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """Return the options that the answers to `USER_PRINTS` name."""
    lists = (row.get("dhcp-option", "") + "," + row.get("options", "") for row in rows)
    return frozenset(name for names in lists for name in names.split(",") if name)


PINGS: Final = 3
_LINES: Final = 5


def probe_commands(address: str) -> list[Command]:
    """Ping a device a few times and read the DHCP lines of the log (by default 1,000 at most)."""
    return [
        ("/ping", f"=address={address}", f"=count={PINGS}"),
        ("/log/print", "=.proplist=.id,time,topics,message", "?topics=dhcp,info"),
    ]


def probed(replies: Sequence[Reply], mac: str) -> Probe:
    """Understand the answers to `probe_commands`."""
    ping, log = replies
    last = ping.rows[-1] if ping.rows else {}
    lines = [
        f"{row.get('time', '')} {row.get('message', '')}".strip()
        for row in log.rows
        if mac in row.get("message", "").upper()
    ]
    return Probe(
        sent=_number(last.get("sent", "")),
        received=_number(last.get("received", "")),
        refusal="; ".join(ping.traps),
        log=None if log.traps else tuple(lines[-_LINES:]),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
