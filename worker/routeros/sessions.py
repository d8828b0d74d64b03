"""Opens sessions and keeps idle ones for a while: `worker.ports.RouterSessions`."""

import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final, NamedTuple

from worker.compute_gate import GateSlot, Turn
from worker.core.entry.wanted import KINDS
from worker.errors import RouterBusy, RouterUnreachable
from worker.inventory import Inventory, RouterConfig
from worker.ports import AnswerTimes, RouterSession
from worker.routeros.failures import no_secret_keys
from worker.routeros.login import check_policies, compare, connect, identify, log_in
from worker.routeros.session import Session
from worker.settings import Settings

MOST_S: Final = 3_600
"""The age at which a session ends even if it is busy, so that certificate, password and identity
are checked again."""


class _Idle(NamedTuple):
    session: Session
    until: float


class AnswerCollector:
    """How long routers take to answer, until it is stored. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: dict[str, AnswerTimes] = {}

    def add(self, router: str, times: AnswerTimes) -> None:
        """Add answers of a router."""
        if not times.number:
            return
        with self._lock:
            number, sum_ms, most_ms = self._answered.get(router, (0, 0, 0))
            self._answered[router] = AnswerTimes(
                number + times.number, sum_ms + times.sum_ms, max(most_ms, times.most_ms)
            )

    def store(self, note: Callable[[Mapping[str, AnswerTimes]], None]) -> None:
        """Hand what was collected to the store; if that fails it is lost."""
        with self._lock:
            answered, self._answered = self._answered, {}
        if answered:
            note(answered)


class Sessions:
    """At most one session per router in a process; safe for many threads."""

    def __init__(
        self, inventory: Inventory, settings: Settings, answers: AnswerCollector | None = None
    ) -> None:
        self._answers = answers or AnswerCollector()
        self._routers = inventory.routers
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: dict[str, _Idle] = {}
        self._in_use: dict[str, Session | None] = {}  # None while it is being opened

    def open(self, router: str, turn: Turn | None = None) -> RouterSession:
        """See `worker.ports.RouterSessions`; KeyError for a router that is not in the inventory.

        Raises:
            RouterBusy: another thread has a session with this router.
            RouterUnreachable: also where a request was abandoned just now.
        """
        config = self._routers[router]
        with self._lock:
            if router in self._in_use:
                used = self._in_use[router]
                if used is None or not used.closed:
                    raise RouterBusy(router)
                if used.connection.rests_until > monotonic():
                    resting = RouterUnreachable(router, "a request was abandoned a moment ago")
                    resting.failed = True
                    raise resting
            self._close_expired()
            session = self._take_idle(router)
            self._in_use[router] = session
        if session is not None:
            session.gate.turn = turn
            return session
        try:
            session = open_session(config, self._settings, GateSlot(turn))
        except BaseException:
            with self._lock:
                del self._in_use[router]
            raise
        with self._lock:
            self._in_use[router] = session
        return session

    def give_back(self, router: str, session: RouterSession) -> None:
        """See `worker.ports.RouterSessions`."""
        with self._lock:
            used = self._in_use.get(router)
            if used is None or used is not session:
                session.close()
                return
            del self._in_use[router]
            self._answers.add(router, used.connection.take_answered())
            used.gate.turn = None
            until = min(monotonic() + self._settings.idle_session_s, used.opened_s + MOST_S)
            self._idle[router] = _Idle(used, until)
            self._close_expired()

    def _take_idle(self, router: str) -> Session | None:
        idle = self._idle.pop(router, None)
        if idle is None:
            return None
        if not idle.session.connection.is_quiet():  # the router closed it meanwhile
            idle.session.close()
            return None
        return idle.session

    def _close_expired(self) -> None:
        now = monotonic()
        for router in [name for name, idle in self._idle.items() if idle.until <= now]:
            self._idle.pop(router).session.close()

    def close_all(self) -> None:
        """Reset every connection, also those in use, at the end of the process."""
        with self._lock:
            for session in (
                *(idle.session for idle in self._idle.values()),
                *self._in_use.values(),
            ):
                if session is not None:
                    session.close()
            self._idle.clear()


def open_session(config: RouterConfig, settings: Settings, gate: GateSlot | None = None) -> Session:
    """Connect, log in, and check that this is the router that the inventory means.

    `gate` has the turn of the pass that opens the session; others compute while it waits.

    Raises:
        RouterUnreachable: no connection, no login answer.
        RouterBlocked: password, certificate, login, identity, serial or permission.
    """
    kind = KINDS.get(config.policy.entries)
    if kind is not None and kind.secrets and settings.sealer is None:
        raise no_secret_keys(config.name, kind)
    password = config.password().get_secret_value()
    connection = connect(config, settings, gate)
    try:
        log_in(connection, config, password, settings)
        who = identify(connection, settings, config.policy.entries)
        compare(config, who)
        check_policies(connection, config, KINDS[who.entries], settings)
    except BaseException:
        connection.close()
        raise
    return Session(config.name, connection, who, settings, gate)
