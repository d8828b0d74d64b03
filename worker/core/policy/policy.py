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

    `docs/routers-toml.texts.toml` says of the key of each name what it does; an empty value is
    none, or leaves it to others. Several names in one value stand with commas in between.

    Attributes:
        installation: our installation's id, part of every tag.
        default_server: key `dhcp_server`: that of a service whose events name none.
        suspend: None: see `suspends_by`.
        ipv6_suspend_list: empty: see `ipv6_list`.
        manage: None: see `managed`.
        plans: rate limits by plan code; empty: there is no catalogue, and codes are ignored.
        profiles: PPP profiles by plan code; empty: profiles are left to others.
        entries: name of the kind of entry that the router holds for us; `auto`: the first kind
            meant for it whose menu the router has, else leases. A session finds out which.
        user_manager: empty: the rows of its services stand on this router.
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
