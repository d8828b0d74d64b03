"""What a BSS says of further devices of its services: they come, are replaced, pass on and go.

A device has a place: the first of its service, or that of a number. What is in one place may go to
another one, of this service or of another; each of the two says so by an event.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.bss_service import BssService, address_of, device_at
from tests.simulation.forms import FIRST
from tests.simulation.virtual import CHANCE

_NUMBERS: Final = (2, 3)
_MAC: Final = 0
_ADDRESS: Final = 1
_WHAT: Final = ((_MAC,), (_ADDRESS,), (_MAC, _ADDRESS))
"""What goes from one place to another."""

Say = Callable[..., None]


@dataclass(frozen=True, slots=True)
class _Place:
    service: BssService
    number: int

    def values(self) -> tuple[str, str]:
        """MAC and address of the device in it."""
        if self.number == FIRST:
            return self.service.macs[0], self.service.addresses[0]
        return self.service.more[self.number]

    def put(self, values: tuple[str, str]) -> None:
        """Another device, or another address, is in it now."""
        if self.number == FIRST:
            self.service.macs[0], self.service.addresses[0] = values
        else:
            self.service.more[self.number] = values


def change(service: BssService, others: Sequence[BssService], room: int, say: Say) -> None:
    """Say something of a further device of a service, and of whose device it was or is to be.

    Args:
        service: that is on.
        others: all services.
        room: for how many events.
        say: says one.
    """
    free = [number for number in _NUMBERS if number not in service.more]
    kinds = [_add] * bool(free)
    kinds += [_replace, _remove, _remove, _exchange, _exchange] * bool(service.more)
    place = _Place(service, CHANCE.choice(free or [*service.more]))
    kind = CHANCE.choice(kinds)
    if kind is not _add:
        place = _Place(service, CHANCE.choice([*service.more]))
    other = CHANCE.choice([each for each in others if _fits(service, each)])
    if other is not service and room > 1:
        kind = {_add: _take_over, _remove: _pass_on}.get(kind, kind) if _is_passed() else kind
    elif kind is _exchange:
        other = service
    kind(place, other, say)


def _is_passed() -> bool:
    return CHANCE.random() < 0.5


def _fits(service: BssService, other: BssService) -> bool:
    """Whether what one has may go to the other: each source orders its own events alone."""
    at = [(each.is_on, each.router, each.source) for each in (service, other)]
    return other is service or at[0] == at[1]


def pass_on_of_gone(gone: BssService, other: BssService) -> None:
    """A service ends, and another one gets a further device of it as its first one."""
    if gone.more:
        _swap(_Place(gone, CHANCE.choice([*gone.more])), _Place(other, FIRST), CHANCE.choice(_WHAT))


def _add(place: _Place, _: BssService, say: Say) -> None:
    spares = place.service.spares
    place.put(spares.pop(CHANCE.randrange(len(spares))))
    _say_added(place, say)


def _replace(place: _Place, _: BssService, say: Say) -> None:
    """Another device with its address, its device with another address, or both."""
    (spare,) = CHANCE.sample(range(len(place.service.spares)), 1)
    what = CHANCE.choice(_WHAT)
    place.service.spares[spare], values = _exchanged(
        place.service.spares[spare], place.values(), what
    )
    place.put(values)
    _say_added(place, say)


def _remove(place: _Place, _: BssService, say: Say) -> None:
    place.service.spares.append(place.service.more.pop(place.number))
    say(place.service, "device_removed", number=place.number)


def _exchange(place: _Place, other: BssService, say: Say) -> None:
    """What two places have changes places."""
    numbers = [FIRST, *(n for n in other.more if other is not place.service or n != place.number)]
    theirs, what = _Place(other, CHANCE.choice(numbers)), CHANCE.choice(_WHAT)
    _swap(place, theirs, what)
    if other is place.service:
        say(other, "snapshot")
        return
    for each in CHANCE.sample((place, theirs), 2):
        _say_changed(each, what, say)


def _take_over(place: _Place, other: BssService, say: Say) -> None:
    """The first device of another service, or its address, comes to a service."""
    spares, what = place.service.spares, CHANCE.choice(_WHAT)
    place.put(spares.pop(CHANCE.randrange(len(spares))))
    theirs = _Place(other, FIRST)
    _swap(place, theirs, what)
    for each in CHANCE.sample((place, theirs), 2):
        _say_changed(each, what, say)


def _pass_on(place: _Place, other: BssService, say: Say) -> None:
    """A further device goes, and another service has it, or its address, as its first one."""
    theirs, what = _Place(other, FIRST), CHANCE.choice(_WHAT)
    _swap(place, theirs, what)
    words: list[Callable[[], None]] = [
        lambda: _remove(place, other, say),
        lambda: _say_changed(theirs, what, say),
    ]
    for word in CHANCE.sample(words, 2):
        word()


def _swap(one: _Place, other: _Place, what: Sequence[int]) -> None:
    for each in (one, other):
        each.service.before = {}
    values = _exchanged(one.values(), other.values(), what)
    one.put(values[0])
    other.put(values[1])


def _exchanged(
    one: tuple[str, str], other: tuple[str, str], what: Sequence[int]
) -> tuple[tuple[str, str], tuple[str, str]]:
    values = [(other[n], one[n]) if n in what else (one[n], other[n]) for n in (_MAC, _ADDRESS)]
    return (values[0][0], values[1][0]), (values[0][1], values[1][1])


def _say_changed(place: _Place, what: Sequence[int], say: Say) -> None:
    service = place.service
    if place.number != FIRST:
        _say_added(place, say)
    elif what == (_MAC,) and not service.has_ipv6 and CHANCE.random() < 0.5:
        say(service, "mac_changed", mac=service.macs[0])
    elif what == (_ADDRESS,) and CHANCE.random() < 0.5:
        say(service, "address_changed", address=address_of(service))
    else:
        say(service, "snapshot")


def _say_added(place: _Place, say: Say) -> None:
    if CHANCE.random() < 0.2:
        say(place.service, "snapshot")
        return
    device: dict[str, Any] = device_at(place.service, place.number)
    say(place.service, "device_added", device=device)
