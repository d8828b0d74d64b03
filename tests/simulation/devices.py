"""What happens at the router of PPPoE: devices log in, and a profile may not be there yet.

At the end no session goes on with what its secret gives to nobody any more.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.menus.ppp import begin_session
from tests.simulation.forms import SECRETS, is_on, service_of
from tests.simulation.invariants import SESSIONS, is_placeholder
from tests.simulation.oracle import PROFILES, WALLED
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.virtual import CHANCE

_GIVEN: Final = ("password", "profile", "remote-address", "remote-ipv6-prefix")
"""What a session has of its secret as it was when it began."""
_FORGOTTEN: Final = 0.3
_FORGOTTEN_S: Final = 90.0
_REDIALS: Final = 0.7
_REDIALS_S: Final = 20.0


@dataclass
class Devices:
    """Those of all services.

    Attributes:
        router: where they log in.
        at: lets something happen after some seconds.
        tell: says what happened.
    """

    router: SimulatedRouter
    at: Callable[[float, Callable[[], None]], None]
    tell: Callable[[str, Any], None]
    _given: dict[str, dict[str, str]] = field(default_factory=dict)
    _dialled: dict[str, str] = field(default_factory=dict)

    def plan(self, over_s: float) -> None:
        """Choose the moments at which they log in, and whether somebody forgot a profile."""
        self.router.router.ppp_ended = self._ended
        if CHANCE.random() < _FORGOTTEN:
            forgotten = CHANCE.choice([*PROFILES.values(), WALLED])
            self._run("remove", f"=numbers={forgotten}")
            self.at(CHANCE.uniform(0, over_s + _FORGOTTEN_S), lambda: self._make(forgotten))
        for _ in range(CHANCE.randint(1, 8)):
            self.at(CHANCE.uniform(0, over_s + _REDIALS_S), self._log_in)

    def _make(self, profile: str) -> None:
        self.tell("profile", f"{profile} is made at {self.router.name}")
        self._run("add", f"=name={profile}")

    def _run(self, command: str, *words: str) -> None:
        reply = self.router.run((f"/ppp/profile/{command}", *words))
        assert not reply.traps, reply.traps

    def _log_in(self) -> None:
        names = [name for name in self._secrets() if not is_placeholder(f"name:{name}")]
        if names:
            name = CHANCE.choice(names)
            self._dial(name, self._secrets()[name]["password"])

    def _ended(self, name: str) -> None:
        if CHANCE.random() < _REDIALS:
            self.at(CHANCE.uniform(0.1, _REDIALS_S), lambda: self._dial(name, self._dialled[name]))

    def _dial(self, name: str, password: str) -> None:
        if any(session["name"] == name for session in self.router.rows(SESSIONS)):
            return
        self._dialled[name] = password
        row = begin_session(self.router.router, name, password, service="pppoe", caller_id="")
        self.tell("login", f"of {name} at {self.router.name}{'' if row else ' -> refused'}")
        if row is not None:
            self._given[row.id] = self._secrets()[name]

    def _secrets(self) -> dict[str, dict[str, str]]:
        return {row["name"]: row for row in self.router.rows(SECRETS)}

    def left_over(self, excepted: Collection[str]) -> Iterator[str]:
        """Sessions with something that their secret gives to nobody now.

        Args:
            excepted: services whose secret was another one for a while for no event.
        """
        secrets = self._secrets()
        for session in self.router.rows(SESSIONS):
            given = self._given[session[".id"]]
            secret = secrets.get(session["name"], {})
            changed = [name for name in _GIVEN if secret.get(name) != given.get(name)]
            service = service_of(given)
            if service and service not in excepted and (changed or is_on(secret, "disabled")):
                name = session["name"]
                yield f"{self.router.name}: the session of {name} goes on: {given}, {secret}"
