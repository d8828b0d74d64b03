"""Answers "why has this customer no address" in one sentence.

The judges below are asked in order, from the journal to the device; the first that has an
explanation is the answer. `device.py` judges what the device does.
"""

from typing import Final

from worker.core.diagnosis.device import judge_address, judge_device, judge_row, until_renewed
from worker.core.diagnosis.facts import AtRouter, Explanation, Facts, When
from worker.core.diagnosis.waiting import ADVICE, waits_for
from worker.core.effect.findings import EffectFinding
from worker.core.entry.brake import HELD
from worker.core.rows.rows import device_of
from worker.core.service.record import lacking
from worker.core.storage_format import short_type


def explain(facts: Facts, when: When) -> Explanation:
    """Return why a service has no address, or that all is well."""
    found, effect = _explain(facts, when), facts.effect
    if effect is None or effect.kind != found.code:  # suspended or cancelled
        return found
    if effect.state == "acting":
        return found._replace(sentence=f"{found.sentence}; acting: {effect.detail}")
    until = f" (until {when(effect.until_ms)} at the latest)" if effect.until_ms else ""
    return found._replace(sentence=f"{found.sentence}; not acting yet{until}: {effect.detail}")


def explain_whole(facts: Facts, when: When) -> Explanation | None:
    """Return what keeps the whole service from its router, for IPv4 and IPv6; None: nothing."""
    found = (judge(facts, when) for judge in _JUDGES)
    return next((explanation for explanation in found if explanation is not None), None)


def _explain(facts: Facts, when: When) -> Explanation:
    whole = explain_whole(facts, when)
    if whole is not None:
        return whole
    at = facts.home
    service = facts.record.service_id
    missing = lacking(facts.record)
    if at is None or (missing and at.wants is None):  # there is nothing to serve
        sentence = f"{service} belongs on no router{': ' if missing else ''}{missing}"
        return Explanation("on-no-router", sentence)
    found = judge_row(facts, at) or judge_address(at) or judge_device(facts, at, when)
    if found is not None:
        shadowed = f"; {at.shadow} stands before its own queue and takes its packets"
        more = shadowed if at.shadow else ""
        return found._replace(sentence=f"{service}: {found.sentence}{more}")
    return _not_asked(service, at)


def _journal(facts: Facts, when: When) -> Explanation | None:
    if not facts.journaled:
        return None
    first = min(facts.journaled, key=lambda event: event.since_ms)
    more = f" (and {len(facts.journaled) - 1} more)" if len(facts.journaled) > 1 else ""
    waits = (
        f"Event {first.event_id} ({short_type(first.type)}) of {facts.record.service_id}{more} is "
        f"in the journal since {when(first.since_ms)} and not processed yet"
    )
    if "events" in facts.workers:
        return Explanation("journaled", f"{waits}: workers are running, nothing is lost")
    advice = "start `leasewire worker`; nothing is lost until then"
    return Explanation("journaled", f"{waits}: no worker for events is running", advice)


def _held_by_brake(facts: Facts, when: When) -> Explanation | None:
    at = next((router for router in facts.at if router.why and router.why.reason == HELD), None)
    if at is None or at.why is None:
        return None
    row = f" ({at.written.get('address')} for {device_of(at.written)})" if at.written else ""
    status = facts.record.status
    change = "gets another device or address" if status == "active" else f"is {status}"
    return Explanation(
        HELD,
        f"{facts.record.service_id} {change}, held for approval since {when(at.why.since_ms)}: "
        f"{at.why.detail}. Until then its row{row} stays on {at.name}",
        "approve or reject: `leasewire brake list`",
    )


def _cancelled(facts: Facts, _: When) -> Explanation | None:
    record = facts.record
    if record.status != "cancelled":
        return None
    by = record.registers["lifecycle"].event
    left = f"; a row may still be on {', '.join(facts.to_clean)}" if facts.to_clean else ""
    return Explanation("cancelled", f"{record.service_id} was cancelled by event {by}{left}")


def _incomplete(facts: Facts, when: When) -> Explanation | None:
    record, service = facts.record, facts.record.service_id
    if record.status != "incomplete":
        return None
    coming = next(iter(facts.scheduled), None)
    if coming is not None:
        named = f"event {coming.event_id} ({short_type(coming.type)})"
        effect = f"takes effect at {when(coming.at_ms)}"
        return Explanation("scheduled", f"{service} is not active yet: {named} {effect}")
    dead_letter = next((letter for letter in facts.dead_letters if letter.kind == "event"), None)
    if dead_letter is not None:
        return Explanation(
            "rejected",
            f"{service} was never activated: its event was rejected ({dead_letter.reason}): "
            f"{dead_letter.detail}",
            f"see `leasewire dead-letters show {dead_letter.id}`, correct the event and send it",
        )
    types = ", ".join(sorted({short_type(event.event.type) for event in record.pending}))
    came = f", only {types} came" if types else ""
    return Explanation(
        "incomplete",
        f"{service} was not activated yet{came}: nothing is written to a router",
        "the BSS must send service.activated or a snapshot",
    )


def _unassigned(facts: Facts, _: When) -> Explanation | None:
    why = facts.record.unassigned.get("address")
    if why is None or facts.record.status != "active":
        return None
    sentence = f"{facts.record.service_id} waits for an address: {why.detail}"
    return Explanation(why.reason, sentence, ADVICE.get(why.reason, ""))


def _unknown_router(facts: Facts, when: When) -> Explanation | None:
    name, service, home = facts.record.row_router, facts.record.service_id, facts.home
    if name is None:
        return None
    read = when(facts.inventories[0]) if facts.inventories else ""
    if home is None or not home.known:
        theirs = f"; the running workers read the inventory at {read}" if read else ""
        return Explanation(
            "unknown-router",
            f"{service} waits: its router {name} is not in the inventory{theirs}",
            f"add {name} to the inventory and {_RELOAD}, or have the BSS send the right router",
        )
    if home.why is None or home.why.reason != "unknown-router" or not read:
        return None
    return Explanation(
        "unknown-router",
        f"{service} waits: the running workers read the inventory at {read}, before router {name} "
        "was added",
        _RELOAD,
    )


def _router(facts: Facts, when: When) -> Explanation | None:
    at, service = facts.home, facts.record.service_id
    if at is None or at.state == "up":
        return None
    tried = at.state in ("unreachable", "blocked")
    if not at.queued and not tried:
        return None  # it works, and nothing is to be written to it
    since = f"since {when(at.since_ms)}" if at.since_ms else "now"
    if at.queued:
        effect = f"nothing is written for {service}"
    else:
        as_last = "" if at.observed else " as last written and"
        effect = f"the row of {service} is{as_last} not checked since"
    cause = ": ".join(part for part in (at.cause, at.message) if part)
    cause = f" ({cause})" if cause else ""
    next_try = f"; next try {when(at.next_at_ms)}" if tried else ""
    if at.state == "unreachable":
        return Explanation(
            "router-unreachable",
            f"Router {at.name} is unreachable {since}{cause}: {effect}{next_try}",
            f"nothing, if it comes back by itself; else {_CHECK.format(router=at.name)}",
        )
    return Explanation(
        f"router-{at.state}",
        f"Router {at.name} is {at.state} {since}{cause}: {effect} until a person acts{next_try}",
        _ROUTER_ADVICE.get(at.state, "see `leasewire routers list`").format(router=at.name),
    )


def _waiting(facts: Facts, when: When) -> Explanation | None:
    at, service = facts.home, facts.record.service_id
    if at is None or at.why is None:
        return None
    why = at.why
    if not at.queued:
        return Explanation(
            "refused",
            f"Router {at.name} refused to write {service} ({why.reason}): {why.detail}",
            "correct the value, the next event tries again; see `leasewire dead-letters show "
            f"{service}@{at.name}`",
        )
    cause, advice = waits_for(at, why)
    since = when(why.since_ms)
    return Explanation(
        why.reason, f"{service} waits on router {at.name} since {since}: {cause}", advice
    )


def _suspended(facts: Facts, when: When) -> Explanation | None:
    record, at = facts.record, facts.home
    if record.status != "suspended":
        return None
    register = record.registers["suspension"]
    reason = register.value.get("reason_code") if isinstance(register.value, dict) else None
    because = f", reason {reason}" if reason else ""
    sentence = f"{record.service_id} is suspended by event {register.event}{because}"
    if at is not None and at.queued:
        sentence += f"; router {at.name} is not written yet"
    elif at is not None and (at.wants or {}).get("block-access") == "yes":
        renewed = until_renewed(facts, at, when)
        sentence += f"; its device keeps its lease until {renewed} at the latest" if renewed else ""
    leak = _leak(at) if at is not None and not at.queued else None
    if leak is None:
        return Explanation("suspended", sentence, "the BSS must send service.resumed")
    sentence += f"; it may be online all the same: on router {facts.record.router} {leak.detail}"
    return Explanation("suspended", sentence, f"see `leasewire runbook {leak.kind}`")


_OF_RATES: Final = frozenset({"fasttrack-defeats-rates", "queue-shadowed"})


def _leak(at: AtRouter) -> EffectFinding | None:
    """Why a suspended service may still be online: a block ends its lease, and not its IPv6."""
    blocked = (at.wants or {}).get("block-access") == "yes"
    for finding in at.findings:
        of_ipv6 = "IPv6" in finding.detail and bool(at.bindings)
        if finding.kind == "ipv6-not-covered" or (
            finding.kind not in _OF_RATES and (of_ipv6 or not blocked)
        ):
            return finding
    return None


def _pending(facts: Facts, when: When) -> Explanation | None:
    at = facts.home
    if at is None or not at.queued:
        return None
    events = facts.record.pending
    since = f" since {when(min(event.event.accepted_at_ms for event in events))}" if events else ""
    step = "checked" if at.observed else "written"
    sentence = f"{facts.record.service_id} waits to be {step} on router {at.name}{since}"
    if "routers" in facts.workers:
        return Explanation("pending", f"{sentence}: workers are running, its turn comes")
    return Explanation(
        "pending", f"{sentence}: no worker for routers is running", "start `leasewire worker`"
    )


def _not_asked(service: str, at: AtRouter) -> Explanation:
    if at.observed:
        return _awaiting_where_observed(service, at)
    row = at.wants or {}
    stands = f"({row.get('address')} for {device_of(row)}) was written and confirmed"
    if at.silence:
        return Explanation(
            "router-silent",
            f"{service}: its row {stands}, but router {at.name} does not answer now: {at.silence}",
            f"run `leasewire routers check {at.name}`",
        )
    return Explanation(
        "all-well",
        f"All is well with {service} as far as known: its row {stands} on router {at.name}, "
        "which was not asked about the device",
    )


def _awaiting_where_observed(service: str, at: AtRouter) -> Explanation:
    last = "as wanted" if at.is_right else "not as wanted"
    sentence = f"{service}: router {at.name} is in observe mode, its row was {last} when last read"
    if at.silence:
        sentence = f"{sentence}; the router does not answer now: {at.silence}"
        return Explanation("router-silent", sentence, f"run `leasewire routers check {at.name}`")
    if at.is_right:
        return Explanation("all-well", sentence)
    advice = f"`leasewire plan {at.name}` shows what differs"
    return Explanation("observed-differs", sentence, advice)


_RELOAD: Final = "send SIGHUP to `leasewire worker` or `leasewire up` to reload it"
_JUDGES: Final = (
    *(_journal, _held_by_brake, _cancelled, _incomplete, _unassigned, _unknown_router),
    *(_router, _waiting, _suspended, _pending),
)
_CHECK: Final = "run `leasewire routers check {router}`"
_ROUTER_ADVICE: Final = {
    "blocked": _CHECK,
    "policy-changed": "`leasewire routers apply {router}` shows what the new policy changes",
    "paused": "`leasewire routers resume {router}` lets workers write to it again",
}
