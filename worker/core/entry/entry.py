"""The entry of a service on a router, in the form of a lease, and its claims."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple

from worker.core.entry.dhcp_options import OptionFields
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import IS_ADDRESS, OwnBinding
from worker.core.rows.menus import Menu
from worker.core.rows.normal import rate_limit
from worker.core.rows.operations import Waiting
from worker.core.rows.option82 import joined
from worker.core.rows.prefixes import prefix_key
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import (
    ANY_SERVER,
    BINDINGS,
    DEVICE_FIELDS,
    LEASES,
    NO_ADDRESS,
    NO_DEVICE,
    OPTION_82,
    OPTIONS,
    Identity,
    Lease,
    ListPlace,
    MenuPath,
    device_field,
    identity_of,
    is_host_address,
    member_id,
)
from worker.core.service.record import ServiceRecord


def placeholder(fields: Mapping[str, str], service_id: str) -> str:
    """Return a MAC, ids or a name of no device, for a row that must give up its own for a moment.

    It is always the same for a service, and another one for each. `fields` have the field that
    names the device.
    """
    mac = placeholder_mac(service_id)
    if "mac-address" in fields and not fields.get(OPTION_82):
        return mac
    digits = mac.replace(":", "").lower()
    return joined(digits, "") if OPTION_82 in fields else f"leasewire-{digits}"


def placeholders(fields: Mapping[str, str], service_id: str, *, has_ids: bool) -> tuple[str, ...]:
    """Return each device that a row of a service may have in place of its own.

    A row of a device with ids may have a MAC all the same, if it was adopted.
    """
    usual = placeholder(fields, service_id)
    if not (has_ids or OPTION_82 in fields):
        return (usual,)
    return usual, *(placeholder({name: ""}, service_id) for name in (OPTION_82, "mac-address"))


def is_placeholder(fields: Mapping[str, str], service_id: str) -> bool:
    """Return whether any of these fields of a row of a service names nothing and nobody."""
    named = (fields[name] for name in DEVICE_FIELDS if name in fields)
    nobody = placeholder(fields, service_id)
    return fields.get("address") == NO_ADDRESS or any(name == nobody for name in named)


@lru_cache(maxsize=2048)  # each read of a round needs those of the whole batch
def placeholder_mac(service_id: str) -> str:
    """Return a MAC of no device; it is locally administered."""
    digits = hashlib.sha256(service_id.encode()).hexdigest()[:10].upper()
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


class Claim(NamedTuple):
    """What is reserved for one service on one router: a device, an address or an IPv6 prefix.

    Attributes:
        key: `mac:AA:BB:CC:DD:EE:FF`, `option-82:eth 0/3+olt-7`, `name:ada`,
            `address:198.51.100.10`, or `prefix_key` of a binding.
        scope: the DHCP server of a device; `all`, also for the others, is every server.
    """

    key: str
    scope: str


@dataclass(frozen=True)
class Entry:
    """The wanted state of one service on one router.

    Attributes:
        number: of the further device that it is for; empty: the first one.
        fields: of its row, in lease form: RouterOS names to normal-form values of every field that
            the policy manages (`mac-address`, `address`, `server`, `block-access`, …); None: no
            row.
        label: text to put after our tag when a row is made; never compared.
        listed: the address lists that should have its address or its prefix.
        options: the option rows that its row names, by name; services share them.
        queue: its own simple queue, which limits its rate instead of its row; None: none.
        bindings: its IPv6 bindings, one of a kind; their clients may have to be learned.
        missing: why nothing can be written towards it now.
        notes: for people: kinds and sentences.
        reserved: without fields: the MAC, address and server that stay reserved while the service
            is suspended by having no row.
        is_pool: its field `address` names a pool, even if it looks like an address.
        shares: the queue of the service, which limits this further device too.
        devices: the entries of further devices, by number; those without fields are over.
        spares: fields that are put back for others: each is written only over these values of ours.
    """

    service_id: str
    fields: Mapping[str, str] | None
    label: str = ""
    listed: frozenset[ListPlace] = frozenset()
    options: Mapping[str, OptionFields] = field(default_factory=dict)
    queue: OwnQueue | None = None
    bindings: tuple[OwnBinding, ...] = ()
    missing: Waiting | None = None
    notes: tuple[tuple[str, str], ...] = ()
    reserved: Mapping[str, str] | None = None
    is_pool: bool = False
    spares: Mapping[str, frozenset[str]] = field(default_factory=dict)
    number: str = ""
    shares: OwnQueue | None = None
    devices: Mapping[str, "Entry"] = field(default_factory=dict)

    def sparing(self, row: Lease | None) -> "Entry":
        """Return the entry without the fields to put back that others changed on the row."""
        if row is None or self.fields is None:
            return self
        theirs = {
            name for name, ours in self.spares.items() if row.fields.get(name, "") not in ours
        }
        kept = {name: value for name, value in self.fields.items() if name not in theirs}
        return replace(self, fields=kept)

    @property
    def member(self) -> str:
        """What names its rows: `member_id`."""
        return member_id(self.service_id, self.number)

    @cached_property
    def identity(self) -> Identity | None:
        """What identifies its row; None: it has none."""
        return None if self.fields is None else identity_of(self.fields)

    @cached_property
    def claims(self) -> frozenset[Claim]:
        """Its claims and those of its further devices; one that is over has none."""
        if self.devices:
            own = replace(self, devices={}).claims
            return own.union(*(device.claims for device in self.devices.values()))
        place = self.fields if self.fields is not None else self.reserved
        if place is None:
            return frozenset()
        field, address = device_field(place), place["address"]
        prefixes = [binding.address for binding in self.bindings]
        prefixes += [own6] if (own6 := place.get("remote-ipv6-prefix")) else []
        claims = [Claim(prefix_key(prefix), ANY_SERVER) for prefix in prefixes]
        if place[field] not in NO_DEVICE:
            claims.append(Claim(f"{DEVICE_FIELDS[field]}:{place[field]}", place["server"]))
        if not self.is_pool and is_host_address(address):
            claims.append(Claim(f"address:{address}", ANY_SERVER))
        return frozenset(claims)

    @cached_property
    def is_over(self) -> bool:
        """Whether nothing of the service should be left on the router."""
        return self.fields is None and self.reserved is None

    @property
    def needs(self) -> Mapping[MenuPath, Collection[str]]:
        """The fields that the router must support, by menu."""
        needed: dict[MenuPath, Collection[str]] = {}
        if self.fields:
            needed[LEASES] = {name for name, value in self.fields.items() if value}
        if self.options:
            needed[OPTIONS] = {name for fields in self.options.values() for name in fields}
        if any(binding.ia == IS_ADDRESS for binding in self.bindings):
            needed[BINDINGS] = ("ia-type",)
        return needed


class EntryKind(ABC):
    """What a kind states. It has no state of its own.

    Attributes:
        name: as the inventory's key `entries` has it, and sessions and reports.
        menu: the rows' menu, with the normal form and the default of each field.
        names: fields in lease form -> their names in `menu`, where these are others.
        device: the field of `DEVICE_FIELDS` that most of its rows have, in lease form.
        optional: not every router has the menu: each login asks for it.
        in_auto: `entries = "auto"` takes this kind where the router has the menu.
        absent_advice: what to do when the inventory names this kind and the router lacks the menu.
        uses: the other menus in which a service of this kind may need rows.
        serves_others: its rows may serve other routers: networks, pools and firewall of the one
            that holds them say nothing of theirs.
        finds_by_address: the router finds rows by their address; else the whole menu is read.
        refers: fields that name rows of another menu, which must be there -> that menu.
        blocks_by_disabling: a disabled row is a blocked one, and not one switched off by hand.
        shows_devices: the menu says which device holds a row.
        sessions: the menu of devices that are logged in, with `name`, `address` and `uptime`, where
            `remove` ends a session; empty: devices of this kind do not log in.
        secrets: fields whose values are sealed everywhere but on the router.
        policies: what our user must be allowed on the router, beside what every kind needs.
        stale: parts of the router's refusals that mean that our read was too old.
        enable: menu -> fields that `routers setup` writes where the router has that menu.
    """

    name: ClassVar[str]
    menu: ClassVar[Menu]
    names: ClassVar[Mapping[str, str]] = {}
    device: ClassVar[str] = "mac-address"
    optional: ClassVar[bool] = True
    in_auto: ClassVar[bool] = False
    absent_advice: ClassVar[str] = "Set `entries` of this router to another kind"
    uses: ClassVar[frozenset[MenuPath]] = frozenset()
    serves_others: ClassVar[bool] = False
    finds_by_address: ClassVar[bool] = True
    refers: ClassVar[Mapping[str, str]] = {}
    blocks_by_disabling: ClassVar[bool] = False
    shows_devices: ClassVar[bool] = False
    sessions: ClassVar[str] = ""
    secrets: ClassVar[frozenset[str]] = frozenset()
    policies: ClassVar[frozenset[str]] = frozenset()
    stale: ClassVar[tuple[str, ...]] = ()
    enable: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @abstractmethod
    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """Make the entry of a service on its router, suspended or not.

        The service is active or suspended, and has an address, and a MAC or a name.
        """

    def taking_back(self, entry: Entry, sent: Collection[Identity]) -> Entry:
        """Return an entry that also puts back what a pass wrote for it and nobody confirmed.

        `sent` is what passes noted of their writes for it (`added_rows`).
        """
        del sent
        return entry

    def named(self, policy: RouterPolicy) -> Mapping[str, frozenset[str]]:
        """Return the rows of others that a policy names: menu -> names."""
        del policy
        return {}

    def warning(self, policy: RouterPolicy) -> str:
        """Return what a policy needs and no source says of this menu; empty: nothing."""
        del policy
        return ""

    def said_by(self, row: Lease, policy: RouterPolicy) -> Mapping[str, str] | None:
        """Return what a row of nobody says of a service, or None: it can be of none.

        The names are those of `producers.fields.FIELDS`.
        """
        del policy
        if row.address == NO_ADDRESS:
            return None
        address = {"ipv4" if is_host_address(row.address) else "pool": row.address}
        return {"dhcp_server": row.server, "mac": row.device, **address}

    def named_by(self, device: str) -> Mapping[str, str]:
        """Return the fields of `menu` that rows of a device have, all of them, for queries."""
        return self.own_fields({self.device: device})

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Return the lease form of a row.

        `values` are its fields in normal form, by the names of `menu`.
        """
        return values

    def own_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return the fields of `menu` for some fields in lease form; `as_lease` reversed."""
        named = {self.names.get(name, name): value for name, value in fields.items()}
        return {name: value for name, value in named.items() if name in self.menu.fields}


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
