"""How a service is suspended on a router, and what its lease and its lists hold for it."""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from worker.core.policy.policy import RouterPolicy, SuspendMode
from worker.core.service.record import ServiceRecord

_NEEDS: Final[Mapping[SuspendMode, str]] = {
    "walled_garden": "names no suspend_list",
    "throttle": "has no throttle rate, or leaves rate-limit to others",
}


class Suspending(NamedTuple):
    """What is to be done.

    Attributes:
        mode: how the service is suspended; None: it is not.
        note: kind and sentence for a person, where it is not as the event asks.
    """

    mode: SuspendMode | None
    note: tuple[str, str] | None = None


def suspending(record: ServiceRecord, policy: RouterPolicy, *, own_address: bool) -> Suspending:
    """Decide: the event's mode where the router can do it, else the policy's, else `block`.

    Args:
        record: of the service.
        policy: of the router.
        own_address: its address is its own: a pool's is not known, and cannot be in a list.
    """
    held = record.value("suspension")
    if not isinstance(held, dict):
        return Suspending(None)
    asked = cast("SuspendMode | None", held.get("mode"))
    refused: list[str] = []
    for mode in (asked, policy.suspends_by):
        if mode is None:
            continue
        why = None if policy.can_suspend_by(mode) else f"the router's policy {_NEEDS[mode]}"
        if mode == "walled_garden" and why is None and not own_address:
            why = "an address of a pool is not known before the device has it"
        if why is None:
            return Suspending(mode, _note(refused, mode))
        refused.append(f"{mode} cannot be done: {why}")
    return Suspending("block", _note(refused, "block"))


def _note(refused: list[str], mode: SuspendMode) -> tuple[str, str] | None:
    if not refused:
        return None
    return "suspend-mode", f"suspended by {mode} instead: {'; '.join(dict.fromkeys(refused))}"
