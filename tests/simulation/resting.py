"""Whether an installation that nothing disturbs still gets on, or stands where it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts import names
from tests.simulation.bss_service import POOL
from tests.simulation.store_side import OwnClient
from tests.simulation.virtual import CHANCE, CLOCK
from worker.store.keys import Keys

_KEPT_UP: Final = 0.85
"""Share of histories of which others keep Redis up, which takes a seventh of all points."""
_LONGEST_S: Final = 1_800.0
_STANDS_S: Final = 660.0
"""Nothing that is waited for waits so long and then goes on (`_SENT_AGAIN_S` of the sweep: 600)."""


@dataclass
class Rest:
    """What is yet to be done, while nothing goes wrong any more.

    Attributes:
        client: of the harness.
        keys: their names.
        routers: their names.
    """

    client: OwnClient
    keys: Keys
    routers: Sequence[str]

    def keep_up(self) -> bool:
        """Let others see to the upkeep of Redis, if they do; a worker else does each minute."""
        if is_kept_up := CHANCE.random() < _KEPT_UP:
            self.client.set(self.keys.maintenance, "elsewhere")
        return is_kept_up

    def is_busy(self) -> bool:
        """Whether anything is to be done, or under way; asked often, so in one round trip."""
        bodies = [names.journal_body(self.keys.prefix, lane) for lane in names.LANES]
        asked: list[tuple[str, ...]] = [
            ("ZRANGE", self.keys.schedule, "0", "-1", "WITHSCORES"),
            ("ZRANGE", self.keys.calendar("all"), "0", "-1"),
            ("HKEYS", self.keys.dead_letters),
            ("ZCARD", self.keys.pool_waiting(POOL)),
        ]
        asked += [("HLEN", body) for body in bodies]
        for block in map(self.keys.router, self.routers):
            asked += [("HLEN", block.work_items), ("EXISTS", block.lock), ("HVALS", block.inflight)]
        indexed, dated, dead, *others = self.client.ask(*asked)
        if _is_awaited(indexed, dated, dead):
            return True
        for answer in others:
            notes = answer if isinstance(answer, list) else []
            if any(not note.startswith("|1|") for note in notes) or (answer and not notes):
                return True
        return False

    def begins(self) -> Callable[[], bool]:
        """From now on; what is returned says whether nothing more is to be expected."""
        gives_up_at, stands_since, before = CLOCK.now_s + _LONGEST_S, CLOCK.now_s, ""

        def stands() -> bool:
            nonlocal stands_since, before
            now = self.left()
            if now != before:
                stands_since, before = CLOCK.now_s, now
            return CLOCK.now_s > min(gives_up_at, stands_since + _STANDS_S)

        return stands

    def left(self) -> str:
        """What is to be done, in words."""
        return "; ".join(self._left()) or "somebody wrote late, or nobody reported on a router"

    def _left(self) -> Iterator[str]:
        keys = self.keys
        asked: list[tuple[str, ...]] = [("ZCARD", keys.schedule)]
        asked += [("HLEN", names.journal_body(keys.prefix, lane)) for lane in names.LANES]
        for block in map(keys.router, self.routers):
            asked += [("HGETALL", block.work_items), ("HGETALL", block.waiting)]
            asked += [("HGETALL", block.inflight), ("EXISTS", block.lock)]
        answers = iter(self.client.ask(*asked))
        if scheduled := next(answers):
            yield f"{scheduled} scheduled"
        for lane in names.LANES:
            if events := next(answers):
                yield f"in the journal of {lane}: {events} events"
        for name in self.routers:
            for what in ("work", "waiting", "in flight"):
                if found := next(answers):
                    yield f"{name}: {what} {found}"
            if next(answers):
                yield f"{name}: locked"


def _is_awaited(
    indexed: Sequence[tuple[str, float]], dated: Sequence[str], dead: Sequence[str]
) -> bool:
    """Whether anything of the index of scheduled events is waited for.

    Of a service that failed after such an event, the lease time is put back within a day: too long.
    """
    coming = {place.rpartition("|")[0] for place in dated}
    failed = {letter.partition("@")[0] for letter in dead} - coming
    return any(name not in failed or at_ms <= CLOCK.now_s * 1000 for name, at_ms in indexed)
