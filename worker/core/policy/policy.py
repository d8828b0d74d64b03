"""The policy of a router: what we manage there, and how; and the policy that a person applied."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, Self, get_args

from worker.core.rows.queues import FIRST

SUSPENDED6: Final = "leasewire-suspended"
"""IPv6 address list of suspended services where the inventory names none."""
SuspendMode = Literal["block", "walled_garden", "throttle"]
ManagedField = Literal["rate-limit", "lease-time", "address-lists", "dhcp-option"]
"""Fields of a lease that a policy may leave to others. MAC, address, server and `block-access`
are always managed."""
SessionEnd = Literal["cancelled", "suspended", "resumed", "login", "address", "prefix", "rate"]
SESSION_ENDS: Final[frozenset[SessionEnd]] = frozenset(get_args(SessionEnd))
"""Kinds of changes after which the session of a device that logs in is ended."""


@dataclass(frozen=True)
class RouterPolicy:
    """Rules of one router. RouterOS values are in normal form (`normal.py`).

    Attributes:
        installation: our installation's id, part of every tag.
        default_server: DHCP server of a service whose events name none; `all` is every server.
        identify_by: what a lease knows its device by: its MAC, or the ids of option 82 where events
            give some.
        on_dynamic: what to do with a dynamic lease of the wanted MAC that has another address.
        on_misfit: what to do with an address outside the router's DHCP networks, or a network or
            broadcast address: RouterOS accepts it, but no device can use it.
        label: write the service's label after our tag in the comment of a new row.
        suspend: how to suspend when the event does not say it; None: `walled_garden` where there
            is a list for it, else `block`.
        suspend_list: address list of suspended services; empty: there is none.
        ipv6_server: DHCPv6 server of the bindings; `all` is every server.
        ipv6_life_time: of every binding; empty: left to the router.
        ipv6_options: names, comma separated, of the DHCPv6 options that a binding names; empty:
            left to others.
        ipv6_suspend_list: IPv6 address list of suspended services; empty: see `ipv6_list`.
        throttle: rate limit of suspended services; empty: there is none.
        manage: the fields that we manage; None: those for which this policy has values, and
            `dhcp-option`, whose values come with events.
        plans: rate limits by plan code; empty: there is no catalogue, and codes are ignored.
        profiles: PPP profiles by plan code; empty: profiles are left to others.
        suspend_profile: PPP profile of services in a walled garden, or throttled; empty: none.
        ppp_service: what a PPP secret lets in, such as `pppoe` or `any`.
        rates: what limits a service: the `rate-limit` of its lease, or a `queue` of its own.
        queue_place: of our queues among those of others: `first`, `last` or `before NAME`.
        queue_parent: name of the queue above ours; empty: none.
        plan_rates: `events`: a rate in an event wins over the catalogue.
        lease_time: of every lease; empty: that of the DHCP server.
        shorten_leases: lease time of a row from one lease time before a scheduled event changes it
            until a moment after; empty: it is never shortened.
        address_lists: names, comma separated, of the lists that a device joins while it is bound.
        option_set: DHCP option set of the access routers that each user of a User Manager names;
            empty: none.
        force_options: send DHCP options also to devices that do not ask for them (RouterOS 7.1).
        entries: name of the kind of entry that the router holds for us; `auto`: the first kind
            meant for it whose menu the router has, else leases. A session finds out which.
        user_manager: the router whose User Manager holds the rows of this router's services; empty:
            they stand on this router.
        mode: `observe`: nothing is written to the router, only reported.
        reconcile: what happens to drift in the hourly report: `report`, or `auto` to put it right
            as well.
        cut_connections: remove the tracked connections of an address when its service is suspended
            by an address list, leaves it, or keeps it with another MAC; `auto`: where a full read
            found that old connections go past the suspension rules.
        reconfigure: send a reconfigure message after a change that a device learns by renewing its
            lease, where the DHCP server has `use-reconfigure` and the device agreed to it.
        end_sessions: changes after which the running session of a device that logs in is ended, so
            that they act; after others it goes on as it is until it ends.
        reconfigures_per_minute: the most such messages; a device without one learns at renewal.
    """

    installation: str
    default_server: str = "all"
    identify_by: Literal["mac", "option-82"] = "mac"
    on_dynamic: Literal["remove", "wait"] = "remove"
    on_misfit: Literal["warn", "refuse"] = "warn"
    label: bool = False
    suspend: SuspendMode | None = None
    suspend_list: str = ""
    ipv6_server: str = "all"
    ipv6_life_time: str = ""
    ipv6_options: str = ""
    ipv6_suspend_list: str = ""
    throttle: str = ""
    manage: frozenset[ManagedField] | None = None
    plans: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    suspend_profile: str = ""
    ppp_service: str = "pppoe"
    rates: Literal["lease", "queue"] = "lease"
    queue_place: str = FIRST
    queue_parent: str = ""
    plan_rates: Literal["catalogue", "events"] = "catalogue"
    lease_time: str = ""
    shorten_leases: str = "2m"
    address_lists: str = ""
    option_set: str = ""
    force_options: bool = False
    entries: str = "auto"
    user_manager: str = ""
    mode: Literal["manage", "observe"] = "manage"
    reconcile: Literal["report", "auto"] = "report"
    cut_connections: Literal["auto", "always", "never"] = "auto"
    reconfigure: bool = True
    reconfigures_per_minute: int = 60
    end_sessions: frozenset[SessionEnd] = SESSION_ENDS

    def held_in(self, entries: str) -> "RouterPolicy":
        """Return the policy for a router whose kind of entry a session has found; made once."""
        if entries not in self._held_in:
            self._held_in[entries] = replace(self, entries=entries)
        return self._held_in[entries]

    @cached_property
    def _held_in(self) -> "dict[str, RouterPolicy]":
        return {}

    @cached_property
    def managed(self) -> frozenset[ManagedField]:
        """The fields of our leases that we compare and write."""
        if self.manage is not None:
            return self.manage
        has_values: dict[ManagedField, bool] = {
            "dhcp-option": True,
            "rate-limit": bool(self.plans or self.throttle) or self.plan_rates == "events",
            "lease-time": bool(self.lease_time),
            "address-lists": bool(self.address_lists),
        }
        return frozenset(name for name, has in has_values.items() if has)

    @cached_property
    def offered(self) -> tuple[str, str]:
        """Digest, which each pass compares, and what is stored where none was applied yet."""
        applied = AppliedPolicy.of(self, "first use")
        return applied.digest, applied.to_text()

    @property
    def ipv6_list(self) -> str:
        """The list of `/ipv6/firewall/address-list` that suspended services stand in."""
        return self.ipv6_suspend_list or self.suspend_list or SUSPENDED6

    @property
    def suspends_by(self) -> SuspendMode:
        """How a service is suspended when its events do not say it."""
        return self.suspend or ("walled_garden" if self.suspend_list else "block")

    def can_suspend_by(self, mode: SuspendMode) -> bool:
        """Return whether this router has what a way to suspend needs."""
        match mode:
            case "walled_garden":
                return bool(self.suspend_list)
            case "throttle":
                return bool(self.throttle) and "rate-limit" in self.managed
            case "block":
                return True


_DEFAULTS: Final = {
    field.name: field.default_factory()
    if field.default_factory is not dataclasses.MISSING
    else field.default
    for field in dataclasses.fields(RouterPolicy)
}


class Change(NamedTuple):
    """One field of a policy that changes; values as JSON texts."""

    field: str
    was: str
    now: str


class AppliedPolicy(NamedTuple):
    """A policy as stored.

    Attributes:
        digest: of its content: policies with equal digests write the same.
        fields: as compact JSON without the defaults, so that a version of Leasewire with more
            fields computes the same digest.
        at_ms: when, by the store's clock.
    """

    digest: str
    fields: str
    by: str = ""
    at_ms: int = 0

    @classmethod
    def of(cls, policy: RouterPolicy, by: str = "", at_ms: int = 0) -> Self:
        """Return the applied form of a policy of the inventory."""
        values = {name: getattr(policy, name) for name in _DEFAULTS}
        given = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
        text = json.dumps(given, sort_keys=True, separators=(",", ":"), default=_plain)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:16], text, by, at_ms)

    def to_text(self) -> str:
        """Return one line, the digest first: `acquire.lua` compares it."""
        return f"{self.digest}|{json.dumps([self.fields, self.by, self.at_ms])}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        digest, _, rest = text.partition("|")
        return cls(digest, *json.loads(rest))

    @property
    def observes(self) -> bool:
        """Whether it is in observe mode."""
        return _text(json.loads(self.fields), "mode") == '"observe"'

    def changes_to(self, new: Self) -> list[Change]:
        """Return the fields that differ, by name."""
        before, after = json.loads(self.fields), json.loads(new.fields)
        found = []
        for name in sorted(before.keys() | after.keys()):
            was, now = (_text(fields, name) for fields in (before, after))
            if was != now:
                found.append(Change(name, was, now))
        return found


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, _DEFAULTS.get(name))
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """Return a value that JSON lacks as one that it has, in a fixed order."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
