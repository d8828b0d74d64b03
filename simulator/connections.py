"""The connections that a router tracks; `/ip/firewall/connection` shows them.

Kept beside the tables: they are no configuration, a restart loses them, and there may be
hundreds of thousands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple, Self

from simulator.state import Row, Table

# of /ip/firewall/connection/tracking, in seconds (TF)
_ANSWERED = {"tcp": 86400, "udp": 180, "icmp": 10, "icmpv6": 10}
_UNANSWERED = {"tcp": 5, "udp": 30, "icmp": 10, "icmpv6": 10}
_OTHERS = 600
_SERVERS = tuple(f"198.51.100.{number}" for number in range(1, 255))
_SERVERS6 = tuple(f"2001:db8:ffff::{number:x}" for number in range(1, 255))
_FIRST_PORT = 49152


class Flow(NamedTuple):
    """Which packets belong together: from who opened it, to whom; ports are empty without."""

    protocol: str
    src: str
    src_port: str
    dst: str
    dst_port: str

    def back(self) -> Self:
        """Give the flow of the answers."""
        return self._replace(
            src=self.dst, src_port=self.dst_port, dst=self.src, dst_port=self.src_port
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet.

    Attributes:
        passed: whether it leaves the router on the other side.
        why: what stopped it (`filter: …`, `arp: …`); empty when it passed.
        state: of its connection when it came: `new`, `established`.
        fasttrack: whether it went past filter and queues.
        queue: the simple queue that took it; empty for none.
        limit: what that queue and its parents let through this way, in bits a second; 0 is
            no limit.
    """

    passed: bool
    why: str = ""
    state: str = ""
    fasttrack: bool = False
    queue: str = ""
    limit: int = 0


class Connections(Table):
    """Tracked connections, found by their flow in either direction."""

    def __init__(self) -> None:
        super().__init__()
        self._by_flow: dict[Flow, Row] = {}

    def of(self, flow: Flow) -> Row | None:
        """Find the connection that a packet of this flow belongs to."""
        return self._by_flow.get(flow) or self._by_flow.get(flow.back())

    def open(self, flow: Flow, now: float) -> Row:
        """Track a new connection, of which only the first packet was seen."""
        row = self.insert({**flow._asdict(), "fasttrack": "false", "seen-reply": "false"})
        self._by_flow[flow] = row
        self.keep(row, now)
        return row

    def keep(self, row: Row, now: float) -> None:
        """Let the timeout run from now."""
        seconds = _ANSWERED if row.values["seen-reply"] == "true" else _UNANSWERED
        self.expire_at(row, "timeout", now + seconds.get(row.values["protocol"], _OTHERS))

    def open_many(self, addresses: Iterable[str], each: int, now: float, fasttrack: str) -> int:
        """Track many established TCP connections at once; they share what they have in common.

        Each address opens some. Returns how many are tracked now.
        """
        times = {"timeout": now + _ANSWERED["tcp"]}
        common = {"protocol": "tcp", "dst_port": "443"}
        common |= {"fasttrack": fasttrack, "seen-reply": "true"}
        ports = [str(_FIRST_PORT + number) for number in range(each)]
        for address in addresses:
            servers = _SERVERS6 if ":" in address else _SERVERS
            for port, server in zip(ports, islice(cycle(servers), each), strict=True):
                flow = Flow("tcp", address, port, server, "443")
                values = {"src": address, "src_port": port, "dst": server, **common}
                row = Row(f"*{self.next_id:X}", values, times)
                self.next_id += 1
                self.rows[row.id] = self._by_flow[flow] = row
        self.next_expiry = min(self.next_expiry, times["timeout"])
        return len(self.rows)

    def expire_at(self, row: Row, name: str, moment: float) -> None:
        """Let a row's time run to a moment, in times of its own."""
        row.times = {name: moment}
        self.next_expiry = min(self.next_expiry, moment)

    def delete(self, row: Row) -> None:
        """Forget a connection."""
        values = row.values
        self._by_flow.pop(Flow(*(values[name] for name in Flow._fields)), None)
        super().delete(row)
