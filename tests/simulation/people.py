"""What people do at routers by hand: they change and remove our rows, and put theirs in the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.bss import SERVERS
from tests.simulation.checks import Checks
from tests.simulation.forms import LEASES, SECRETS, USERS, is_on, service_of
from tests.simulation.invariants import OUR_MENUS
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.virtual import CHANCE, CLOCK

THEIRS: Final = "by hand"
"""The comment of rows of others."""
_AWAY_S: Final = 60.0
"""What is in the way goes within so long, and a row that was disabled is enabled again."""
_QUIET_S: Final = 20.0
"""Nobody does anything by hand for so long at the end."""


@dataclass
class People:
    """Those who have the routers' passwords.

    Attributes:
        routers: by name.
        checks: know the rows of the routers, and learn which services were touched.
        services: how many the BSS has.
        at: lets something happen after some seconds.
        tell: says what happened.
        last_s: when somebody last did something.
    """

    routers: dict[str, SimulatedRouter]
    checks: Checks
    services: int
    at: Callable[[float, Callable[[], None]], None]
    tell: Callable[[str, Any], None]
    last_s: float = 0.0

    def plan(self, over_s: float) -> None:
        """Rows of others are there from the start; choose the moments of all else."""
        for router in self.routers.values():
            self._run(router, LEASES, "add", **_lease(0xEF, 0), address="100.99.0.1")
            if router.menu == SECRETS:
                self._run(router, SECRETS, "add", name=THEIRS, password=THEIRS, comment=THEIRS)
            self._run(router, "/queue/simple", "add", name=THEIRS, target="100.99.0.1/32")
            listed = {"list": "suspended", "address": "100.99.0.1", "comment": THEIRS}
            self._run(router, "/ip/firewall/address-list", "add", **listed)
        for _ in range(CHANCE.randint(1, 5)):
            what = CHANCE.choice([self._change, self._remove, self._disable, self._get_in_the_way])
            self.at(CHANCE.uniform(0, over_s + _QUIET_S), what)

    def _change(self) -> None:
        """Somebody gives a row of ours another value."""
        router, row = self._a_row()
        if row is not None:
            number = CHANCE.randint(1, 250)
            changes = [
                {"mac-address": f"00:00:5E:00:EE:{number:02X}"},
                {"address": f"100.99.1.{number}"},
                {"block-access": CHANCE.choice(["yes", "no"])},
                {"server": CHANCE.choice(SERVERS)},
            ]
            if router.menu == SECRETS:
                changes = [
                    {"name": f"by-hand-{number}"},
                    {"remote-address": f"100.99.1.{number}"},
                    {"disabled": CHANCE.choice(["yes", "no"])},
                    {"password": "by hand"},
                ]
            if router.menu == USERS:
                changes = [
                    {"name": f"00:00:5E:00:EE:{number:02X}"},
                    {"attributes": f"Framed-IP-Address:100.99.1.{number}"},
                    {"disabled": CHANCE.choice(["yes", "no"])},
                ]
            change = CHANCE.choice(changes)
            if "name" in change:
                self.checks.asked.edited[change["name"]] = service_of(row)
            self._run(router, router.menu, "set", **{".id": row[".id"]}, **change)

    def _remove(self) -> None:
        """Somebody removes a row of ours."""
        router = self._a_router()
        menu = CHANCE.choice([router.menu, *OUR_MENUS])
        router, row = self._a_row(menu, router)
        if row is not None:
            self._run(router, menu, "remove", **{".id": row[".id"]})

    def _disable(self) -> None:
        """Somebody disables a row of ours, and enables it again after a while."""
        router, row = self._a_row()
        if row is not None:
            self._run(router, router.menu, "disable", **{".id": row[".id"]})
            enable = lambda: self._enable(router, row[".id"])  # noqa: E731 - as short
            self.at(CHANCE.uniform(1, _AWAY_S), enable)

    def _enable(self, router: SimulatedRouter, row_id: str, tries: int = 5) -> None:
        """Enable a row, once more later if something is in the way: a service waits for that."""
        self._run(router, router.menu, "enable", **{".id": row_id})
        off = [
            row
            for row in router.rows(router.menu)
            if row[".id"] == row_id and is_on(row, "disabled")
        ]
        if off and tries:
            self.at(_AWAY_S, lambda: self._enable(router, row_id, tries - 1))

    def _get_in_the_way(self) -> None:
        """Somebody adds a row with the device or the address of a service, and removes it again."""
        router, number = self._a_router(), CHANCE.randrange(self.services)
        if CHANCE.random() < 0.5:
            values = {**_lease(number, CHANCE.randrange(3)), "address": "100.99.2.1"}
        else:
            values = {**_lease(0xED, 1), "address": f"100.{64 + CHANCE.randrange(2)}.0.{number}"}
        menu = LEASES
        if router.menu == SECRETS:
            menu, name = SECRETS, CHANCE.choice(["a", "b"])
            values = {"name": f"{name}{number}@isp", "password": "theirs", "comment": THEIRS}
            router.names_by_hand.add(values["name"])
        row_id = self._run(router, menu, "add", **values)
        if row_id:
            make_room = lambda: self._make_room(router, menu, row_id)  # noqa: E731 - as short
            self.at(CHANCE.uniform(1, _AWAY_S), make_room)

    def _make_room(self, router: SimulatedRouter, menu: str, row_id: str) -> None:
        """Remove a row of others, unless a service has it by now."""
        found = [row for row in router.rows(menu) if row[".id"] == row_id]
        if found and not service_of(found[0]):
            self._run(router, menu, "remove", **{".id": row_id})

    def _a_router(self) -> SimulatedRouter:
        return CHANCE.choice(list(self.routers.values()))

    def _a_row(self, menu: str = "", router: SimulatedRouter | None = None) -> tuple[Any, Any]:
        router = router or self._a_router()
        rows = router.run((f"{menu or router.menu}/print",)).rows
        ours = [row for row in rows if service_of(row) and row.get("dynamic") != "true"]
        ours = [row for row in ours if " " not in row.get("comment", "")]  # adopted: see 0141
        if not ours:
            return router, None
        row = CHANCE.choice(ours)
        self.checks.claims.touched.add(service_of(row))
        return router, row

    def _run(self, router: SimulatedRouter, menu: str, command: str, **values: str) -> str:
        """Type a command at a router; returns the id of a row that it adds."""
        words = [f"={name}={value}" for name, value in values.items()]
        reply = router.run((f"{menu}/{command}", *words))
        self.last_s = CLOCK.now_s
        refused = f" -> refused: {reply.traps}" if reply.traps else ""
        self.tell("by hand", f"at {router.name} {menu}/{command} {' '.join(words)}{refused}")
        return str(reply.done.get("ret", ""))


def _lease(number: int, choice: int) -> dict[str, str]:
    mac = f"00:00:5E:00:{number:02X}:{choice:02X}"
    return {"mac-address": mac, "server": CHANCE.choice(SERVERS), "comment": THEIRS}
