"""A kind of entry: the menu that holds the row of a service, and how that row reads as a lease.

The planner, the claims and the brake know one form of row: a static DHCP lease with the fields
`mac-address`, `address`, `server` and `block-access`. A kind translates between that form and its
own menu. Decision 0107 says what a kind must state and what it may not decide.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from worker.core.entry.entry import Entry
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.menus import Menu
from worker.core.rows.normal import rate_limit
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import MenuPath
from worker.core.service.record import ServiceRecord

OPTIONS_LEFT_TO_OTHERS = ("options-not-managed", "the router's policy leaves dhcp-option to others")
"""Note of a service whose DHCP options are not written."""


class EntryKind(ABC):
    """What a kind states. It has no state of its own.

    Attributes:
        name: as the inventory's key `entries` has it, and sessions and reports.
        menu: the rows' menu, with the normal form and the default of each field.
        optional: not every router has the menu: each login asks for it.
        in_auto: `entries = "auto"` takes this kind where the router has the menu.
        absent_advice: what to do when the inventory names this kind and the router lacks the menu.
        uses: the other menus in which a service of this kind may need rows.
        shows_devices: the menu says which device holds a row.
        stale: parts of the router's refusals that mean that our read was too old.
        enable: menu -> fields that `routers setup` writes where the router has that menu.
    """

    name: ClassVar[str]
    menu: ClassVar[Menu]
    optional: ClassVar[bool] = True
    in_auto: ClassVar[bool] = False
    absent_advice: ClassVar[str] = "Set `entries` of this router to another kind"
    uses: ClassVar[frozenset[MenuPath]] = frozenset()
    shows_devices: ClassVar[bool] = False
    stale: ClassVar[tuple[str, ...]] = ()
    enable: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @abstractmethod
    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """Make the entry of a service on its router, suspended or not.

        Args:
            record: of a service that is active or suspended, with MAC and address.
            policy: of the router.
        """

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Return the lease form of a row.

        Args:
            values: the row's fields in normal form, by the names of `menu`.
        """
        return values

    def own_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return the fields of `menu` for some fields in lease form; `as_lease` reversed."""
        return fields


def rate_of(record: ServiceRecord, policy: RouterPolicy) -> str | Waiting:
    """Return a plan's rate limit in normal form, empty without a plan; or why it is not known.

    On the router rx comes first: what the device sends, which is the plan's upload.
    """
    plan: Any = record.value("plan")
    if not plan:
        return ""
    code, up, down = plan["code"], plan.get("up_kbps"), plan.get("down_kbps")
    if policy.plan_rates == "events" and up is not None and down is not None:
        return rate_limit(f"{up}k/{down}k")
    if code in policy.plans:
        return policy.plans[code]
    if policy.plans or policy.plan_rates == "events":
        instead = ", and its event gives no rates" if policy.plan_rates == "events" else ""
        return Waiting("unknown-plan", f"plan {code} is not in the catalogue{instead}")
    return ""


def label_of(record: ServiceRecord, policy: RouterPolicy) -> str:
    """Return the text to put behind our tag when a row is made."""
    return str((record.value("label") if policy.label else None) or "")
