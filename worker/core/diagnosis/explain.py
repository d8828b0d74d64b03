"""One sentence that answers "why has this customer no address", from facts alone.

The judges are asked in order, from what keeps an event from being folded to what the device does;
the first that has something to say is the answer. What the device does is judged in `device.py`.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from worker.core.diagnosis.device import When, judge_address, judge_device, judge_row, until_renewed
from worker.core.diagnosis.facts import AtRouter, Facts, Holder, Why
from worker.core.entry.brake import HELD
from worker.core.entry.entry import lacking


class Explanation(NamedTuple):
    """The answer.

    Attributes:
        code: one word for programs, such as `router-unreachable`; `all-well` when nothing is wrong.
        sentence: for people.
        advice: what somebody is to do; empty when all goes on by itself.
    """

    code: str
    sentence: str
    advice: str = ""


def explain(facts: Facts, when: When) -> Explanation:
    """Say why a service has no address, or that all is well."""
    for judge in _JUDGES:
        found = judge(facts, when)
        if found is not None:
            return found
    at = facts.home
    service = facts.record.service_id
    if at is None:  # the status alone says that there is nothing to serve
        missing = lacking(facts.record)
        message = f"{service} is to be served by no router{': ' if missing else ''}{missing}"
        return Explanation("on-no-router", message)
    for code, message, advice in (
        judge_row(facts, at),
        judge_address(at),
        judge_device(facts, at, when),
    ):
        if code:
            return Explanation(code, f"{service}: {message}", advice)
    return _in_sync(service, at)


def _journal(facts: Facts, when: When) -> Explanation | None:
    if not facts.journaled:
        return None
    first = min(facts.journaled, key=lambda each: each.since_ms)
    more = f" and {len(facts.journaled) - 1} more" if len(facts.journaled) > 1 else ""
    begun = (
        f"Event {first.event_id} ({short_type(first.type)}){more} of {facts.record.service_id} "
        f"is in the journal since {when(first.since_ms)} and not folded yet"
    )
    if "events" in facts.workers:
        return Explanation("journaled", f"{begun}: the workers are at it, nothing is lost")
    advice = "start `leasewire worker`: nothing is lost until then"
    return Explanation("journaled", f"{begun}: no worker that folds events is running", advice)


def _braked(facts: Facts, when: When) -> Explanation | None:
    at = next((each for each in facts.at if each.why and each.why.reason == HELD), None)
    if at is None or at.why is None:
        return None
    stands = (
        f"({at.written.get('address')} for {at.written.get('mac-address')})" if at.written else ""
    )
    status = facts.record.status
    what = "is to have another device or address" if status == "active" else f"is to be {status}"
    return Explanation(
        HELD,
        f"{facts.record.service_id} {what}, but the brake holds that since "
        f"{when(at.why.since_ms)}: {at.why.detail}; its row {stands} stands on {at.name} as before",
        "`leasewire brake list` shows it with all others; approve or reject them there",
    )


def _cancelled(facts: Facts, _: When) -> Explanation | None:
    record = facts.record
    if record.status != "cancelled":
        return None
    by = record.registers["lifecycle"].event
    left = f"; a row may still stand on {', '.join(facts.to_clean)}" if facts.to_clean else ""
    message = f"{record.service_id} was cancelled by event {by}: it is to have no address{left}"
    return Explanation("cancelled", message)


def _incomplete(facts: Facts, when: When) -> Explanation | None:
    record, service = facts.record, facts.record.service_id
    if record.status != "incomplete":
        return None
    coming = next(iter(facts.scheduled), None)
    if coming is not None:
        named = f"event {coming.event_id} ({short_type(coming.type)})"
        effect = f"takes effect at {when(coming.at_ms)}"
        return Explanation("scheduled", f"{service} is not active yet: {named} {effect}")
    dead_letter = next((each for each in facts.dead_letters if each.kind == "event"), None)
    if dead_letter is not None:
        return Explanation(
            "rejected",
            f"{service} was never activated: its event was refused ({dead_letter.reason}): "
            f"{dead_letter.detail}",
            f"see `leasewire dead-letters show {dead_letter.id}`; correct it and send it anew",
        )
    said = ", ".join(sorted({short_type(each.type) for each in record.pending}))
    heard = f", only {said} came" if said else ""
    return Explanation(
        "incomplete",
        f"{service} was not activated yet{heard}: nothing is written to a router",
        "the BSS must send service.activated or a snapshot",
    )


def _unknown_router(facts: Facts, when: When) -> Explanation | None:
    name, service, home = facts.record.router, facts.record.service_id, facts.home
    if name is None:
        return None
    read = when(facts.inventories[0]) if facts.inventories else ""
    if home is None or not home.known:
        theirs = f"; the running workers read theirs at {read}" if read else ""
        return Explanation(
            "unknown-router",
            f"{service} is to be served by router {name}, which is not in the inventory: its "
            f"events wait{theirs}",
            f"add {name} to the inventory and {_ANEW}, or have the BSS send the right router",
        )
    if home.why is None or home.why.reason != "unknown-router" or not read:
        return None
    return Explanation(
        "unknown-router",
        f"{service} waits: router {name} is in the inventory, but not in the one that the running "
        f"workers read at {read}",
        _ANEW,
    )


def _router(facts: Facts, when: When) -> Explanation | None:
    at, service = facts.home, facts.record.service_id
    if at is None or at.state == "up":
        return None
    if not at.queued and at.state not in ("unreachable", "blocked"):
        return None  # it works, and nothing is to be written to it
    since = f"since {when(at.since_ms)}" if at.since_ms else "now"
    row = "its row is" if at.observed else "the row is as last written,"
    what = f"for {service} " + (
        "nothing is written to it" if at.queued else f"{row} not read since then"
    )
    message = ": ".join(part for part in (at.cause, at.message) if part)
    said = f" ({message})" if message else ""
    if at.state == "unreachable":
        return Explanation(
            "router-unreachable",
            f"router {at.name} is out of reach {since}{said}: {what}; it is tried again by itself, "
            f"next {when(at.next_at_ms)}",
        )
    return Explanation(
        f"router-{at.state}",
        f"router {at.name} is {at.state} {since}{said}: {what} until a person acts",
        _ROUTER_ADVICE.get(at.state, "see `leasewire routers list`").format(router=at.name),
    )


def _waiting(facts: Facts, when: When) -> Explanation | None:
    at, service = facts.home, facts.record.service_id
    if at is None or at.why is None:
        return None
    why = at.why
    since = f"since {when(why.since_ms)}"
    if not at.queued:
        dead_letter = f"{service}@{at.name}"
        return Explanation(
            "refused",
            f"router {at.name} refused what {service} is to have ({why.reason}): {why.detail}",
            f"correct the value: the next event tries anew; see `leasewire dead-letters show "
            f"{dead_letter}`",
        )
    message, advice = _WAITS.get(why.reason, _wait_other)(at, why)
    return Explanation(
        why.reason, f"{service} waits at router {at.name} {since}: {message}", advice
    )


def _wait_claim(at: AtRouter, why: Why) -> tuple[str, str]:
    if not at.holders:
        return why.detail, "it goes on by itself"
    message = "; ".join(_holds(each) for each in at.holders)
    holder = at.holders[0].service_id
    return message, f"it goes on by itself when {holder} lets go; see `leasewire why {holder}`"


def _holds(holder: Holder) -> str:
    kind, _, value = holder.claim.partition(":")
    what = "MAC" if kind == "mac" else kind
    own = f", itself {holder.sync}" + (f" ({holder.why})" if holder.why else "")
    beside = "" if holder.sync == "in_sync" else own
    return f"{what} {value} is held by service {holder.service_id} ({holder.status}{beside})"


def _wait_row(_: AtRouter, why: Why) -> tuple[str, str]:
    return (
        why.detail,
        "a person at the router removes or corrects that row: it is not ours to change",
    )


def _wait_router(at: AtRouter, why: Why) -> tuple[str, str]:
    server = (at.wants or {}).get("server", "")
    named = f" (its DHCP server is to be {server})" if server else ""
    return (
        f"the router does not know what it names{named}: {why.detail}",
        "make it there, or have the BSS name another: it is looked at again by itself",
    )


def _wait_plan(_: AtRouter, why: Why) -> tuple[str, str]:
    return why.detail, "add it to the plans of the inventory, or have the BSS send another"


def _wait_address(_: AtRouter, why: Why) -> tuple[str, str]:
    return (
        f"{why.detail}: a device with it would cut off all others there",
        "have the BSS send another address",
    )


def _wait_other(_: AtRouter, why: Why) -> tuple[str, str]:
    return f"{why.detail} ({why.reason})", "it is looked at again by itself"


_WAITS: Final[Mapping[str, Callable[[AtRouter, Why], tuple[str, str]]]] = {
    "claim-held": _wait_claim,
    "foreign-row": _wait_row,
    "ambiguous-rows": _wait_row,
    "row-in-the-way": _wait_row,
    "waiting-for-router": _wait_router,
    "unknown-plan": _wait_plan,
    "address-of-router": _wait_address,
}


def _suspended(facts: Facts, when: When) -> Explanation | None:
    record, at = facts.record, facts.home
    if record.status != "suspended":
        return None
    register = record.registers["suspension"]
    reason = register.value.get("reason_code") if isinstance(register.value, dict) else None
    because = f", reason {reason}" if reason else ""
    message = f"{record.service_id} is suspended by event {register.event}{because}"
    if at is not None and at.queued:
        message = f"{message}; router {at.name} is still to be written"
    elif at is not None and (at.wants or {}).get("block-access") == "yes":
        renewed = until_renewed(facts, at, when)
        message += f"; its device has its lease until {renewed} at the latest" if renewed else ""
    return Explanation("suspended", message, "the BSS must send service.resumed")


def _pending(facts: Facts, when: When) -> Explanation | None:
    at = facts.home
    if at is None or not at.queued:
        return None
    events = facts.record.pending
    since = f" since {when(min(each.accepted_at_ms for each in events))}" if events else ""
    what = "looked at on" if at.observed else "written to"
    begun = f"{facts.record.service_id} is to be {what} router {at.name}{since}"
    if "routers" in facts.workers:
        return Explanation("pending", f"{begun}: its turn comes")
    return Explanation(
        "pending",
        f"{begun}: no worker that writes to routers is running",
        "start `leasewire worker`",
    )


def _in_sync(service: str, at: AtRouter) -> Explanation:
    if at.observed:
        return _awaiting_where_observed(service, at)
    row = at.wants or {}
    stands = f"({row.get('address')} for {row.get('mac-address')}) was written and read back"
    if at.silence:
        return Explanation(
            "router-silent",
            f"{service}: its row {stands}, but router {at.name} does not answer now: {at.silence}",
            f"`leasewire routers check {at.name}` says what to do",
        )
    return Explanation(
        "all-well",
        f"all is well with {service} as far as we know: its row {stands} on router {at.name}, "
        "which was not asked about the device",
    )


def _awaiting_where_observed(service: str, at: AtRouter) -> Explanation:
    message = f"router {at.name} is only observed"
    last = "as it is to be" if at.is_right else "not as it is to be"
    message = f"{service}: {message}: when it was last looked at, the row there was {last}"
    if at.silence:
        advice = f"`leasewire routers check {at.name}` says what to do"
        return Explanation(
            "router-silent", f"{message}; it does not answer now: {at.silence}", advice
        )
    if at.is_right:
        return Explanation("all-well", message)
    return Explanation(
        "observed-differs", message, f"`leasewire plan {at.name}` shows what differs"
    )


def short_type(type_: str) -> str:
    """`mac_changed` of `leasewire.service.mac_changed.v1`."""
    parts = type_.split(".")
    return parts[-2] if len(parts) > 2 else type_  # noqa: PLR2004 - prefix, name, version


_ANEW: Final = "send `leasewire worker` or `leasewire up` a SIGHUP: then they read it"
_JUDGES: Final = (
    *(_journal, _braked, _cancelled, _incomplete, _unknown_router, _router),
    *(_waiting, _suspended, _pending),
)
_ROUTER_ADVICE: Final = {
    "blocked": "`leasewire routers check {router}` says what to do",
    "policy-changed": "`leasewire routers apply {router}` shows what the new policy changes",
    "held": "`leasewire routers release {router}` lets workers write to it again",
}
