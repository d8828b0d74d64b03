"""How large a history is, and what there is in it: chosen by its seed, a few things each."""

import random
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tests.simulation.odds import FAULTS, Odds, odds_of, races
from tests.simulation.virtual import CHANCE, begin

FEATURES: Final = (
    "lists",
    "plans",
    "queues",
    "pools",
    "ipv6",
    "sources",
    "refused",
    "scheduled",
    "hands",
    "brake",
    "manifests",
    "entries",
    "secrets",
    "ids",
    "refusals",
    "users",
    "devices",
    "adoption",
    "rest",
    "rivals",
    "applies",
    "crowd",
)
"""What a history may have besides; most have some. Small mixtures find more than all at once.

`queues` only tells with `plans`, `devices` without `secrets`.
"""
_SHARES: Final = {
    "lists": 0.5,
    "scheduled": 0.08,
    "hands": 0.1,
    "brake": 0.1,
    "manifests": 0.1,
    "secrets": 0.15,
    "ids": 0.1,
    "refusals": 0.15,
    "users": 0.1,
    "rivals": 0.2,
    "adoption": 0.1,
    "rest": 0.15,
    "applies": 0.06,
    "crowd": 0.03,
}
"""Of histories with a feature: less where it takes long, more where much can go wrong."""


_MOSTLY: Final = 0.8
"""Where most of what is in flight lands late, mostly somebody writes again before that: locks last
long, and the sweep comes often. Else the late row is all that there is."""


class _Size(NamedTuple):
    share: float
    services: tuple[int, int]
    events: tuple[int, int]
    longest: float


_SIZES: Final = (
    _Size(0.5, (1, 1), (1, 3), 0.5),
    _Size(0.45, (1, 2), (4, 8), 1.1),
    _Size(0.05, (1, 4), (10, 30), 1.7),
)
"""Shares of histories; from which number of services and events to which; and 10 ** how long."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One history.

    Attributes:
        routers, services, events, workers: how many.
        odds: of what goes wrong at points.
        reboots, absences: restarts of routers, and times when one cannot be reached.
        redis: `alone`, `sentinel`, or `min-replicas`: Sentinel, and publishers that wait for one.
        rollbacks: how often Redis dies and lacks its end; with Sentinel a replica takes over.
        lost_messages, doubled_messages: shares of Celery's messages.
        displaced_by: how far from its place an event may come.
        over_s: the events come in so many seconds.
        lock_s: time of a router lock.
        pace_s: a sweep comes each second, or at most so much later; of further workers, more.
        features: what else there is, of `FEATURES`.
        left_out: events that are not said, by their number in what the BSS says.
        faults: those that come, by their names; None: all that the odds bring.
        points: it is cut off, unjudged, after so many; 0: never.
    """

    routers: int = 3
    services: int = 12
    events: int = 60
    workers: int = 2
    odds: Odds = field(default_factory=Odds)
    reboots: int = 2
    absences: int = 3
    redis: str = "alone"
    rollbacks: int = 0
    lost_messages: float = 0.02
    doubled_messages: float = 0.02
    displaced_by: int = 6
    over_s: float = 40.0
    lock_s: float = 30.0
    pace_s: float = 3.0
    features: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    faults: tuple[str, ...] | None = None
    points: int = 0


def scale_of(seed: int) -> Scale:
    """The size of a history: small ones find most, as more of what is near each other meets."""
    begin(seed)
    with CHANCE.of("scale"):
        chance = CHANCE
        (size,) = chance.choices(_SIZES, [size.share for size in _SIZES])
        made = Scale(
            routers=chance.choice((1, 1, 2)),
            services=chance.randint(*size.services),
            events=chance.randint(*size.events),
            workers=chance.randint(1, 2),
            reboots=int(chance.random() < 0.2),
            absences=int(chance.random() < 0.2),
            redis=chance.choice(("alone", "alone", "alone", "sentinel", "min-replicas")),
            rollbacks=int(chance.random() < 0.25),
            over_s=round(10 ** chance.uniform(0.0, size.longest), 1),
            lock_s=chance.choice((3, 6, 12, 30)),
            pace_s=chance.choice((2, 6, 20)),
            displaced_by=chance.choice((0, 0, 1, 6)),
            odds=odds_of(chance),
            features=tuple(name for name in FEATURES if chance.random() < _SHARES.get(name, 0.25)),
        )
        if made.odds.lands_late > _MOSTLY and chance.random() < _MOSTLY:
            made = replace(made, lock_s=30, pace_s=2, events=max(made.events, 3))
        made = _of_losses(made, chance) if made.rollbacks else made
        made = _of_rivals(made, chance) if "rivals" in made.features else made
        return _of_a_crowd(made, chance) if "crowd" in made.features else made


def _of_losses(scale: Scale, chance: random.Random) -> Scale:
    """Redis loses its end, and in half of them nothing else fails: else few writes came before."""
    if chance.random() < 0.5:
        return scale
    odds = Odds(**dict.fromkeys(FAULTS, 0.0), stays=scale.odds.stays)
    features = tuple(name for name in scale.features if name != "refusals")
    return replace(scale, odds=odds, reboots=0, absences=0, features=features)


def _of_rivals(scale: Scale, chance: random.Random) -> Scale:
    """Services of one router that take each other's addresses, many of them in a race."""
    odds = replace(races(chance), read_s=1.0) if chance.random() < 0.7 else scale.odds
    services, events = max(2, scale.services), max(6, scale.events)
    over_s = round(events * 10 ** chance.uniform(-0.7, 0.0), 1)
    return replace(scale, routers=1, services=services, events=events, odds=odds, over_s=over_s)


def _of_a_crowd(scale: Scale, chance: random.Random) -> Scale:
    """So many services of one router at once that it is at fault if it refuses them all."""
    services = chance.randint(7, 9)
    refuses = tuple(each for each in FEATURES if each in {*scale.features, "refusals"})
    return replace(
        scale,
        routers=1,
        services=services,
        events=services + chance.randint(0, 4),
        over_s=min(scale.over_s, 3.0),
        features=refuses,
    )
