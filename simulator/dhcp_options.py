"""DHCP options: how a value is written on the router, and which of them a client is sent.

Source: MAN-CLI option, MAN-SRV: precedence lease over server over
network; an option goes out only when the client asks for it, unless it is forced.
"""

import re
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from simulator.router_state import RouterState
from simulator.state import Row, Values

NETMASK, ROUTER, DNS, DOMAIN, NTP, WINS = 1, 3, 6, 15, 42, 44
DNS6 = 23
_PART = re.compile(r"0x(?P<hex>(?:[0-9A-Fa-f]{2})+)|(?P<kind>s?)'(?P<text>[^']*)'")
_LONGEST_BYTE = 3  # digits
_BYTE = 256


def encode_value(text: str) -> bytes:
    """Turn an option's value into its bytes.

    `'10.10.10.10'` is four bytes, `'2001:db8::5'` sixteen (assumed), `s'10.10.10.10'` text, `'10'`
    one byte, `'text'` text, `0x…` raw; parts concatenate.

    Raises:
        ValueError: it is none of these.
    """
    raw, at = b"", 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise ValueError(text)
        at = found.end()
        if found["hex"] is not None:
            raw += bytes.fromhex(found["hex"])
        else:
            raw += _quoted(found["text"], as_text=found["kind"] == "s")
    return raw


def _quoted(text: str, *, as_text: bool) -> bytes:
    plain = text.encode("utf-8", "surrogateescape")
    if as_text:
        return plain
    for kind in (IPv4Address, IPv6Address):
        with suppress(AddressValueError):
            return kind(text).packed
    digits = text.isascii() and text.isdigit() and len(text) <= _LONGEST_BYTE
    return bytes((int(text),)) if digits and int(text) < _BYTE else plain


def options_for(
    router: RouterState, network: Row | None, server: Row, lease: Row | None, asked: bytes
) -> dict[int, bytes]:
    """Give the options that a client is sent, beside those of the protocol itself.

    `asked` is its option 55; empty asks for all.
    """
    chosen = _of_network(router, network.values) if network else {}
    forced: set[int] = set()
    for row in (network, server, lease):
        for code, value, force in _named(router, row.values if row else {}):
            chosen[code] = value
            forced.discard(code)
            if force:
                forced.add(code)
    return {
        code: value
        for code, value in chosen.items()
        if not asked or code in asked or code in forced
    }


def _of_network(router: RouterState, network: Values) -> dict[int, bytes]:
    net = IPv4Network(network["address"])
    length = network.get("netmask", "0")
    mask = net.netmask if length == "0" else IPv4Network(f"0.0.0.0/{length}").netmask
    found = {NETMASK: mask.packed}
    names = network["dns-server"] or _own_resolvers(router)
    if network.get("dns-none") == "true":
        names = ""
    for code, text in (
        (ROUTER, network["gateway"]),
        (DNS, names),
        (NTP, network["ntp-server"]),
        (WINS, network["wins-server"]),
    ):
        if text:
            found[code] = b"".join(IPv4Address(address).packed for address in text.split(","))
    if network.get("domain"):
        found[DOMAIN] = network["domain"].encode("utf-8", "surrogateescape")
    return found


def _own_resolvers(router: RouterState, sign: str = ".") -> str:
    """Give the resolvers of one family that the router itself uses, with commas between."""
    servers = router.setting("/ip/dns", "servers").split(",")
    return ",".join(address for address in servers if sign in address)


def options6_for(
    router: RouterState, server: Row, binding: Row | None, asked: frozenset[int]
) -> dict[int, bytes]:
    """Give the options that a DHCPv6 client is sent, beside those of the protocol itself.

    Resolvers are those of the router, unless an option of server or binding says otherwise.
    `asked`: codes that it asked for; empty asks for all.
    """
    chosen: dict[int, bytes] = {}
    resolvers = _own_resolvers(router, ":")
    if resolvers:
        chosen[DNS6] = b"".join(IPv6Address(text).packed for text in resolvers.split(","))
    options, sets = (
        router.table(f"/ipv6/dhcp-server/{name}") for name in ("option", "option/sets")
    )
    for values in (server.values, binding.values if binding else {}):
        names = values.get("dhcp-option", "").split(",")
        for found in [row for name in names for row in sets.having("name", name)]:
            names += found.values["options"].split(",")
        for found in [row for name in names for row in options.having("name", name)]:
            chosen[int(found.values["code"])] = encode_value(found.values["value"])
    return {code: value for code, value in chosen.items() if not asked or code in asked}


def _named(router: RouterState, values: Values) -> list[tuple[int, bytes, bool]]:
    """Give the options that a row names, those of its set first."""
    ids = []
    sets = router.table("/ip/dhcp-server/option/sets").rows
    in_set = sets.get(values.get("dhcp-option-set", ""))
    for text in (in_set.values["options"] if in_set else "", values.get("dhcp-option", "")):
        ids += text.split(",") if text else []
    options = router.table("/ip/dhcp-server/option").rows
    found = []
    for option_id in ids:
        option = options.get(option_id)
        if option is not None and option.values["code"].isdigit():
            value = encode_value(option.values["value"])
            force = option.values.get("force") == "true"
            found.append((int(option.values["code"]), value, force))
    return found
