"""The keys of `routers.toml` for the policy of a router, and the plans."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from contracts.values import RouterName
from worker.core.entry.wanted import DEFAULT_KIND, KINDS
from worker.core.policy.policy import (
    SUSPENDED6,
    ManagedField,
    RouterPolicy,
    SessionEnd,
    SuspendMode,
)
from worker.core.rows.normal import comma_list, duration, rate_limit, seconds
from worker.core.rows.queues import BEFORE, FIRST, LAST, RATE_WORDS

_BEFORE_NAME: Final = re.compile(rf"{BEFORE}[^\x00-\x1f\x7f]{{1,255}}")
_RATE: Final = re.compile(r"\d+[kKmMgG]?(/\d+[kKmMgG]?)?( +\d\S*)*")


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value) or len(value.split()) > RATE_WORDS:
        raise ValueError("must be a rate such as 10M/50M, upload first")
    return rate_limit(value)


def _time(value: str) -> str:
    # The manuals disagree on what a lease time of 0s means.
    if not seconds(value):
        raise ValueError("must be a time of more than 0s, such as 30m")
    return duration(value)


def _time_or_never(value: str) -> str:
    return _time(value) if value else ""


def _entries(value: str) -> str:
    if value != "auto" and value not in KINDS:
        raise ValueError(f"must be auto or one of {', '.join(KINDS)}")
    return value


def _queue_place(value: str) -> str:
    if value not in (FIRST, LAST) and not _BEFORE_NAME.fullmatch(value):
        raise ValueError("must be first, last, or before NAME, the name of a queue")
    return value


Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,255}$")]
"""One line: it may be part of a script that a router runs."""
Rate = Annotated[str, AfterValidator(_rate)]
Time = Annotated[str, AfterValidator(_time)]
TimeOrNever = Annotated[str, AfterValidator(_time_or_never)]
QueuePlace = Annotated[str, AfterValidator(_queue_place)]
Entries = Annotated[str, AfterValidator(_entries)]
ListName = Annotated[str, StringConstraints(pattern=r"^[^\s,]{1,64}$")]


class TomlTable(BaseModel):
    """A table of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlanKeys(TomlTable):
    """`[plans.CODE]`: what a plan code means on every router."""

    rate_limit: Rate | None = None
    profile: Text | None = None


class PolicyKeys(TomlTable):
    """Keys of a router, or of `[defaults]`; see `worker.core.policy.policy.RouterPolicy`."""

    dhcp_server: Text = "all"
    identify_by: Literal["mac", "option-82"] = "mac"
    on_dynamic: Literal["remove", "wait"] = "remove"
    on_misfit: Literal["warn", "refuse"] = "warn"
    label: bool = False
    suspend: SuspendMode | None = None
    suspend_list: ListName | None = None
    ipv6_server: Text = "all"
    ipv6_life_time: Time | None = None
    ipv6_options: list[ListName] = []
    ipv6_suspend_list: ListName | None = None
    throttle: Rate | None = None
    manage: list[ManagedField] | None = None
    suspend_profile: Text | None = None
    ppp_service: Literal["any", "async", "l2tp", "ovpn", "pppoe", "pptp", "sstp"] = "pppoe"
    end_sessions: list[SessionEnd] | None = None
    rates: Literal["lease", "queue"] = "lease"
    queue_place: QueuePlace = "first"
    queue_parent: Text | None = None
    plan_rates: Literal["catalogue", "events"] = "catalogue"
    lease_time: Time | None = None
    shorten_leases: TimeOrNever = "2m"
    address_lists: list[ListName] = []
    option_set: ListName | None = None
    force_options: bool = False
    entries: Entries = "auto"
    user_manager: RouterName | None = None
    mode: Literal["manage", "observe"] = "manage"
    reconcile: Literal["report", "auto"] = "report"
    cut_connections: Literal["auto", "always", "never"] = "auto"
    reconfigure: bool = True
    reconfigures_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60

    def policy(self, installation: str, plans: Mapping[str, PlanKeys]) -> RouterPolicy:
        """Return the policy; a key that is not set has the policy's default."""
        given: dict[str, Any] = {name: getattr(self, name) for name in PolicyKeys.model_fields}
        given["default_server"] = given.pop("dhcp_server")
        for name in ("ipv6_options", "address_lists"):
            given[name] = comma_list(",".join(given[name]))
        for name in ("manage", "end_sessions"):
            given[name] = given[name] if given[name] is None else frozenset(given[name])
        if self.user_manager:  # on this router itself only what devices have is looked at
            given["entries"] = DEFAULT_KIND.name
        return RouterPolicy(
            installation=installation,
            plans={code: plan.rate_limit for code, plan in plans.items() if plan.rate_limit},
            profiles={code: plan.profile for code, plan in plans.items() if plan.profile},
            **{name: value for name, value in given.items() if value is not None},
        )


def problems_of_policy(merged: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems between keys of a router, from raw values."""
    needs = {"walled_garden": "suspend_list", "throttle": "throttle"}
    missing = needs.get(str(merged.get("suspend")))
    if missing is not None and not {missing, "suspend_profile"} & merged.keys():
        yield f".suspend: {merged['suspend']} needs the key {missing}"
    manage = merged.get("manage")
    if isinstance(manage, list):
        if "lease-time" in manage and "lease_time" not in merged:
            yield ".manage: names lease-time, but lease_time is not set"
        if "throttle" in merged and "rate-limit" not in manage:
            yield ".manage: leaves out rate-limit, by which throttle suspends"
    lists = merged.get("address_lists")
    if isinstance(lists, list):
        if merged.get("suspend_list") in lists:
            yield ".address_lists: must not name the suspend_list"
        elif merged.get("ipv6_suspend_list", merged.get("suspend_list", SUSPENDED6)) in lists:
            yield ".address_lists: must not name the list of suspended services of IPv6"
