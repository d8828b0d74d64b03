"""Rows that were on routers before, and who takes them over with `leasewire adopt`.

Some are of services, as it were by hand: with the device or the address of one, and a comment. What
nobody took over by a certain moment a person removes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from leasewire.routers.at_router import at_router
from tests.simulation.asked import NUMBERS, Event, address_of, devices_of, name_of, said_of
from tests.simulation.forms import LEASES, SECRETS, service_of
from tests.simulation.inventory_side import SetUp
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.scheduler import Scheduler
from tests.simulation.virtual import CHANCE
from worker.admin.adoption import Adoption
from worker.errors import LockLost, NotReplicated, RouterBlocked, RouterUnreachable
from worker.runtime.tasks import guarded
from worker.store.store import Store

_SHARE: Final = 0.7
"""Of what services are said to have, what was there before."""
_AS_SAID: Final = 0.6
_COMES_S: Final = (0.5, 40.0)
_REMOVED_S: Final = (60.0, 200.0)
"""So long after the last event a person removes what nobody took over."""


@dataclass
class RowsBefore:
    """Rows without our tag that services may be given.

    Attributes:
        routers: by name.
        at: lets something happen after some seconds.
        tell: says what happened.
        made_room: called when a person removed what nobody took over.
    """

    routers: Mapping[str, SimulatedRouter]
    at: Callable[[float, Callable[[], None]], None]
    tell: Callable[[str, Any], None]
    made_room: Callable[[], None]
    _rows: list[tuple[SimulatedRouter, str]] = field(default_factory=list)

    def plan(self, over_s: float, events: Sequence[Event], never: str) -> None:
        """Add them, and choose the moment at which those go that nobody took over.

        None has the address that a router never takes.
        """
        for number, event in enumerate(events):
            if name_of(event) in ("activated", "snapshot") and CHANCE.random() < _SHARE:
                router = self.routers[event["data"]["service"]["access"]["router"]]
                for place in NUMBERS:
                    if said_of(event, place) and address_of(event, place) not in (never, None):
                        self._add(router, _values(router, event, place, number))
        self.at(over_s + CHANCE.uniform(*_REMOVED_S), self._remove)

    def _add(self, router: SimulatedRouter, values: Mapping[str, str]) -> None:
        words = [f"={name}={value}" for name, value in values.items()]
        reply = router.run((f"{router.menu}/add", *words)) if values else None
        if reply is not None and not reply.traps:
            self._rows.append((router, reply.done["ret"]))
            self.tell("row before", f"at {router.name}: {' '.join(words)}")

    def _remove(self) -> None:
        for router, row in self.left():
            self.tell("row before removed", f"at {router.name}: {row}")
            router.run((f"{router.menu}/remove", f"=.id={row['.id']}"))
        self.made_room()

    def left(self) -> Iterator[tuple[SimulatedRouter, Mapping[str, str]]]:
        """Those that nobody took over yet."""
        for router, row_id in self._rows:
            for row in router.rows(router.menu):
                if row[".id"] == row_id and not service_of(row):
                    yield router, row


def _values(router: SimulatedRouter, event: Event, place: int, number: int) -> dict[str, str]:
    """A row with the device and the address of a service, or with one of them alone."""
    devices, address = devices_of(event, place), address_of(event, place) or ""
    of_another, elsewhere = f"00:00:5E:00:EC:{number % 256:02X}", f"100.99.3.{number % 250}"
    comment = {"comment": f"customer {number}"}
    if CHANCE.random() < 0.1:
        comment["disabled"] = "yes"
    if router.menu == SECRETS:
        login = event["data"]["service"]["ppp"]
        return {
            "name": login["name"],
            "password": CHANCE.choice([login["password"], "old"]),
        } | comment
    if router.menu != LEASES:
        return {}
    mac, is_fixed = devices["mac"].removeprefix("mac:"), address.count(".") == 3
    address = address if is_fixed else elsewhere
    if CHANCE.random() >= _AS_SAID:
        mac, address = CHANCE.choice([(mac, elsewhere), (of_another, address)])
    server = event["data"]["service"]["access"]["dhcp_server"]
    return {"mac-address": mac, "address": address, "server": server} | comment


@dataclass
class Adopter:
    """A person with the command.

    Attributes:
        store: over a connection of its own.
        set_up: settings and inventory, as the command reads them.
        scheduler: runs it.
        before: what is to be taken over.
    """

    store: Store
    set_up: SetUp
    scheduler: Scheduler
    before: RowsBefore

    @property
    def inventory(self) -> Any:
        """As `leasewire.context.Context` has it."""
        return self.set_up.inventory

    @property
    def settings(self) -> Any:
        """As `leasewire.context.Context` has it."""
        return self.set_up.settings

    def work(self) -> None:
        """Come now and then, as long as something is to be taken over."""
        adopt = guarded("adopter", self._adopt)
        while True:
            self.scheduler.sleep(CHANCE.uniform(*_COMES_S))
            routers = sorted({router.name for router, _ in self.before.left()})
            if routers:
                adopt(CHANCE.choice(routers))

    def _adopt(self, router: str) -> None:
        """As the command does with `--disabled skip`."""
        policy = self.inventory.routers[router].policy
        adoption = Adoption(self.store, router, policy)
        try:
            with at_router(self, router) as (session, lock):  # type: ignore[arg-type] - all it needs
                found = adoption.sort(session)
                chosen = [row for row in found if row.sort == "adopt" and not row.row.disabled]
                done = adoption.apply(session, lock, chosen, "operator")
        except (LockLost, NotReplicated, RouterBlocked, RouterUnreachable) as error:
            self.scheduler.narrate(f"adopts nothing at {router}: {error}")
            return
        self.scheduler.counts["adopted"] += len(done.tagged)
        self.scheduler.narrate(f"adopts at {router}: {done}")
