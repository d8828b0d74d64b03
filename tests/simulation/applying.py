"""An operator changes the policies of routers, and applies them with `leasewire routers apply`.

Lists and queues come or go, or the services of a router get their rows on another one. Workers read
the new inventory one after the other, as each is restarted; then a person applies what it says.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import leasewire.routers.policy
from tests.simulation.forms import HOLDER, KINDS, kind_at, rows_at
from tests.simulation.inventory_side import SetUp, set_up
from tests.simulation.oracle import LISTED, LISTED6
from tests.simulation.scale import FEATURES, Scale
from tests.simulation.scheduler import Scheduler
from tests.simulation.virtual import CHANCE
from worker.core.policy.policy import RouterPolicy
from worker.inventory import Inventory
from worker.runtime.tasks import guarded
from worker.store.store import Store

APPLIES: Final = "applies"
WITHIN_S: Final = 30.0
"""All workers are restarted within so long."""
_COMES_S: Final = (0.5, 20.0)


def features_after(scale: Scale) -> tuple[str, ...]:
    """The features of a history once an operator changed the inventory.

    No rows move where Redis may lose whose they were: nobody would look for them where they were.
    """
    features, loses = scale.features, scale.rollbacks and scale.redis != "min-replicas"
    if APPLIES not in features:
        return tuple(features)
    can = ["lists", *(["queues"] if "plans" in features else [])]
    can += [] if loses or KINDS.keys() & {*features} else ["users"]
    with CHANCE.of(APPLIES):
        changed = CHANCE.sample(can, CHANCE.randint(1, len(can)))
    return tuple(name for name in FEATURES if (name in features) != (name in changed))


def routers_of(scale: Scale, *features: Collection[str]) -> list[str]:
    """With the router that only holds rows of another one's services, if any features have it."""
    holders = [HOLDER] if any(kind_at(HOLDER, each) for each in features) else []
    return [*(f"R{number}" for number in range(1, scale.routers + 1)), *holders]


@dataclass
class Inventories:
    """What the inventory says, before and after it is changed.

    Attributes:
        directory: for its files.
        scale: of the history.
        routers: by name, as `set_up` has them.
        places: where rows of a router's services are, and are checked to be.
        features: that hold now.
    """

    directory: Path
    scale: Scale
    places: dict[str, str]
    after: tuple[str, ...] = ()
    features: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what the history has."""
        self.features = self.scale.features

    def read(self) -> SetUp:
        """As each process does when it starts."""
        self.directory.mkdir(exist_ok=True)
        scale = replace(self.scale, features=self.features)
        return set_up(self.directory, scale, routers_of(scale, self.features))

    @property
    def list_before(self) -> str:
        """The list of suspended services that the former policies named; empty: it is the same."""
        before, now = ("lists" in each for each in (self.scale.features, self.features))
        return "" if before == now else LISTED if before else LISTED6

    def change(self) -> SetUp:
        """The operator writes another one."""
        self.features = self.after
        self.places |= {name: rows_at(name, self.after) for name in self.places}
        return self.read()


class Told(Protocol):
    """Who knows whether routers have the policies of the inventory."""

    is_applied: bool


@dataclass
class Applier:
    """A person with the command, who applies what the inventory says until it has been.

    Attributes:
        store: over a connection of its own.
        inventory: as it is now.
        scheduler: runs it.
    """

    store: Store
    inventory: Inventory
    scheduler: Scheduler

    def policies(self) -> Mapping[str, RouterPolicy]:
        """As `leasewire.context.Context` has them."""
        return self.inventory.policies

    def router(self, name: str) -> Any:
        """As `leasewire.context.Context` has it."""
        return self.inventory.routers[name]

    def work(self, told: Told) -> None:
        """Apply until nothing is to do; again after Redis lost its end."""
        apply = guarded("applier", self._apply)
        while True:
            self.scheduler.sleep(CHANCE.uniform(*_COMES_S))
            if not told.is_applied:
                apply(told)

    def _apply(self, told: Told) -> None:
        answer = leasewire.routers.policy.apply_command(self, apply=True, actor="operator")  # type: ignore[arg-type] - has what it asks of a context
        if not answer.document["routers"]:
            told.is_applied = True
        for line in answer.text:
            self.scheduler.narrate(f"says: {line}")
