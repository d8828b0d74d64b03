"""A worker's signs of life as it sees them: whether Redis is the one that it wrote the last one to.

A Redis that comes back may lack its last second (`appendfsync everysec`), and a replica that takes
over what had not reached it. What was written to routers then is newer than what their records say.
"""

from enum import Enum
from typing import Any, Final, cast

import redis

from worker.store.keys import Keys

SIGN_S: Final = 86_400


class Seen(Enum):
    """What a sign found."""

    SAME = "same"
    RESTARTED = "restarted"
    """Another start of Redis: it may lack what came after the last sign that it has."""
    ROLLED_BACK = "rolled-back"
    """It lacks the last sign."""


class Signs:
    """Of this process. One thread gives them."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._given = self._there = 0
        self._run = ""

    def give(self, worker: str) -> Seen:
        """Leave a sign, numbered from 1, and say what became of the one before."""
        self._given += 1  # should the answer get lost, either number may be there
        pipe = self._client.pipeline(transaction=False)
        pipe.set(self._keys.sign(worker), str(self._given), ex=SIGN_S, get=True)
        pipe.info("server")
        before, about = cast("tuple[str | None, dict[str, Any]]", pipe.execute())
        first, run = not self._there, str(about["run_id"])
        lost = before is None or not self._there <= int(before) <= self._given
        restarted, self._there, self._run = run != self._run, self._given, run
        if first:
            return Seen.SAME
        if lost:
            return Seen.ROLLED_BACK
        return Seen.RESTARTED if restarted else Seen.SAME
