"""The circuit of a router: what failures, refusals and answers make of it, and how long to wait.

- closed, state `up`: worked on whenever something is due.
- open, state `unreachable`: could not be connected to, logged in to or read; tried again by itself.
- blocked, state `blocked`: refuses us, or may be another router; a person must act; tried rarely.
- half-open, either of both when its time has come: one short probe looks at a few services.

The first read that goes through closes it. A write whose answer was lost opens nothing: that may be
one service's fault, and the next pass reads first anyway; only the next try is put off a little.
"""

import json
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, NamedTuple

from worker.core.storage_format import printable

_LEAST_S: Final = 0.1
LOST_WRITES_CAP_S: Final = 8.0
"""Who ends the connection is found by trying: that must not take minutes."""
TAKES_NO_WRITES: Final = "takes-no-writes"
"""Why a router that can be read is out of reach."""
_MOST_LOST: Final = 3
"""Writes without an answer in a row: then it is no service's fault."""
RECOVERY_S: Final = 3.2
"""How long a router is left alone whose REST was left before its answer, or may have given us the
status of another request: RouterOS 7.21.5 was seen to do that up to 2.4 s after an aborted one."""
_DOUBTED_MS: Final = 3_000

LOGIN_REFUSED: Final = "login-refused"

INTERNAL_ERROR: Final = "internal-error"
"""Why a router is blocked with which a pass failed, by no fault of its own; of letters, too."""

Circuit = Literal["closed", "open", "half-open", "blocked"]


@dataclass(frozen=True, slots=True)
class RouterState:
    """How a router is doing; one that is up and has nothing behind it has none stored.

    Attributes:
        state: `up`, `unreachable`, `blocked`, `policy-changed`: a worker's inventory has another
            policy for it than the applied one; never stored: `held` by a person, `new` (nobody
            reached it yet), `unknown` (the inventory does not have it).
        since_ms: when this state began.
        attempts: failed attempts in a row; of a router that is up: writes without an answer.
        next_at_ms: when the next attempt is due.
        cause: a word for a blocked router, such as `login-refused`; of one out of reach
            `takes-no-writes`, or nothing.
        message: the last words of the router or of the network.
        away_since_ms: since when it was not worked on; kept until what waited for it is drained.
        drained: services looked at since it is back.
        written: writes since it is back.
        refused_ms: when it first refused a login that had worked before; 0: it did not.
    """

    state: Literal["up", "unreachable", "blocked", "policy-changed", "held", "new", "unknown"] = (
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
        """Read what is stored; None is a router that is up."""
        if not text:
            return cls()
        known = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        return cls(**known)

    def to_json(self) -> str:
        """One line of JSON without what is as in a router that is well: `{}` for one that is."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        said["message"] = printable(self.message)
        return json.dumps({k: v for k, v in said.items() if v != getattr(_WELL, k)})

    @property
    def open(self) -> bool:
        """Whether nothing but a probe goes to the router."""
        return self.state in {"unreachable", "blocked"}

    def circuit(self, *, busy: bool) -> Circuit:
        """The circuit in the field's words.

        Args:
            busy: a worker is at the router now; at one that is open that is the probe.
        """
        if not self.open:
            return "closed"
        if busy:
            return "half-open"
        return "blocked" if self.state == "blocked" else "open"


_WELL: Final = RouterState()
NEW: Final = RouterState("new")
UNKNOWN: Final = RouterState("unknown")


class BackOff(NamedTuple):
    """How long a router is left alone (s).

    Attributes:
        first_s: ceiling after the first failure; doubles.
        cap_s: longest wait for a router that is out of reach.
        blocked_s: longest wait for a router that refuses us.
    """

    first_s: float = 1.0
    cap_s: float = 300.0
    blocked_s: float = 300.0

    def unreachable_s(self, attempts: int, share: float) -> float:
        """Full jitter: anything up to the ceiling, so that routers do not come back in step.

        Args:
            attempts: failures in a row, this one counted.
            share: random, in [0, 1).
        """
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempts - 1, 30))
        return max(_LEAST_S, ceiling * share)

    def refused_s(self, share: float) -> float:
        """Half of the longest wait to all of it: a person acts meanwhile."""
        return max(_LEAST_S, self.blocked_s * (1 + share) / 2)

    def lost_write_s(self, attempts: int, share: float) -> float:
        """As for one that is out of reach, and never long."""
        return min(LOST_WRITES_CAP_S, self.unreachable_s(attempts, share))


def failed(was: RouterState, message: str, now_ms: int, cause: str = "") -> RouterState:
    """It could not be connected to, logged in to or read; or takes no writes, as `cause` says."""
    return _away(was, RouterState("unreachable", cause=cause, message=message), now_ms)


def refused(was: RouterState, cause: str, message: str, now_ms: int) -> RouterState:
    """It refuses us, or may be another router."""
    return _away(was, RouterState("blocked", cause=cause, message=message), now_ms)


def doubts_refusal(was: RouterState, now_ms: int) -> bool:
    """Whether a login that had worked before was refused for the first time.

    Over REST that may be the answer to another request. A second one, some seconds later, counts.
    """
    if was.state == "blocked" and was.cause == LOGIN_REFUSED:
        return False
    return not 0 < was.refused_ms <= now_ms - _DOUBTED_MS


def refused_once(was: RouterState, message: str, now_ms: int) -> RouterState:
    """It refused a login that had worked before: nothing follows but another look."""
    since_ms = was.refused_ms if 0 < was.refused_ms <= now_ms else now_ms
    return replace(was, message=message, refused_ms=since_ms)


def lost_write(was: RouterState, message: str) -> RouterState:
    """The answer to a write was lost: the circuit stays closed."""
    return replace(was, attempts=was.attempts + 1, message=message)


def answered_a_write(was: RouterState) -> RouterState:
    """So writes that were lost before are not lost in a row with others."""
    return was if was.open else replace(was, attempts=0)


def takes_no_writes(was: RouterState) -> bool:
    """Whether it is the router, when now another write was lost."""
    lost_in_a_row = not was.open and was.attempts + 1 >= _MOST_LOST
    return lost_in_a_row or was.cause == TAKES_NO_WRITES


def answered(was: RouterState, now_ms: int) -> RouterState:
    """A read went through: closed, with what waited still to be drained."""
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
    """A pass went well and something is due still."""
    return replace(was, attempts=0, message="") if was.away_since_ms else _WELL


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
