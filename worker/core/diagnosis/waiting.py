"""What a service waits for on a router, and what a person can do about it."""

from collections.abc import Callable, Mapping
from typing import Final

from worker.core.diagnosis.facts import AtRouter, Holder, Why


def waits_for(at: AtRouter, why: Why) -> tuple[str, str]:
    """Return the cause, and what to do."""
    if why.reason in OF_POOLS:
        return why.detail, OF_POOLS[why.reason]
    return _WAITS.get(why.reason, _wait_other)(at, why)


OF_POOLS: Final[Mapping[str, str]] = {
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
}
"""What to do about a service that has no address or prefix of a pool, by the reason."""


def _wait_claim(at: AtRouter, why: Why) -> tuple[str, str]:
    if not at.holders:
        return why.detail, "nothing to do: it continues by itself"
    holder = at.holders[0].service_id
    return (
        "; ".join(map(_holds, at.holders)),
        f"it continues by itself when {holder} gives it up; see `leasewire why {holder}`",
    )


def _holds(holder: Holder) -> str:
    kind, _, value = holder.claim.partition(":")
    what = "MAC" if kind == "mac" else kind
    sync = f", {holder.sync}" + (f": {holder.why}" if holder.why else "")
    beside = "" if holder.sync == "in_sync" else sync
    return f"{what} {value} is held by service {holder.service_id} ({holder.status}{beside})"


def _wait_row(_: AtRouter, why: Why) -> tuple[str, str]:
    return why.detail, "remove or correct that row on the router: it is not ours to change"


def _wait_router(at: AtRouter, why: Why) -> tuple[str, str]:
    server = (at.wants or {}).get("server", "")
    if at.bindings and "v6" in why.detail:
        advice = "create it there, or have the BSS leave out `ipv6`: it is rechecked periodically"
        return f"the router lacks something that its IPv6 needs: {why.detail}", advice
    named = f" (DHCP server: {server})" if server else ""
    return (
        f"the router lacks something that the row names{named}: {why.detail}",
        "create it there, or have the BSS send another: it is rechecked periodically",
    )


def _wait_plan(_: AtRouter, why: Why) -> tuple[str, str]:
    return why.detail, "add it to the plans of the inventory, or have the BSS send another"


def _wait_address(_: AtRouter, why: Why) -> tuple[str, str]:
    return (
        f"{why.detail}: a device with this address would cut off all others there",
        "have the BSS send another address",
    )


def _wait_devices(_: AtRouter, why: Why) -> tuple[str, str]:
    return why.detail, "have the BSS give one of the two devices another, or remove it"


def _wait_client(_: AtRouter, why: Why) -> tuple[str, str]:
    return (
        why.detail,
        "have the BSS state `duid` and `iaid` in `ipv6`, or remove the binding of the other client",
    )


def _wait_other(_: AtRouter, why: Why) -> tuple[str, str]:
    return f"{why.detail} ({why.reason})", "nothing to do: it is rechecked periodically"


_WAITS: Final[Mapping[str, Callable[[AtRouter, Why], tuple[str, str]]]] = {
    "claim-held": _wait_claim,
    "foreign-row": _wait_row,
    "ambiguous-rows": _wait_row,
    "row-in-the-way": _wait_row,
    "waiting-for-router": _wait_router,
    "unknown-plan": _wait_plan,
    "address-of-router": _wait_address,
    "devices-alike": _wait_devices,
    "ipv6-client-ambiguous": _wait_client,
}
