"""What one router lets us manage, and how: built by the inventory, read by entry and planner."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RouterPolicy:
    """Rules of one router.

    Attributes:
        installation: our installation's id; stands in every tag.
        default_server: DHCP server of a service whose events name none; `all` meets every server.
        on_dynamic: what to do with a dynamic lease of the wanted MAC that has another address.
        on_misfit: what to do with an address that is in none of the router's DHCP networks, or is
            a network's own or its broadcast address: RouterOS takes it, and no device can use it.
        label: write the service's label behind our tag in the comment of a new row.
    """

    installation: str
    default_server: str = "all"
    on_dynamic: Literal["remove", "wait"] = "remove"
    on_misfit: Literal["warn", "refuse"] = "warn"
    label: bool = False
