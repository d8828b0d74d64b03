"""What the rows of a bound device look like, and what a dynamic lease keeps from others."""

from typing import Final

from worker.core.rows.normal import seconds
from worker.core.rows.rows import LEASES, QUEUES
from worker.selftest.device import LabDevice
from worker.selftest.lab import DEVICE_MAC, LEASE_S, NAME, TAG
from worker.selftest.questions import ProbeResult, Questions

_RECONFIGURE_SINCE: Final = (7, 19)
_TOO_OLD: Final = "send-reconfigure is in RouterOS 7.19 and later"
_SECONDS: Final = 15
_OTHER_MAC: Final = "02:4C:57:00:00:04"

QUESTIONS: Final = Questions()


@QUESTIONS.add(
    "Is a static lease accepted on an address that another device's dynamic lease holds?",
    _SECONDS,
    needs_device=True,
)
def _static_on_dynamic_address(device: LabDevice) -> ProbeResult:
    router = device.router
    with device.lent(address_pool=NAME):
        lease = device.bind_any()
        own = {"server": NAME, "comment": TAG, "mac-address": _OTHER_MAC}
        tried = router.attempt(f"{LEASES}/add", {**own, "address": lease["active-address"]})
        if tried.refusal:
            return ProbeResult.of("refuse", f"refused: {tried.refusal}")
        return ProbeResult.of("allow", "accepted")


@QUESTIONS.add("What is the name of a lease's queue?", _SECONDS, is_switch=False, needs_device=True)
def _queue_name(device: LabDevice, **fields: str) -> ProbeResult:
    router = device.router
    with device.lent() as address:
        device.lease(address=address, rate_limit="1M/1M", **fields)
        device.bind(address)
        queues = router.rows(QUEUES, dynamic="true")
        names = [row["name"] for row in queues if f"{address}/32" in row.get("target", "")]
        if not names:
            return ProbeResult.of(None, "a bound device has no queue")
        name = names[0].replace(DEVICE_MAC, "MAC").replace(address, "ADDRESS")
        if router.identity:
            name = name.replace(router.identity, "HOST-NAME")
        return ProbeResult.of(name, "the name of its dynamic queue")


@QUESTIONS.add("And with allow-dual-stack-queue=no?", _SECONDS, is_switch=False, needs_device=True)
def _queue_name_alone(device: LabDevice) -> ProbeResult:
    return _queue_name(device, allow_dual_stack_queue="no")


@QUESTIONS.add(
    "Has the static row of a bound device an age?", _SECONDS, is_switch=False, needs_device=True
)
def _age_of_static(device: LabDevice) -> ProbeResult:
    with device.lent() as address:
        device.lease(address=address)
        return ProbeResult.of("yes" if "age" in device.bind(address) else "no", "its row")


@QUESTIONS.add("What does lease-time=0s mean?", _SECONDS, is_switch=False, needs_device=True)
def _zero_lease_time(device: LabDevice) -> ProbeResult:
    with device.lent() as address:
        device.lease(address=address, lease_time="0s")
        expires = device.bind(address).get("expires-after", "")
        left_s = seconds(expires) if expires else None
        if left_s is None:
            return ProbeResult.of("for ever", "a bound device's row has no expires-after")
        if 0 < left_s <= LEASE_S:
            return ProbeResult.of("that of the server", "expires-after is at most the server's")
        return ProbeResult.of(None, f"expires-after is {expires}")


@QUESTIONS.add(
    "What is said of a refused send-reconfigure?", _SECONDS, is_switch=False, needs_device=True
)
def _refused_reconfigure(device: LabDevice) -> ProbeResult:
    if not device.router.since(*_RECONFIGURE_SINCE):
        return ProbeResult.of(None, _TOO_OLD)
    with device.lent() as address:
        row_id = device.lease(address=address)
        device.bind(address)
        tried = device.router.attempt(f"{LEASES}/send-reconfigure", {"numbers": row_id})
        return ProbeResult.of(tried.refusal or "accepted", "the server has use-reconfigure=no")


@QUESTIONS.add("Which values has reconfigure-status?", _SECONDS, is_switch=False, needs_device=True)
def _reconfigure_status(device: LabDevice) -> ProbeResult:
    if not device.router.since(*_RECONFIGURE_SINCE):
        return ProbeResult.of(None, _TOO_OLD)
    router = device.router
    statuses: list[str] = []
    with device.lent(use_reconfigure="yes") as address:
        row_id = device.lease(address=address)
        lease = device.bind(address, allow_reconfigure="yes")
        if not lease.get("reconfigure-key"):
            return ProbeResult.of(None, "the device did not get a key")
        tried = router.attempt(f"{LEASES}/send-reconfigure", {"numbers": row_id})
        if tried.refusal:
            return ProbeResult.of(None, f"refused: {tried.refusal}")

        def look() -> None:
            rows = router.rows(LEASES, active_address=address)
            status = rows[0].get("reconfigure-status", "") if rows else ""
            if status and status not in statuses:
                statuses.append(status)

        device.clock.watch(look, 5)
        return ProbeResult.of(", ".join(statuses) or None, "the server's row, in 5 s")
