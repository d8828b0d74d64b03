"""Traffic through a simulated router, as tests send it: one flow and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from simulator.connections import Verdict


@dataclass(frozen=True, slots=True)
class CustomerFlow:
    """A flow of packets between a customer and the world, opened by `src`.

    Attributes:
        do: carries out a request of the control interface.
        src, dst: addresses; either may be the customer.
        protocol: `tcp`, `udp`, `icmp`.
        src_port, dst_port: empty without ports.
        mac: the customer's device; empty: whatever device has the address.
    """

    do: Callable[..., Any]
    src: str
    dst: str
    protocol: str
    src_port: str
    dst_port: str
    mac: str = ""

    def send(self, *, back: bool = False, size: int = 64) -> Verdict:
        """Send one packet from `src` to `dst`, or one the other way."""
        flow = [self.protocol, self.src, self.src_port, self.dst, self.dst_port]
        return Verdict(**self.do("send", flow=flow, mac=self.mac, back=back, size=size))

    def exchange(self) -> Verdict:
        """Send a packet and an answer; give what became of the last that was sent."""
        out = self.send()
        return self.send(back=True) if out.passed else out

    def establish(self) -> "CustomerFlow":
        """Send packets both ways twice, so that a rule for established connections marks it.

        Raises:
            AssertionError: one was stopped.
        """
        for _ in range(2):
            sent = self.exchange()
            assert sent.passed, sent.why  # noqa: S101 - for tests
        return self

    def again(self) -> "CustomerFlow":
        """Give a flow between the same two from the next port."""
        return replace(self, src_port=str(int(self.src_port) + 1))
