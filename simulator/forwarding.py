"""Whether a packet of either family passes the router: connections, filter, queues, ARP.

Modelled: `arp=reply-only` and permanent ARP rows; FastTrack, whose connections meet neither
filter nor queues once they are marked; the chain `forward` of `/ip/firewall/filter`, or that of
IPv6, with jumps; which simple queue takes the packet and what it may use. Not modelled: NAT, mangle
and raw, routes of IPv4, bridges, invalid and related packets, the rate itself (no packet is dropped
for it), queue trees, packets of a FastTracked connection that a real router now and then takes
the slow way. A rule with another matcher than these is an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from simulator.connections import Connections, Flow, Verdict
from simulator.menus.binding_rows import LIST6
from simulator.menus.connection import CONNECTION, CONNECTION6
from simulator.menus.ipv6 import SETTINGS6
from simulator.menus.lease_effects import ADDRESS_LIST
from simulator.menus.made_rows import QUEUE
from simulator.rates import pair
from simulator.reach import interface_of, is_six, next_hop, prefixes_with, unreachable, within
from simulator.router import Router
from simulator.state import Row, Values

FILTER, FILTER6 = "/ip/firewall/filter", "/ipv6/firewall/filter"
_STOPS = {"drop", "reject", "tarpit"}
_GOES_ON = {"passthrough", "log", "add-src-to-address-list", "add-dst-to-address-list"}
_NO_MATCHER = {
    *("chain", "action", "log", "log-prefix", "disabled", "comment", "dynamic", "invalid"),
    *("bytes", "packets", "reject-with", "jump-target", "address-list", "hw-offload"),
    *("address-list-timeout", "place-before"),
}


@dataclass(frozen=True, slots=True)
class _Packet:
    flow: Flow
    state: str
    came_in: str
    goes_out: str


def forward(router: Router, flow: Flow, *, to_mac: str = "", size: int = 64) -> Verdict:
    """Decide on one packet and note what the router notes of it.

    The flow is as the packet says it, so turned round for an answer. `to_mac` is the device that
    should get it; empty: whatever device has the address.

    Raises:
        ValueError: a rule needs something that is not modelled.
    """
    router.catch_up()
    if not _routes_ipv6(router, flow):
        return Verdict(passed=False, why="ipv6: not forwarded", state="new")
    tracked = _tracked(router, flow)
    row = tracked.of(flow)
    state = _state_of(row, flow)
    goes_out, hop = next_hop(router, flow.dst)
    packet = _Packet(flow, state, interface_of(router, flow.src), goes_out)
    fasttrack = row is not None and row.values["fasttrack"] == "true"
    queue, limit, mark = "", 0, False
    if not fasttrack:
        stopped, mark, _ = _through(router, packet, "forward")
        if stopped:
            return Verdict(passed=False, why=f"filter: {stopped}", state=state)
        queue, limit = queue_of(router, packet.flow)
    row = row or tracked.open(flow, router.now())
    _track(router, row, flow, size)
    if mark and flow.protocol in ("tcp", "udp"):
        row.values["fasttrack"] = "true"
    why = unreachable(router, goes_out, hop, to_mac)
    if why:
        return Verdict(passed=False, why=f"arp: {why}", state=state, fasttrack=fasttrack)
    return Verdict(passed=True, state=state, fasttrack=fasttrack, queue=queue, limit=limit)


def _routes_ipv6(router: Router, flow: Flow) -> bool:
    if not is_six(flow.src):
        return True
    on = router.setting(SETTINGS6, "disable-ipv6") == "false"
    on &= router.setting(SETTINGS6, "forward") == "true"
    local = any(IPv6Address(end).is_link_local for end in (flow.src, flow.dst))
    return on and not local


def _tracked(router: Router, flow: Flow) -> Connections:
    """Give the connections of the flow's family; what timed out ends."""
    path = CONNECTION6 if is_six(flow.src) else CONNECTION
    tracked = router.menus[path].rows(router)
    assert isinstance(tracked, Connections)  # noqa: S101 - that is what this menu has
    return tracked


def _state_of(row: Row | None, flow: Flow) -> str:
    if row is None:
        return "new"
    opened = row.values["src"] == flow.src and row.values["src_port"] == flow.src_port
    return "new" if opened and row.values["seen-reply"] == "false" else "established"


def _track(router: Router, row: Row, flow: Flow, size: int) -> None:
    values = row.values
    back = values["src"] != flow.src or values["src_port"] != flow.src_port
    if back:
        values["seen-reply"] = "true"
    way = "repl" if back else "orig"
    fast = ("", "fasttrack-") if values["fasttrack"] == "true" else ("",)
    for kind in fast:
        for unit, more in (("packets", 1), ("bytes", size)):
            name = f"{way}-{kind}{unit}"
            values[name] = str(int(values.get(name, 0)) + more)
    _tracked(router, flow).keep(row, router.now())


# --- filter ----------------------------------------------------------------------------------


def _through(router: Router, packet: _Packet, chain: str) -> tuple[str, bool, bool]:
    """Say which rule stops a packet (empty: none), if one marked it, and if one decided on it."""
    mark = False
    rules = FILTER6 if is_six(packet.flow.src) else FILTER
    for row in router.table(rules).rows.values():
        rule = row.values
        if row.disabled or rule["chain"] != chain or not _fits(router, rule, packet):
            continue
        action = rule["action"]
        if action == "accept":
            return "", mark, True
        if action in _STOPS:
            return f"rule {row.id} ({action})", mark, True
        if action == "return":
            break
        if action == "fasttrack-connection":
            mark = True  # this packet goes on to the next rule
        elif action == "jump":
            stopped, marked, decided = _through(router, packet, rule["jump-target"])
            mark |= marked
            if decided:
                return stopped, mark, True
        elif action not in _GOES_ON:
            msg = f"rule {row.id}: action {action} is not modelled"
            raise ValueError(msg)
    return "", mark, False


def _fits(router: Router, rule: Values, packet: _Packet) -> bool:
    for name, text in rule.items():
        if not text or name in _NO_MATCHER:
            continue
        if name not in _MATCHERS:
            msg = f"matcher {name} is not modelled"
            raise ValueError(msg)
        if _MATCHERS[name](router, text.removeprefix("!"), packet) is text.startswith("!"):
            return False
    return True


def in_list(router: Router, name: str, address: str) -> bool:
    """Say whether an address is in an address list."""
    six = is_six(address)
    table = router.menus[LIST6 if six else ADDRESS_LIST].rows(router)
    single = table.having_any("address", prefixes_with(address) if six else (address,))
    if any(row.values["list"] == name and not row.disabled for row in single):
        return True
    return any(
        row.values["list"] == name and not row.disabled and within(row.values["address"], address)
        for row in table.rows.values()
        if "-" in row.values["address"] or ("/" in row.values["address"] and not six)
    )


def _port_in(ports: str, port: str) -> bool:
    for part in ports.split(","):
        first, _, last = part.partition("-")
        if port and int(first) <= int(port) <= int(last or first):
            return True
    return False


def _named(router: Router, interface: str) -> str | None:
    return router.name_of("/interface", interface)


def _in_group(router: Router, name: str, interface: str) -> bool:
    member = _named(router, interface)
    return name == "all" or any(
        row.values.get("list") == name and row.values.get("interface") == member
        for row in router.table("/interface/list/member").rows.values()
        if not row.disabled
    )


_MATCHERS: dict[str, Callable[[Router, str, _Packet], bool]] = {
    "protocol": lambda _, text, packet: packet.flow.protocol == text,
    "src-address": lambda _, text, packet: within(text, packet.flow.src),
    "dst-address": lambda _, text, packet: within(text, packet.flow.dst),
    "src-address-list": lambda router, text, packet: in_list(router, text, packet.flow.src),
    "dst-address-list": lambda router, text, packet: in_list(router, text, packet.flow.dst),
    "src-port": lambda _, text, packet: _port_in(text, packet.flow.src_port),
    "dst-port": lambda _, text, packet: _port_in(text, packet.flow.dst_port),
    "connection-state": lambda _, text, packet: packet.state in text.split(","),
    "connection-nat-state": lambda *_: False,  # no NAT here
    "in-interface": lambda router, text, packet: _named(router, packet.came_in) == text,
    "out-interface": lambda router, text, packet: _named(router, packet.goes_out) == text,
    "in-interface-list": lambda router, text, packet: _in_group(router, text, packet.came_in),
    "out-interface-list": lambda router, text, packet: _in_group(router, text, packet.goes_out),
}


# --- queues ----------------------------------------------------------------------------------


def queue_of(router: Router, flow: Flow) -> tuple[str, int]:
    """Say which simple queue takes a packet: the first that fits, and of its children the same.

    Returns:
        Its name and what it lets through this way in bits a second; 0 is no limit.
    """
    name, least, parent = "", 0, "none"
    while True:
        taken = _first_fitting(router, flow, parent)
        if taken is None:
            return name, least
        row, way = taken
        name, parent = row.values["name"], row.id
        limit = int(pair(row.values["max-limit"])[way])
        least = min(least, limit) if least and limit else least or limit


def _first_fitting(router: Router, flow: Flow, parent: str) -> tuple[Row, int] | None:
    """Give the queue, and 0 for upload, 1 for download."""
    for row in router.table(QUEUE).rows.values():
        if row.disabled or row.values["parent"] != parent:
            continue
        for way, (own, other) in enumerate(((flow.src, flow.dst), (flow.dst, flow.src))):
            dst = row.values.get("dst")
            if _targets(router, row, own) and (not dst or within(dst, other)):
                return row, way
    return None


def _targets(router: Router, row: Row, address: str) -> bool:
    for target in row.values["target"].split(","):
        interface = router.id_of("/interface", target)
        if interface is not None and interface_of(router, address) == interface:
            return True
        if interface is None and within(target, address):
            return True
    return False
