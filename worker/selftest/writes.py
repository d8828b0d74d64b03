"""What the router accepts and refuses: questions that need no device."""

from collections.abc import Mapping, Sequence
from typing import Final

from worker.core.rows.rows import BINDINGS, LEASES, OPTIONS
from worker.selftest.device import LabDevice
from worker.selftest.lab import INSIDE, NAME, NETWORK, SERVERS, SERVERS6, TAG
from worker.selftest.lab_router import Tried
from worker.selftest.questions import ProbeResult, Questions

_MACS: Final = ("02:4C:57:00:01:01", "02:4C:57:00:01:02")
_ADDRESS: Final = str(NETWORK[150])
_OTHER_ADDRESS: Final = str(NETWORK[151])
_DUIDS: Final = ("0x00030001024c57000101", "0x00030001024c57000102")
_PREFIXES: Final = ("2001:db8:198:100::/56", "2001:db8:198:200::/56")

QUESTIONS: Final = Questions()


def _leases(device: LabDevice, *rows: Mapping[str, str]) -> list[Tried]:
    """Add leases and remove them again."""
    own = {"server": NAME, "comment": TAG}
    tried = [device.router.attempt(f"{LEASES}/add", {**own, **row}) for row in rows]
    _remove(device, LEASES, tried)
    return tried


def _remove(device: LabDevice, menu: str, tried: Sequence[Tried]) -> None:
    for one in tried:
        if one.row_id:
            device.router.attempt(f"{menu}/remove", {"numbers": one.row_id})


def _second(first: Tried, second: Tried, *, accepted: object, refused: object) -> ProbeResult:
    """The answer where a second row is accepted or refused, and the first must be there."""
    if first.refusal:
        return ProbeResult.of(None, f"the first row was refused: {first.refusal}")
    if second.refusal:
        return ProbeResult.of(refused, f"refused: {second.refusal}")
    return ProbeResult.of(accepted, "accepted")


def _allowed(first: Tried, second: Tried) -> ProbeResult:
    return _second(first, second, accepted="allow", refused="refuse")


@QUESTIONS.add("May only one static lease have 0.0.0.0?")
def _zero_address_unique(device: LabDevice) -> ProbeResult:
    rows = [{"mac-address": mac, "address": "0.0.0.0"} for mac in _MACS]  # noqa: S104 - RouterOS: any
    first, second = _leases(device, *rows)
    return _second(first, second, accepted=False, refused=True)


@QUESTIONS.add("Does a disabled lease keep its address from others?")
def _disabled_address_unique(device: LabDevice) -> ProbeResult:
    first, second = ({"mac-address": mac, "address": _ADDRESS} for mac in _MACS)
    of_disabled, of_other = _leases(device, first | {"disabled": "yes"}, second)
    return _second(of_disabled, of_other, accepted=False, refused=True)


@QUESTIONS.add("Is a lease without MAC and client id accepted?")
def _lease_without_client(device: LabDevice) -> ProbeResult:
    (tried,) = _leases(device, {"address": _ADDRESS})
    return _allowed(Tried("", ""), tried)


@QUESTIONS.add("Is a second static lease with the same ids of option 82 accepted?")
def _double_option_82(device: LabDevice) -> ProbeResult:
    if not device.router.since(7, 21):
        return ProbeResult.of(None, "before 7.21 no lease has such fields")
    ids = {"agent-circuit-id": "6c77", "agent-remote-id": "01"}
    first, second = _leases(device, ids | {"address": _ADDRESS}, ids | {"address": _OTHER_ADDRESS})
    return _allowed(first, second)


@QUESTIONS.add("Can a DHCP option that a lease has be removed?")
def _option_in_use_removal(device: LabDevice) -> ProbeResult:
    router = device.router
    fields = {"name": NAME, "code": "224", "value": "0x01"}
    tag = {"comment": TAG} if router.since(7, 16) else {}
    option = router.attempt(f"{OPTIONS}/add", {**fields, **tag})
    own = {"server": NAME, "comment": TAG, "mac-address": _MACS[0], "dhcp-option": NAME}
    lease = router.attempt(f"{LEASES}/add", own)
    removed = router.attempt(f"{OPTIONS}/remove", {"numbers": option.row_id})
    _remove(device, LEASES, [lease])
    if removed.refusal:
        _remove(device, OPTIONS, [option])
    first = Tried("", option.refusal or lease.refusal)
    return _allowed(first, removed)


@QUESTIONS.add("What does make-static of a static lease?")
def _make_static_on_static(device: LabDevice) -> ProbeResult:
    router = device.router
    own = {"server": NAME, "comment": TAG, "mac-address": _MACS[0], "address": _ADDRESS}
    lease = router.attempt(f"{LEASES}/add", own)
    made = router.attempt(f"{LEASES}/make-static", {"numbers": lease.row_id})
    _remove(device, LEASES, [lease])
    return _second(lease, made, accepted="ignore", refused="refuse")


@QUESTIONS.add("Is a second static binding of a client or a prefix accepted?")
def _double_binding(device: LabDevice) -> ProbeResult:
    router = device.router
    server = router.attempt(
        f"{SERVERS6}/add", {"name": NAME, "interface": INSIDE, "disabled": "no", "comment": TAG}
    )
    if server.refusal:
        return ProbeResult.of(None, f"a DHCPv6 server was refused: {server.refusal}")
    own = {"server": NAME, "comment": TAG, "iaid": "1"}
    rows = (
        {**own, "duid": _DUIDS[0], "address": _PREFIXES[0]},
        {**own, "duid": _DUIDS[0], "address": _PREFIXES[1]},
        {**own, "duid": _DUIDS[1], "address": _PREFIXES[0]},
    )
    tried = [router.attempt(f"{BINDINGS}/add", row) for row in rows]
    _remove(device, BINDINGS, tried)
    _remove(device, SERVERS6, [server])
    of_client = _allowed(tried[0], tried[1])
    of_prefix = _allowed(tried[0], tried[2])
    seen = (f"of a client: {of_client.seen[0]}", f"of a prefix: {of_prefix.seen[0]}")
    same = of_client.answer == of_prefix.answer
    return ProbeResult.of(of_client.answer if same else None, *seen)


@QUESTIONS.add("What becomes of a second DHCP server on an interface?", is_switch=False)
def _second_server(device: LabDevice) -> ProbeResult:
    router = device.router
    fields = {"name": f"{NAME}-2", "interface": INSIDE, "disabled": "no", "comment": TAG}
    tried = router.attempt(f"{SERVERS}/add", fields)
    if tried.refusal:
        return ProbeResult.of(tried.refusal, "refused")
    (row,) = router.rows(SERVERS, name=f"{NAME}-2")
    _remove(device, SERVERS, [tried])
    about = row.get(".about", row.get("about", ""))
    if row.get("invalid") == "true":
        return ProbeResult.of(f"accepted, and invalid: {about}", "accepted")
    return ProbeResult.of("accepted, and valid", "accepted")


@QUESTIONS.add("What is said of a rate limit of no form?", is_switch=False)
def _bad_rate_limit(device: LabDevice) -> ProbeResult:
    (tried,) = _leases(device, {"mac-address": _MACS[0], "rate-limit": "fast"})
    return ProbeResult.of(tried.refusal or "accepted", 'rate-limit="fast"')


@QUESTIONS.add("What does an empty lease-time do?", is_switch=False)
def _cleared_lease_time(device: LabDevice) -> ProbeResult:
    router = device.router
    own = {"server": NAME, "comment": TAG, "mac-address": _MACS[0], "lease-time": "5m"}
    lease = router.attempt(f"{LEASES}/add", own)
    if lease.refusal:
        return ProbeResult.of(None, f"a lease was refused: {lease.refusal}")
    cleared = router.attempt(f"{LEASES}/set", {"numbers": lease.row_id, "lease-time": ""})
    (row,) = router.rows(LEASES, mac_address=_MACS[0])
    _remove(device, LEASES, [lease])
    if cleared.refusal:
        return ProbeResult.of(f"refused: {cleared.refusal}", "lease-time=5m, then lease-time=")
    left = row.get("lease-time")
    return ProbeResult.of(f"left: {left}" if left else "removed", "lease-time=5m, then lease-time=")
