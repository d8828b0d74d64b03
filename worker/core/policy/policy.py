"""What one router lets us manage, and how: built by the inventory, read by entry and planner."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

SuspendMode = Literal["block", "walled_garden", "throttle"]
ManagedField = Literal["rate-limit", "lease-time", "address-lists", "dhcp-option"]
MANAGEABLE: Final[tuple[ManagedField, ...]] = (
    "rate-limit",
    "lease-time",
    "address-lists",
    "dhcp-option",
)
"""Fields of a lease that a policy may leave to others. MAC, address, server and `block-access`
are always ours: a service is made of them."""


@dataclass(frozen=True, slots=True)
class RouterPolicy:
    """Rules of one router. Values of RouterOS's are in normal form (`normal.py`).

    Attributes:
        installation: our installation's id; stands in every tag.
        default_server: DHCP server of a service whose events name none; `all` meets every server.
        on_dynamic: what to do with a dynamic lease of the wanted MAC that has another address.
        on_misfit: what to do with an address that is in none of the router's DHCP networks, or is
            a network's own or its broadcast address: RouterOS takes it, and no device can use it.
        label: write the service's label behind our tag in the comment of a new row.
        suspend: how services are suspended whose events do not say it; None: `walled_garden`
            where there is a list for it, else `block`.
        suspend_list: address list of suspended services; empty: there is none.
        throttle: rate limit of suspended services; empty: there is none.
        manage: the fields that we manage; None: those for which this policy has values, and
            `dhcp-option`, for which events have them.
        plans: rate limits by plan code; empty: there is no catalogue, and codes mean nothing.
        plan_rates: `events`: a rate that an event gives wins over the catalogue's.
        lease_time: of every lease; empty: the DHCP server's.
        address_lists: names, comma separated, of the lists that a device is in while it is bound.
        force_options: send DHCP options to devices that do not ask for them too (RouterOS 7.1).
        entries: name of the kind of entry that the router holds for us; `auto`: the first kind
            meant for it whose menu the router has, else leases. A session finds out which.
        mode: `observe`: nothing is written to the router; what would be is said.
        reconcile: what becomes of what the hourly report finds: `report` tells, `auto` has it put
            right too.
    """

    installation: str
    default_server: str = "all"
    on_dynamic: Literal["remove", "wait"] = "remove"
    on_misfit: Literal["warn", "refuse"] = "warn"
    label: bool = False
    suspend: SuspendMode | None = None
    suspend_list: str = ""
    throttle: str = ""
    manage: frozenset[ManagedField] | None = None
    plans: Mapping[str, str] = field(default_factory=dict)
    plan_rates: Literal["catalogue", "events"] = "catalogue"
    lease_time: str = ""
    address_lists: str = ""
    force_options: bool = False
    entries: str = "auto"
    mode: Literal["manage", "observe"] = "manage"
    reconcile: Literal["report", "auto"] = "report"

    def held_in(self, entries: str) -> "RouterPolicy":
        """Return the policy for a router whose kind of entry a session has found."""
        return replace(self, entries=entries)

    def manages(self, name: ManagedField) -> bool:
        """Whether a field of our leases is ours to compare and to write."""
        if self.manage is not None:
            return name in self.manage
        match name:
            case "dhcp-option":
                return True
            case "rate-limit":
                return bool(self.plans or self.throttle) or self.plan_rates == "events"
            case "lease-time":
                return bool(self.lease_time)
            case "address-lists":
                return bool(self.address_lists)

    @property
    def suspends_by(self) -> SuspendMode:
        """How a service is suspended whose events do not say it."""
        return self.suspend or ("walled_garden" if self.suspend_list else "block")

    def can_suspend_by(self, mode: SuspendMode) -> bool:
        """Whether this router has what a way to suspend needs."""
        match mode:
            case "walled_garden":
                return bool(self.suspend_list)
            case "throttle":
                return bool(self.throttle) and self.manages("rate-limit")
            case "block":
                return True
