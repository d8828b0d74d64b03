"""Plays a history of three small processes, none of them of the program, and prints its digest.

It is the same on each machine and with each Python: test_simulation.py knows it. What may differ
is all here: the time that Redis sees, its order of fields, the order of sets, chance, and faults.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.simulation.virtual import CHANCE, CLOCK, begin  # isort: skip - before the program

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.simulation.connections import pool_of
from tests.simulation.odds import Odds
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.store_side import PlainClient, connected
from tests.simulation.tasks import Process

_ODDS: Final = Odds(0.02, 0.02, 0.02, 0.02, 0.02, 0.05)
_SCRIPT: Final = """
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], now[1] .. '.' .. now[2])
return redis.call('HGETALL', KEYS[1])
"""


def main() -> None:
    """Play it."""
    begin(1)
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        TimedServer(Path(directory) / "v") as server,
    ):
        scheduler = Scheduler(_ODDS)
        client = connected(PlainClient, pool_of(server, scheduler, retry=Retry(NoBackoff(), 3)))
        scheduler.restarts = lambda process: _start(scheduler, client, f"{process.name}+")
        for number in range(3):
            _start(scheduler, client, f"process-{number}")
        scheduler.run(2_000)
        scheduler.end()
    sys.stdout.write(f"{scheduler.digest}\n{dict(scheduler.counts)}\n")


def _start(scheduler: Scheduler, client: Any, name: str) -> None:
    scheduler.spawn(Process(name), "works", lambda: _work(client, name))


def _work(client: Any, name: str) -> None:
    while True:
        try:
            word = CHANCE.choice(sorted({name, *"abcdefgh"}))
            client.eval(_SCRIPT, 1, "times", word)
            client.sadd("words", *{word, *CHANCE.sample("ijklmnop", 3)})
            with client.pipeline() as pipe:
                pipe.zincrby("score", CHANCE.uniform(0, 1), word)
                pipe.zrange("score", 0, -1, withscores=True)
                pipe.execute()
        except redis.RedisError:
            client.incr("errors")
        CLOCK.pause(CHANCE.expovariate(1))


if __name__ == "__main__":
    main()
