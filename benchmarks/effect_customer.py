"""A customer whose change is followed, and the device of it, which is played."""

from dataclasses import dataclass
from typing import Any, Final

from simulator.control import CustomerFlow, RouterControl
from tests import builders
from tests.small_installation import SERVER

DATED: Final = "address, dated"
BEFORE, AFTER = {"up_kbps": 10_000, "down_kbps": 50_000}, {"up_kbps": 5_000, "down_kbps": 20_000}
LIMIT: Final = {"out": 5_000_000, "back": 20_000_000}


@dataclass(slots=True)
class Phone:
    """A device of a customer.

    Attributes:
        router: that it asks.
        mac: its own.
        reconfigure: `obey`, or empty.
        address: that it holds; empty: none.
        lease_s, left_s: time of its lease, and how much of it is left.
        asked: it got an answer since the change.
    """

    router: RouterControl
    mac: str
    reconfigure: str = ""
    address: str = ""
    lease_s: float = 0
    left_s: float = 0
    asked: bool = False

    def ask(self) -> None:
        """Ask, or renew; refused, ask again."""
        for requested in (self.address, "") if self.address else ("",):
            answer = self.router.device(
                self.mac, server=SERVER, requested=requested, reconfigure=self.reconfigure
            )
            if answer["kind"] == "ack":
                self.address, self.asked = answer["address"], True
                self.lease_s = self.left_s = answer["lease_s"]
                return
            if answer["kind"] == "none" and requested:
                return  # it keeps what it has
        self.address = ""

    def wait(self, by_s: float) -> None:
        """Let time pass: it renews at half of its lease, and asks again after its end."""
        self.left_s -= by_s
        if self.left_s <= 0:
            self.address = ""
        if self.left_s <= self.lease_s / 2:
            self.ask()

    def learn(self) -> None:
        """Know what it got by asking when a reconfigure message told it to."""
        for row in self.router.rows("/ip/dhcp-server/lease"):
            if row.get("active-mac-address") == self.mac and row.get("status") == "bound":
                held = row.get("active-address", "")
                # A router is asked for each address that it gives; told to ask, it was asked again.
                self.asked |= held != self.address or row.get("reconfigure-status") == "renewed"
                self.address = held


@dataclass(slots=True)
class Customer:
    """A service whose change is followed.

    Attributes:
        kind: of the change.
        number: of its service, MAC and address.
        phone: its device; after a MAC change the new one.
        effective_at: of its change; empty: at once.
        flow: that was established before the change.
    """

    kind: str
    number: int
    phone: Phone
    effective_at: str = ""
    flow: CustomerFlow | None = None

    @property
    def service(self) -> str:
        """The service's id."""
        return f"SVC-{self.number}"

    @property
    def address(self) -> str:
        """The address before the change."""
        return f"223.203.225.{100 + self.number}"

    @property
    def other_address(self) -> str:
        """The address after the change."""
        return f"223.203.225.{200 + self.number}"

    def activation(self) -> dict[str, Any]:
        """The event with which it begins."""
        return builders.activated(
            *(self.service,),
            mac=builders.mac(self.number),
            ipv4=self.address,
            server=SERVER,
            router="R1",
            revision=1,
            plan={"code": "HOME", **BEFORE},
        )

    def change(self) -> dict[str, Any]:
        """The event that is followed."""
        new = builders.mac(100 + self.number)
        static = {"mode": "static", "ipv4": self.other_address}
        given: dict[str, tuple[str, dict[str, Any]]] = {
            "cancelled": ("cancelled", {}),
            "moved-away": ("moved", {"access": {"router": "R2", "dhcp_server": SERVER}}),
            "suspended": ("suspended", {}),
            "resumed": ("resumed", {}),
            "mac": ("mac_changed", {"mac": new}),
            "address": ("address_changed", {"address": static}),
            DATED: ("address_changed", {"address": static, "effective_at": self.effective_at}),
            "pool": ("address_changed", {"address": {"mode": "pool", "pool": "pool-vlan-32"}}),
            "rate": ("plan_changed", {"plan": {"code": "HOME", **AFTER}}),
            "options": ("dns_changed", {"dns_servers": ["198.51.100.53"]}),
        }
        if self.kind == "activated":
            return self.activation()
        name, fields = given[self.kind]
        return builders.event(name, self.service, revision=3, **fields)

    def acts(self) -> bool:  # noqa: PLR0911 - one case a kind of change
        """Whether the change is so now, for the customer."""
        flow, phone = self.flow, self.phone
        match self.kind:
            case "suspended":
                return flow is not None and not (flow.exchange().passed or self._new_passes())
            case "cancelled" | "moved-away":
                # A device without an address sends nothing.
                holds = phone.address == self.address
                return not (holds and flow is not None and flow.exchange().passed)
            case "resumed":
                return self._new_passes()
            case "rate":
                sent = None if flow is None else flow.send()
                return sent is not None and not sent.fasttrack and sent.limit == LIMIT["out"]
            case "address" | "address, dated":
                return phone.address == self.other_address
            case "activated" | "mac":
                return phone.address == self.address
            case "pool" | "options":
                return phone.asked
            case _:
                raise ValueError(self.kind)

    def _new_passes(self) -> bool:
        if self.flow is None:
            return False
        self.flow = self.flow.again()
        return self.flow.exchange().passed
