"""The circuit of a router: how failures, refusals and answers change it, and how long to wait.

- closed, state `up`: passes run whenever something is due.
- open, state `unreachable`: connection, login or read failed; tried again by itself.
- open, state `blocked`: it refuses us, or may be another router; a person must act; tried rarely.
- half-open, after either when its time has come: one short probe checks a few services.

The first successful read closes it. A write whose answer was lost does not open it: that may be the
fault of one service, and the next pass reads first anyway; it only comes a little later.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, NamedTuple

from worker.core.storage_format import known_part, printable

_LEAST_S: Final = 0.1
LOST_WRITES_CAP_S: Final = 8.0
"""The culprit search retries: that must not take minutes."""
TAKES_NO_WRITES: Final = "takes-no-writes"
"""Cause for which a router that can be read is unreachable."""
_MOST_LOST: Final = 3
"""After so many lost writes in a row no single service is at fault."""
RECOVERY_S: Final = 3.2
"""How long a router is left alone after an abandoned REST request, or one that may have got the
status of another: RouterOS 7.21.5 was seen to mix them up to 2.4 s after an aborted one."""
_DOUBTED_MS: Final = 3_000

LOGIN_REFUSED: Final = "login-refused"

INTERNAL_ERROR: Final = "internal-error"
"""Cause of a block, and of dead letters, that a bug of ours made."""

Circuit = Literal["closed", "open", "half-open", "blocked"]


@dataclass(frozen=True, slots=True)
class RouterState:
    """The state of a router; of one that is up and has no backlog nothing is stored.

    Attributes:
        state: `up`, `unreachable`, `blocked`, `policy-changed`: the inventory of a worker
            has another policy for it than the applied one; never stored: `paused` (by a person),
            `new` (not reached yet), `unknown` (not in the inventory).
        attempts: failed attempts in a row; of a router that is up: lost writes in a row.
        cause: of a blocked router one word, such as `login-refused`; of an unreachable one
            `takes-no-writes`, or nothing.
        away_since_ms: since when no pass worked; kept until its backlog is drained.
        drained: services checked since it is back.
        written: writes since it is back.
        refused_ms: when it first refused a login that had worked before; 0: never.
    """

    state: Literal["up", "unreachable", "blocked", "policy-changed", "paused", "new", "unknown"] = (
        "up"
    )
    since_ms: int = 0
    attempts: int = 0
    next_at_ms: int = 0
    cause: str = ""
    message: str = ""
    away_since_ms: int = 0
    drained: int = 0
    written: int = 0
    refused_ms: int = 0

    @classmethod
    def from_json(cls, text: str | None) -> "RouterState":
        """Read the stored text; None is a router that is up."""
        if not text:
            return cls()
        return known_part(cls, json.loads(text))

    def to_json(self) -> str:
        """Return one line of JSON without the values of a healthy router: `{}` for one."""
        values = asdict(replace(self, message=printable(self.message)))
        return json.dumps({k: v for k, v in values.items() if v != getattr(UP, k)})

    @property
    def open(self) -> bool:
        """Whether only a probe may go to the router."""
        return self.state in {"unreachable", "blocked"}

    def circuit(self, *, busy: bool) -> Circuit:
        """Return the state of the circuit.

        With `busy` a worker has the router's lock; while the circuit is open that is the probe.
        """
        if not self.open:
            return "closed"
        if busy:
            return "half-open"
        return "blocked" if self.state == "blocked" else "open"


UP: Final = RouterState()
"""Of a router of which nothing is stored."""
NEW: Final = RouterState("new")
UNKNOWN: Final = RouterState("unknown")


class BackOff(NamedTuple):
    """How long to wait before the next try (s).

    Attributes:
        first_s: ceiling after the first failure; doubles.
        cap_s: longest wait for an unreachable router.
        blocked_s: longest wait for a blocked router.
    """

    first_s: float = 1.0
    cap_s: float = 300.0
    blocked_s: float = 300.0

    def unreachable_s(self, attempts: int, share: float) -> float:
        """Return a wait with full jitter, so that routers do not come back in step.

        `attempts` are failures in a row, with this one; `share` is random, in [0, 1).
        """
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempts - 1, 30))
        return max(_LEAST_S, ceiling * share)

    def refused_s(self, share: float) -> float:
        """Return half of the longest wait to all of it: a person must act anyway."""
        return max(_LEAST_S, self.blocked_s * (1 + share) / 2)

    def lost_write_s(self, attempts: int, share: float) -> float:
        """Return a wait as for an unreachable router, but a short one."""
        return min(LOST_WRITES_CAP_S, self.unreachable_s(attempts, share))


def failed(was: RouterState, message: str, now_ms: int, cause: str = "") -> RouterState:
    """Return the state after a failed connection, login or read; or, as `cause`, failed writes."""
    return _away(was, RouterState("unreachable", cause=cause, message=message), now_ms)


def refused(was: RouterState, cause: str, message: str, now_ms: int) -> RouterState:
    """Return the state of a router that refuses us, or may be another one."""
    return _away(was, RouterState("blocked", cause=cause, message=message), now_ms)


def doubts_refusal(was: RouterState, now_ms: int) -> bool:
    """Return whether a login that had worked before was refused for the first time.

    Over REST that may be the answer to another request. A second refusal, seconds later, counts.
    """
    if was.state == "blocked" and was.cause == LOGIN_REFUSED:
        return False
    return not 0 < was.refused_ms <= now_ms - _DOUBTED_MS


def refused_once(was: RouterState, message: str, now_ms: int) -> RouterState:
    """Return the state after a first refused login: it only has to be tried again."""
    since_ms = was.refused_ms if 0 < was.refused_ms <= now_ms else now_ms
    return replace(was, message=message, refused_ms=since_ms)


def lost_write(was: RouterState, message: str) -> RouterState:
    """Return the state after a lost write: the circuit stays closed."""
    return replace(was, attempts=was.attempts + 1, message=message)


def answered_a_write(was: RouterState) -> RouterState:
    """Return the state after an answered write: earlier lost writes no longer count."""
    return was if was.open else replace(was, attempts=0)


def takes_no_writes(was: RouterState) -> bool:
    """Return whether the router is at fault if one more write was lost."""
    lost_in_a_row = not was.open and was.attempts + 1 >= _MOST_LOST
    return lost_in_a_row or was.cause == TAKES_NO_WRITES


def answered(was: RouterState, now_ms: int) -> RouterState:
    """Return the state after a successful read: closed, its backlog still to be drained."""
    if not was.open:
        return was
    return RouterState(
        "up",
        since_ms=now_ms,
        away_since_ms=was.away_since_ms or was.since_ms,
        drained=was.drained,
        written=was.written,
    )


def draining(was: RouterState) -> RouterState:
    """Return the state after a good pass with more work due."""
    return replace(was, attempts=0, message="") if was.away_since_ms else UP


def _away(was: RouterState, now: RouterState, now_ms: int) -> RouterState:
    same = was.state == now.state
    return replace(
        now,
        since_ms=was.since_ms if same else now_ms,
        attempts=was.attempts + 1 if same else 1,
        away_since_ms=was.away_since_ms or (was.since_ms if was.open else now_ms),
        drained=was.drained,
        written=was.written,
    )
