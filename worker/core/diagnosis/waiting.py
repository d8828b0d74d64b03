"""What a service waits for on a router, and what a person can do about it."""

from collections.abc import Mapping
from typing import Final

from worker.core.diagnosis.facts import AtRouter, Holder, Why

_ROW: Final = "remove or correct that row on the router: it is not ours to change"
ADVICE: Final[Mapping[str, str]] = {
    "pool-full": (
        "give the pool more `ranges` in the inventory (`leasewire pools list`): it continues when "
        "a value is free"
    ),
    "pool-not-read": "nothing to do: it continues when these routers were read",
    "no-pool": (
        "add it to the pools of the inventory, correct `routers` or `known_as` there, or have the "
        "BSS send another pool"
    ),
    "prefix-of-pool": "exclude it in the pool, or have the BSS send another prefix",
    "address-assigned": "have the BSS send another, or exclude it in the pool",
    "foreign-row": _ROW,
    "ambiguous-rows": _ROW,
    "row-in-the-way": _ROW,
    "unknown-plan": "add it to the plans of the inventory, or have the BSS send another",
    "devices-alike": "have the BSS give one of the two devices another, or remove it",
    "ipv6-client-ambiguous": (
        "have the BSS state `duid` and `iaid` in `ipv6`, or remove the binding of the other client"
    ),
}
"""What to do, by the reason, where its detail says all else."""


def waits_for(at: AtRouter, why: Why) -> tuple[str, str]:
    """Return the cause, and what to do."""
    match why.reason:
        case "claim-held":
            return _claim(at, why)
        case "waiting-for-router":
            return _missing_on_router(at, why)
        case "address-of-router":
            cause = f"{why.detail}: a device with this address would cut off all others there"
            return cause, "have the BSS send another address"
        case reason if reason in ADVICE:
            return why.detail, ADVICE[reason]
        case reason:
            return f"{why.detail} ({reason})", "nothing to do: it is rechecked periodically"


def _claim(at: AtRouter, why: Why) -> tuple[str, str]:
    if not at.holders:
        return why.detail, "nothing to do: it continues by itself"
    holder = at.holders[0].service_id
    advice = f"it continues by itself when {holder} gives it up; see `leasewire why {holder}`"
    return "; ".join(map(_holds, at.holders)), advice


def _holds(holder: Holder) -> str:
    kind, _, value = holder.claim.partition(":")
    what = "MAC" if kind == "mac" else kind
    sync = f", {holder.sync}" + (f": {holder.why}" if holder.why else "")
    beside = "" if holder.sync == "in_sync" else sync
    return f"{what} {value} is held by service {holder.service_id} ({holder.status}{beside})"


def _missing_on_router(at: AtRouter, why: Why) -> tuple[str, str]:
    if at.bindings and "v6" in why.detail:
        advice = "create it there, or have the BSS leave out `ipv6`: it is rechecked periodically"
        return f"the router lacks something that its IPv6 needs: {why.detail}", advice
    server = (at.wants or {}).get("server", "")
    named = f" (DHCP server: {server})" if server else ""
    advice = "create it there, or have the BSS send another: it is rechecked periodically"
    return f"the router lacks something that the row names{named}: {why.detail}", advice
