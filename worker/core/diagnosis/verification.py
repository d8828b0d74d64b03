"""Checks whether a customer is online: one line for each thing that must hold."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.core.diagnosis.device import judge_address, judge_device, judge_row
from worker.core.diagnosis.explain_ipv6 import explain_ipv6
from worker.core.diagnosis.facts import AtRouter, Explanation, Facts, When
from worker.core.policy.router_check import CheckLine
from worker.core.rows.observed import SeenRow
from worker.core.rows.rows import device_of

_COMES_BY_ITSELF: Final = ("ipv6-client-found", "ipv6-client-changed")


class Probe(NamedTuple):
    """What a router saw of a device.

    Attributes:
        sent, received: pings, and answers to them.
        refusal: why the router did not ping, as it says; empty: it did.
        log: the last lines of its DHCP log about the device, the oldest first; None: it shows none.
    """

    sent: int = 0
    received: int = 0
    refusal: str = ""
    log: tuple[str, ...] | None = None


def held_row(at: AtRouter) -> SeenRow | None:
    """Return the row that the service's device holds on the router."""
    rows = at.seen.rows if at.seen is not None else ()
    return next((row for row in rows if row.is_held_by(device_of(at.wants or {}))), None)


def verify(facts: Facts, probe: Probe | None, when: When) -> Iterator[CheckLine]:
    """Yield the lines of `services verify`."""
    home = facts.home
    if facts.record.status != "active":
        message = f"the service is {facts.record.status}: its device should not be online"
        yield CheckLine("fail", "service", message, "`leasewire services show` names the event")
        return
    yield CheckLine("ok", "service", "the service is active")
    if home is None or home.wants is None:
        yield CheckLine("fail", "row", "it has no entry on any router", "`leasewire why` says why")
        return
    if home.seen is None:
        yield CheckLine(
            "fail",
            "router",
            f"{home.name} did not answer: {home.silence}",
            f"run `leasewire routers check {home.name}`",
        )
        return
    yield _row(facts, home)
    misfit = judge_address(home)
    if misfit is not None:
        yield CheckLine("fail", "address", misfit.sentence, misfit.advice)
    yield _device(facts, home, when)
    ipv6 = explain_ipv6(facts, when)
    if ipv6 is not None:
        yield _prefix(facts, ipv6)
    if probe is not None:
        yield _ping(home, probe)
        yield _log(home, probe)
    if facts.to_clean:
        message = f"an old row may still be on {', '.join(facts.to_clean)}"
        advice = "it is removed when that router can be reached"
        yield CheckLine("warn", "former-router", message, advice)


def _row(facts: Facts, home: AtRouter) -> CheckLine:
    found = judge_row(facts, home)
    if found is not None and found.code == "row-missing" and home.why is not None:
        message = f"{found.sentence}: {home.why.reason}: {home.why.detail}"
        return CheckLine("fail", "row", message, "`leasewire why` says what to do")
    if found is not None:
        return CheckLine("fail", "row", found.sentence, found.advice)
    if home.observed:
        message = f"the row on {home.name}, which is in observe mode, is as wanted"
        return CheckLine("ok", "row", message)
    if home.queued:
        message = f"the row on {home.name} is as written; a worker will check it again"
        return CheckLine("warn", "row", message, "if none does, see `leasewire why`")
    return CheckLine("ok", "row", f"the row on {home.name} is as wanted")


def _device(facts: Facts, home: AtRouter, when: When) -> CheckLine:
    found = judge_device(facts, home, when)
    if found is None:
        message = "this router's menu does not show which device is bound"
        return CheckLine("warn", "device", message, "look at the leases on the router")
    if found.code == "all-well":
        return CheckLine("ok", "device", found.sentence.removeprefix("all is well: "))
    advice = found.advice or "wait until then, or restart the device"
    moves = found.code in ("old-lease", "device-not-moved")
    return CheckLine("warn" if moves else "fail", "device", found.sentence, advice)


def _prefix(facts: Facts, found: Explanation) -> CheckLine:
    sentence = found.sentence.removeprefix(f"{facts.record.service_id}: ")
    if found.code == "all-well":
        return CheckLine("ok", "prefix", sentence.removeprefix("all is well: "))
    by_itself = found.code in _COMES_BY_ITSELF
    return CheckLine("warn" if by_itself else "fail", "prefix", sentence, found.advice)


def _ping(home: AtRouter, probe: Probe) -> CheckLine:
    if probe.refusal:
        message = f"{home.name} did not ping: {probe.refusal}"
        return CheckLine("warn", "ping", message, "give our user group there the policy test")
    message = f"the device answered {probe.received} of {probe.sent} pings from {home.name}"
    if probe.received == probe.sent:
        return CheckLine("ok", "ping", message)
    advice = "some devices ignore pings; otherwise check the line and firewalls in between"
    return CheckLine("warn", "ping", message, advice)


def _log(home: AtRouter, probe: Probe) -> CheckLine:
    if probe.log is None:
        message = f"{home.name} does not show its log"
        return CheckLine("warn", "log", message, "give our user group there the policy read")
    if not probe.log:
        message = f"the log of {home.name} has no DHCP line about the device"
        return CheckLine("ok", "log", f"{message} (it is short and lost at a restart)")
    return CheckLine("ok", "log", " | ".join(probe.log))
