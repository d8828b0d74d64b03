"""Whether a customer is online, a line for each thing that must hold."""

from collections.abc import Iterator
from typing import NamedTuple

from worker.core.diagnosis.device import When, judge_address, judge_device, judge_row
from worker.core.diagnosis.facts import AtRouter, Facts
from worker.core.policy.router_check import CheckLine


class Probe(NamedTuple):
    """What a router saw of a device.

    Attributes:
        sent: pings.
        received: answers to them.
        refusal: why the router did not ping, in its words; empty: it did.
        log: the last lines of its DHCP log about the device, the oldest first; None: not told.
    """

    sent: int = 0
    received: int = 0
    refusal: str = ""
    log: tuple[str, ...] | None = None


def active_address(at: AtRouter) -> str:
    """The address that the device of the service holds on the router; empty: none."""
    mac = (at.wants or {}).get("mac-address", "")
    rows = at.seen.rows if at.seen is not None else ()
    return next((row.active_address for row in rows if mac and row.active_mac == mac), "")


def verify(facts: Facts, probe: Probe | None, when: When) -> Iterator[CheckLine]:
    """Judge.

    Args:
        facts: of the service, with its routers asked.
        probe: None: there was nothing to probe.
        when: writes a moment.
    """
    home = facts.home
    if facts.record.status != "active":
        message = f"the service is {facts.record.status}: its device is not to be online"
        yield CheckLine("fail", "service", message, "`leasewire services show` says by which event")
        return
    yield CheckLine("ok", "service", "the service is active")
    if home is None or home.wants is None:
        yield CheckLine("fail", "row", "it has no entry on any router", "`leasewire why` says why")
        return
    if home.seen is None:
        yield CheckLine(
            "fail",
            "router",
            f"{home.name} could not be asked: {home.silence}",
            f"`leasewire routers check {home.name}`",
        )
        return
    yield _row(facts, home)
    misfit = judge_address(home)
    if misfit.code:
        yield CheckLine("fail", "address", misfit.message, misfit.advice)
    yield _device(facts, home, when)
    if probe is not None:
        yield _ping(home, probe)
        yield _log(home, probe)
    if facts.to_clean:
        message = f"a row may still stand on {', '.join(facts.to_clean)}"
        yield CheckLine("warn", "former-router", message, "it goes by itself when that is reached")


def _row(facts: Facts, home: AtRouter) -> CheckLine:
    found = judge_row(facts, home)
    if found.code == "row-missing" and home.why is not None:
        message = f"{found.message}: {home.why.reason}: {home.why.detail}"
        return CheckLine("fail", "row", message, "`leasewire why` says who has to act")
    if found.code:
        return CheckLine("fail", "row", found.message, found.advice)
    if home.observed:
        message = f"the row on {home.name}, which is only observed, is as it is to be"
        return CheckLine("ok", "row", message)
    if home.queued:
        message = f"the row on {home.name} is as it was written, and is to be looked at again"
        return CheckLine(
            "warn", "row", message, "a worker does that; `leasewire why` if it does not"
        )
    return CheckLine("ok", "row", f"the row on {home.name} is as it is to be")


def _device(facts: Facts, home: AtRouter, when: When) -> CheckLine:
    found = judge_device(facts, home, when)
    if found.code == "all-well":
        return CheckLine("ok", "device", found.message.removeprefix("all is well: "))
    if not found.code:
        message = "this router's menu does not say which device is bound"
        return CheckLine("warn", "device", message, "look at its leases on the router")
    advice = found.advice or "wait until then, or restart it"
    moves = found.code in ("old-lease", "device-not-moved")
    return CheckLine("warn" if moves else "fail", "device", found.message, advice)


def _ping(home: AtRouter, probe: Probe) -> CheckLine:
    if probe.refusal:
        message = f"{home.name} did not ping: {probe.refusal}"
        return CheckLine("warn", "ping", message, "our group there may be given the policy test")
    message = f"{probe.received} of {probe.sent} pings from {home.name} were answered"
    if probe.received == probe.sent:
        return CheckLine("ok", "ping", message)
    advice = "a device may refuse pings; else look at the line, and at firewalls between"
    return CheckLine("warn", "ping", message, advice)


def _log(home: AtRouter, probe: Probe) -> CheckLine:
    if probe.log is None:
        message = f"{home.name} does not show its log"
        return CheckLine("warn", "log", message, "our group there needs the policy read")
    if not probe.log:
        message = f"the log of {home.name} has no DHCP line about it"
        return CheckLine("ok", "log", f"{message}: it keeps few, and none after a restart")
    return CheckLine("ok", "log", " | ".join(probe.log))
