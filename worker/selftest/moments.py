"""When a change on the row of a bound device acts: seen at once, when it asks, when its lease ends.

A device is bound, its row is changed, and the router is watched. Then the device is told to ask,
and cut off as soon as it has; then its lease runs out.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from worker.core.rows.rows import LEASES
from worker.selftest.device import Asked, Effects, LabDevice
from worker.selftest.lab import LEASE_S, NAME
from worker.selftest.questions import ProbeResult, Question, Questions

AT_ONCE: Final = "at-once"
AT_RENEWAL: Final = "at-renewal"
KEPT: Final = "kept-until-expiry"
_SETTLES_S: Final = 3
_REFUSED_WITHIN_S: Final = 2
_ENDS_S: Final = LEASE_S + 10
_RATE, _OTHER_RATE = "1M/1M", "2M/2M"
_LIST, _OTHER_LIST = NAME, f"{NAME}-2"
_OTHER_MAC: Final = "02:4C:57:00:00:03"
_SECONDS: Final = 90
_FRESH: Final = "an address of the lab that is free"

QUESTIONS: Final = Questions()

Done = Callable[[Effects], bool]
_QUEUE_GONE: Final[Mapping[str, Done]] = {"queue": lambda seen: not seen.queue}
_ALL_GONE: Final[Mapping[str, Done]] = {
    **_QUEUE_GONE,
    "list row": lambda seen: not seen.lists,
    "ARP row": lambda seen: not seen.arp,
    "active address": lambda seen: not seen.active,
}


class RowChange(NamedTuple):
    """A change on the row of a bound device.

    Attributes:
        before: fields of the row before.
        after: fields that are changed; None: the row is removed.
        parts: what shows that it acts, each with a test.
        again: it shows only at a device that is bound, so after its lease it is bound again.
    """

    before: Mapping[str, str]
    after: Mapping[str, str] | None
    parts: Mapping[str, Done]
    again: bool = False


_BOUND: Final = {"rate_limit": _RATE, "address_lists": _LIST}
_CHANGES: Final[Mapping[str, tuple[str, RowChange]]] = {
    "rate_change": (
        "When does another rate act?",
        RowChange(
            {"rate_limit": _RATE},
            {"rate-limit": _OTHER_RATE},
            {"queue": lambda seen: seen.queue == _OTHER_RATE},
            again=True,
        ),
    ),
    "rate_clear": (
        "When does a cleared rate act?",
        RowChange({"rate_limit": _RATE}, {"rate-limit": ""}, _QUEUE_GONE),
    ),
    "lists_change": (
        "When do other address lists act?",
        RowChange(
            {"address_lists": _LIST},
            {"address-lists": _OTHER_LIST},
            {
                "old list row": lambda seen: _LIST not in seen.lists,
                "new list row": lambda seen: _OTHER_LIST in seen.lists,
            },
            again=True,
        ),
    ),
    "block_access": (
        "When does block-access=yes end what the device has?",
        RowChange(_BOUND, {"block-access": "yes"}, _ALL_GONE),
    ),
    "disabling": (
        "When does disabled=yes end what the device has?",
        RowChange(_BOUND, {"disabled": "yes"}, _ALL_GONE),
    ),
    "address_change": (
        "When does another address end what the device has at the old one?",
        RowChange(_BOUND, {"address": _FRESH}, _ALL_GONE),
    ),
    "mac_change": (
        "When does another MAC end what the old device has?",
        RowChange(_BOUND, {"mac-address": _OTHER_MAC}, _ALL_GONE),
    ),
    "removal": (
        "When does the removal of the row end what the device has?",
        RowChange(
            _BOUND, None, {n: done for n, done in _ALL_GONE.items() if n != "active address"}
        ),
    ),
}


def decide(stages: Mapping[str, str | None]) -> ProbeResult:
    """The answer from when each part was done: one moment for all of them, or none."""
    when = {"at-once": "at once", AT_RENEWAL: "when the device asked", KEPT: "after its lease"}
    seen = [
        f"{'changed' if stage else 'not changed'} {when.get(stage or '', 'in all that time')}: "
        + ", ".join(part for part, its_stage in stages.items() if its_stage == stage)
        for stage in (AT_ONCE, AT_RENEWAL, KEPT, None)
        if stage in stages.values()
    ]
    found = set(stages.values())
    return ProbeResult.of(found.pop() if len(found) == 1 else None, *seen)


class _Watch:
    """Notes at which moment each part was first seen done."""

    def __init__(self, device: LabDevice, address: str, parts: Mapping[str, Done]) -> None:
        self.stages: dict[str, str | None] = dict.fromkeys(parts)
        self._device, self._address, self._parts = device, address, parts

    def look(self, stage: str) -> bool | None:
        """Look once; True: all is done."""
        seen = self._device.effects(self._address)
        for part, done in self._parts.items():
            if self.stages[part] is None and done(seen):
                self.stages[part] = stage
        return True if None not in self.stages.values() else None

    def until_done(self, stage: str, seconds: float, every: float = 0.25) -> bool:
        """Look for so long at most; whether all is done."""
        return bool(self._device.clock.watch(lambda: self.look(stage), seconds, every))


def _ask(change: RowChange, device: LabDevice) -> ProbeResult:
    router = device.router
    with device.lent() as address:
        row_id = device.lease(address=address, **change.before)
        device.bind(address)
        missing = _missing(device, address, change)
        if missing:
            return ProbeResult.of(
                None, f"a bound device has no {missing}: nothing can be seen to change"
            )
        if change.after is None:
            router.do(f"{LEASES}/remove", {"numbers": row_id})
        else:
            fresh = {
                n: device.fresh_address() for n, value in change.after.items() if value == _FRESH
            }
            router.do(f"{LEASES}/set", {"numbers": row_id, **change.after, **fresh})
        return _follow(change, device, address)


def _missing(device: LabDevice, address: str, change: RowChange) -> str:
    """What a bound device should have, and has not; empty: it has all."""

    def look() -> str | None:
        seen = device.effects(address)
        undone = [part for part, done in change.parts.items() if not part.startswith("new")]
        rest = [part for part in undone if change.parts[part](seen)]
        if "rate_limit" in change.before and seen.queue != _RATE:
            rest.append("queue")
        return None if rest else ""

    return "" if device.clock.watch(look, _SETTLES_S) is not None else "queue, list row or ARP row"


def _follow(change: RowChange, device: LabDevice, address: str) -> ProbeResult:
    watch = _Watch(device, address, change.parts)
    if watch.until_done(AT_ONCE, _SETTLES_S):
        return decide(watch.stages)
    asked = device.renew(address)
    device.cut_off()
    if asked.address not in ("", address):
        text = "the device asked and had another address at once: at-renewal looks like kept"
        return ProbeResult.of(None, text)
    if watch.until_done(AT_RENEWAL, _SETTLES_S):
        return decide(watch.stages)
    if not change.again:
        watch.until_done(KEPT, _ENDS_S, every=1)
        return decide(watch.stages)
    device.clock.watch(lambda: None if device.effects(address).active else True, _ENDS_S, every=1)
    watch.look(KEPT)
    device.connect()
    device.bind(address)
    watch.until_done(KEPT, _SETTLES_S)
    return decide(watch.stages)


@QUESTIONS.add(
    "What does a device get that renews an address which its row no longer has?",
    15,
    needs_device=True,
)
def _stale_renewal(device: LabDevice) -> ProbeResult:
    """Change the address of a bound device's row, and see what the device does at its renewal."""
    with device.lent() as address:
        row_id = device.lease(address=address)
        device.bind(address)
        device.router.do(f"{LEASES}/set", {"numbers": row_id, "address": device.fresh_address()})
        asked = device.renew(address)
        return _refused_or_silent(device, address, asked)


def _refused_or_silent(device: LabDevice, address: str, asked: Asked) -> ProbeResult:
    """A refused device drops its address within a moment; one without an answer goes on waiting."""

    def dropped() -> Asked | None:
        found = device.now(address, 0)
        return found if found.address != address else None

    began = device.clock.now()
    found = asked if asked.address != address else device.clock.watch(dropped, 5, every=0.2)
    took_s = device.clock.now() - began
    if asked.renewed and found is None:
        return ProbeResult.of(None, "the router renewed the old address, which is not the row's")
    if found is None:
        return ProbeResult.of(
            "silent", "the device renewed its old address, and waited 5 s in vain"
        )
    if took_s <= _REFUSED_WITHIN_S:
        return ProbeResult.of("nak", "the device renewed its old address, and dropped it at once")
    return ProbeResult.of(None, "the device dropped its old address seconds after it had asked")


QUESTIONS.extend(
    Question(name, text, partial(_ask, change), _SECONDS, needs_device=True)
    for name, (text, change) in _CHANGES.items()
)
