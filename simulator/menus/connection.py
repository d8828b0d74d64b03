"""`/ip/firewall/connection` and that of IPv6: what the router tracks; to read and to remove.

Fields: captures of version 6 and 7 (find them by `repl-fasttrack-bytes`); addresses with their
port behind a colon there. Trees of version 7 have `src-port` and so on, too: a switch. For IPv6
they are always apart (assumed: a colon there says nothing).
"""

from collections.abc import Sequence
from functools import lru_cache

from simulator.fields import state
from simulator.menu import Menu
from simulator.menu_base import encode_view
from simulator.protocol import encode_attribute
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import format_duration

CONNECTION = "/ip/firewall/connection"
CONNECTION6 = "/ipv6/firewall/connection"
COUNTERS = tuple(
    f"{way}-{kind}{unit}"
    for way in ("orig", "repl")
    for kind in ("", "fasttrack-")
    for unit in ("packets", "bytes")
)
_ENDS = ("src", "dst", "reply-src", "reply-dst")
_FIXED = {
    **dict.fromkeys((*COUNTERS, "orig-rate", "repl-rate"), "0"),
    **dict.fromkeys(("expected", "dying", "hw-offload", "srcnat", "dstnat"), "false"),
    "confirmed": "true",
}
_format_timeout = lru_cache(format_duration)


class ConnectionMenu(Menu):
    """Tracked connections. Views are not kept: there may be 200,000."""

    expires = "timeout"
    commands = frozenset({"print", "get", "remove"})
    fields = tuple(
        state(name)
        for name in (
            "protocol",
            *(f"{end}-address" for end in _ENDS),
            *(f"{end}-port" for end in _ENDS),
            *("tcp-state", "timeout", *COUNTERS, "orig-rate", "repl-rate", "connection-mark"),
            *("expected", "seen-reply", "assured", "confirmed", "dying"),
            *("fasttrack", "hw-offload", "srcnat", "dstnat"),
        )
    )

    def rows(self, router: RouterState) -> Table:
        """Give what is tracked now."""
        tracked = router.connections6 if self.path == CONNECTION6 else router.connections
        if tracked.next_expiry <= router.now():
            self._expire(router, tracked)
        return tracked

    def view(self, router: RouterState, row: Row) -> Values:
        """Give what a client reads of a connection."""
        values, answered = row.values, row.values["seen-reply"]
        view = {".id": row.id, "protocol": values["protocol"]}
        src, dst, src_port, dst_port = values["src"], values["dst"], "", ""
        apart = self.path == CONNECTION6 or router.switches.connection_ports == "apart"
        if values["src_port"] and apart:
            src_port, dst_port = values["src_port"], values["dst_port"]
            view |= {"src-port": src_port, "dst-port": dst_port}
            view |= {"reply-src-port": dst_port, "reply-dst-port": src_port}
        elif values["src_port"]:
            src, dst = f"{src}:{values['src_port']}", f"{dst}:{values['dst_port']}"
        if values["protocol"] == "tcp":
            view["tcp-state"] = "established" if answered == "true" else "syn-sent"
        left = int(row.times["timeout"] - router.now())
        return {
            **view,
            "src-address": src,
            "dst-address": dst,
            "reply-src-address": dst,  # no NAT here
            "reply-dst-address": src,
            "timeout": _format_timeout(max(0, left)),
            **_FIXED,
            **{name: values[name] for name in COUNTERS if name in values},
            "seen-reply": answered,
            "assured": answered,
            "fasttrack": values["fasttrack"],
        }

    def words(self, router: RouterState, row: Row) -> dict[str, bytes]:
        """Give the same as encoded API words by property."""
        return encode_view(self.view(router, row))

    def packed(self, router: RouterState, row: Row, proplist: Sequence[str] | None) -> bytes:
        """Give what a client reads as API words, joined."""
        view = self.view(router, row)
        names = view if proplist is None else (name for name in proplist if name in view)
        return b"".join([encode_attribute(name, view[name]) for name in names])


MENUS = (ConnectionMenu(CONNECTION), ConnectionMenu(CONNECTION6))
