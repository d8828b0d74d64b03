"""Who waits for a claim is woken: nobody waits on for what nobody has any more."""

import json
from collections.abc import Collection, Iterator
from typing import Any, Final

from redis.client import Pipeline

from tests.simulation.tasks import Violation
from tests.simulation.virtual import CLOCK

_CLAIM_HELD: Final = "claim-held"
_SPAN: Final = 10**13
"""A score is a priority times this, and when it is due in ms (docs/reference/redis-keys.md)."""
_SOON_MS: Final = 1_000


class WaitChecks:
    """A service that waits for a claim is a waiter of one that another has, or is due.

    Args:
        client: of the harness.
        prefix: of all keys.
        routers: their names.
    """

    def __init__(self, client: Any, prefix: str, routers: Collection[str]) -> None:
        self._client = client
        self._prefix = prefix
        self._routers = routers

    def ask(self, pipe: Pipeline) -> None:
        """Look who waits, and whether a pass is under way."""
        for name in self._routers:
            pipe.hgetall(self._of(name, "waiting"))
            pipe.exists(self._of(name, "lock"))

    def look(self, answers: Iterator[Any]) -> None:
        """Check who waits for a claim where no pass is under way.

        Raises:
            Violation: one waits for nothing.
        """
        for name in self._routers:
            waiting, is_locked = next(answers), next(answers)
            services = [service for service, text in waiting.items() if _is_for_claim(text)]
            if services and not is_locked:
                self._check(name, services)

    def _check(self, name: str, services: Collection[str]) -> None:
        pipe = self._client.pipeline(transaction=False)
        pipe.zrange(self._of(name, "waiters"), 0, -1)
        pipe.hgetall(self._of(name, "claims"))
        pipe.zmscore(self._of(name, "due"), list(services))
        waiters, claims, scores = pipe.execute()
        for service, score in zip(services, scores, strict=True):
            if score is None or score % _SPAN < CLOCK.now_s * 1000 + _SOON_MS:
                continue  # the brake holds it, or it is looked at now
            mine = f"s|{service}|"
            waits_for = [each[len(mine) :] for each in waiters if each.startswith(mine)]
            holders = [
                who
                for claim in waits_for
                for who, is_held in json.loads(claims.get(claim, "{}")).values()
                if is_held and who != service
            ]
            if not holders:
                what = (
                    f"{waits_for}, which nobody has" if waits_for else "nothing that would wake it"
                )
                raise Violation(f"{name}: {service} waits for {what}")

    def _of(self, router: str, end: str) -> str:
        return f"{self._prefix}router:{router}:{end}"


def _is_for_claim(text: str) -> bool:
    return bool(json.loads(text)["reason"] == _CLAIM_HELD)
