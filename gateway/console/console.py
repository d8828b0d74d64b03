"""What the pages of the console stand on."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.api.api_keys import ApiKeys
from gateway.console.people import People, Role
from producers.publisher import Publisher
from worker.inventory import Inventory
from worker.settings import Settings
from worker.store.store import Store


@dataclass(frozen=True, slots=True)
class Console:
    """The parts that pages read and write.

    Attributes:
        store: the store.
        inventory: gives the inventory as it is now.
        publisher: publishes the events of operators.
        settings: of this process.
        api_keys: the API keys.
        people: who may log in.
    """

    store: Store
    inventory: Callable[[], Inventory]
    publisher: Publisher
    settings: Settings
    api_keys: ApiKeys
    people: People


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who reads a page or makes a change.

    Attributes:
        name: of the person.
        role: of the person.
        zone: the zone that times are shown in.
        csrf: the token that forms must send.
    """

    name: str
    role: Role
    zone: ZoneInfo
    csrf: str

    @property
    def actor(self) -> str:
        """The actor of the person's writes, for history, audit and log."""
        return f"{self.name} (console)"

    def may(self, role: str) -> bool:
        """Whether the person may do what needs this role."""
        return self.role.may(Role(role))
