"""PPP secrets, as PPPoE customers log in with: an entry for each service."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from worker.core.entry.entry import Entry, EntryKind, rate_of
from worker.core.entry.kinds.lease import Suspending, suspending
from worker.core.policy.policy import RouterPolicy, SuspendMode
from worker.core.rows import normal
from worker.core.rows.menus import Field, Menu
from worker.core.rows.operations import Waiting
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ANY_SERVER,
    NO_ADDRESS,
    QUEUES,
    Identity,
    Lease,
    ListPlace,
)
from worker.core.service.record import ServiceRecord

_DEFAULT: Final = "default"
"""The profile that every router has."""
_PROFILES: Final = "/ppp/profile"
_NO_PREFIX: Final = "::/0"
_ON_LINK: Final = "/64"
"""The only length with which a device takes an address by itself."""


def _prefix(value: str) -> str:
    return normal.prefix6(value).replace(_NO_PREFIX, "")


class PppSecretEntry(EntryKind):
    """A secret per service; a suspended one is disabled, in a list, or has another profile."""

    name = "ppp-secret"
    menu = Menu.of(
        "/ppp/secret",
        "MikroTik manual, CLI reference, ppp/secret",
        Field("name"),
        Field("password"),
        Field("service", default="any"),
        Field("profile", default=_DEFAULT),
        # an address; a pool is named by the profile
        Field("remote-address", default=NO_ADDRESS),
        Field("remote-ipv6-prefix", _prefix),
        Field("comment"),
        Field("disabled", normal.boolean, "no"),
    )
    names = {"address": "remote-address", "block-access": "disabled"}  # noqa: RUF012 - never written
    device = "name"
    uses = frozenset({ADDRESS_LISTS, QUEUES})
    refers = {"profile": _PROFILES}  # noqa: RUF012 - never written
    blocks_by_disabling = True
    shows_devices = True
    sessions = "/ppp/active"
    secrets = frozenset({"password"})
    policies = frozenset({"sensitive"})
    absent_advice = "Every RouterOS has this menu: check the policies of our user, or `entries`"
    # uisp-ros-plugin, issue 31
    stale = ("secret with the same name already exists",)

    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """See `EntryKind`."""
        login: Any = record.value("ppp") or {"name": "", "password": ""}
        address, is_pool = str(record.address), record.has_pool
        mode, note = _suspending(record, policy, own_address=not is_pool)
        notes = [] if note is None else [note]
        fields = {
            "name": login["name"],
            "password": login["password"],
            "service": policy.ppp_service,
            "address": NO_ADDRESS if is_pool else address,
            "server": ANY_SERVER,
            "block-access": "yes" if mode == "block" else "no",
        }
        listed: frozenset[ListPlace] = frozenset()
        by_profile = policy.suspend_profile and mode in ("walled_garden", "throttle")
        if mode == "walled_garden" and not by_profile:
            listed = frozenset({ListPlace(policy.suspend_list, address)})
        profile, spares = _profile(record, policy)
        if by_profile:
            profile, spares = policy.suspend_profile, {}
        missing = profile if isinstance(profile, Waiting) else None
        if isinstance(profile, str) and profile:
            fields["profile"] = profile
        queue: OwnQueue | None = None
        if policy.rates == "queue" and "rate-limit" in policy.managed and not is_pool:
            rate = policy.throttle if mode == "throttle" else rate_of(record, policy)
            if isinstance(rate, Waiting):
                missing = missing or rate
            elif rate:
                queue = OwnQueue(address, rate, policy.queue_place, policy.queue_parent)
        elif "rate-limit" in policy.managed and rate_of(record, policy) and not policy.profiles:
            notes.append(
                ("rate-not-managed", "a secret has no rate: use profiles, or rates = queue")
            )
        prefix = record.prefix
        if prefix is not None and not prefix.endswith(_ON_LINK):
            detail = (
                f"a secret has a prefix of {_ON_LINK}, not {prefix}: the profile gives longer ones"
            )
            notes.append(("ipv6-not-managed", detail))
            prefix = None
        fields["remote-ipv6-prefix"] = prefix or ""
        if record.value("options") or record.value("dns_servers"):
            notes.append(
                ("options-not-managed", "PPP has no DHCP options: the profile has DNS servers")
            )
        return Entry(
            record.service_id,
            fields,
            record.label if policy.label else "",
            listed=listed,
            queue=queue,
            missing=missing,
            notes=tuple(notes),
            is_pool=is_pool,
            spares=spares,
        )

    def taking_back(self, entry: Entry, sent: Collection[Identity]) -> Entry:
        """See `EntryKind`. A profile is left to others only where no plan brought it."""
        ours = frozenset(profile for device, address, profile in sent if not device + address)
        fields, spares = entry.fields, entry.spares
        if not ours or fields is None or ("profile" in fields and "profile" not in spares):
            return entry
        spares = {"profile": ours | spares.get("profile", frozenset())}
        return replace(entry, fields={**fields, "profile": _DEFAULT}, spares=spares)

    def named(self, policy: RouterPolicy) -> Mapping[str, frozenset[str]]:
        """See `EntryKind`."""
        return {_PROFILES: frozenset({*policy.profiles.values(), policy.suspend_profile} - {""})}

    def said_by(self, row: Lease, policy: RouterPolicy) -> Mapping[str, str] | None:
        """See `EntryKind`. Without an address it is the profile that names the pool."""
        if row.fields["service"] not in ("any", policy.ppp_service):
            return None  # of a tunnel
        said = {f"ppp_{name}": row.fields[name] for name in ("name", "password")}
        profile = row.fields["profile"]
        said |= {"pool": profile} if row.address == NO_ADDRESS else {"ipv4": row.address}
        plans = [code for code, named in policy.profiles.items() if named == profile]
        if len(plans) == 1:
            said["plan"] = plans[0]
        if profile == policy.suspend_profile:
            said["suspension_mode"] = "walled_garden"
        return said

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        own_names = {own: name for name, own in self.names.items()}
        named = {own_names.get(name, name): value for name, value in values.items()}
        return {"server": ANY_SERVER, **named}

    def own_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        own = super().own_fields(fields)
        if own.get("remote-ipv6-prefix") == "":  # no source says that an empty value clears it
            return {**own, "remote-ipv6-prefix": _NO_PREFIX}
        return own


def _profile(
    record: ServiceRecord, policy: RouterPolicy
) -> tuple[str | Waiting, Mapping[str, frozenset[str]]]:
    """The profile of a service's plan, empty where it is left to others; and what to spare.

    Where it is left to others, ours is taken back: that of a plan that is gone, and that of the
    suspended, which may be there unconfirmed while events of the service are pending.
    """
    plan: Any = record.value("plan")
    if policy.profiles and plan:
        if plan["code"] in policy.profiles:
            return policy.profiles[plan["code"]], {}
        detail = f"plan {plan['code']} names no profile in the catalogue"
        return Waiting("unknown-plan", detail), {}
    at = record.placements.get(record.row_router or "")
    ours = ((at and at.written) or {}).get("profile")
    if ours and ours != policy.suspend_profile:
        return _DEFAULT, {}
    if policy.suspend_profile and (ours or record.pending):
        return _DEFAULT, {"profile": frozenset({policy.suspend_profile})}
    return "", {}


def _suspending(record: ServiceRecord, policy: RouterPolicy, *, own_address: bool) -> Suspending:
    by_list = bool(policy.suspend_list) and own_address
    by_queue = policy.rates == "queue" and bool(policy.throttle) and own_address
    can: dict[SuspendMode, bool] = {
        "block": True,
        "walled_garden": bool(policy.suspend_profile) or by_list,
        "throttle": bool(policy.suspend_profile) or by_queue,
    }
    why_not = "the router's policy has neither a suspend_profile nor what it needs for this service"
    by_default: SuspendMode = (
        "walled_garden" if policy.suspend_list or policy.suspend_profile else "block"
    )
    return suspending(
        record.value("suspension"),
        policy.suspend or by_default,
        lambda mode: "" if can[mode] else why_not,
    )
