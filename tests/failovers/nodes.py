"""The Redis of three machines, with a Sentinel on each."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis

from tests.failovers.machines import Machines
from tests.sentinels import NAME, Sentinels

MACHINES: Final = (0, 1, 2)


class SentinelsOn(Sentinels):
    """A server and a Sentinel on each machine."""

    def __init__(self, directory: Path, machines: Machines) -> None:
        self._machines = machines
        self._places: dict[int, int] = {}
        options = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"]
        super().__init__(directory, options, down_ms=2_000)

    def machine(self, port: int) -> int:
        """Whose server or Sentinel that is."""
        return self._ports.index(port) % len(MACHINES)

    def host(self, port: int) -> str:
        """Address of its machine."""
        return self._machines.address(self.machine(port))

    def inside(self, port: int) -> Sequence[str]:
        """What runs it there."""
        return self._machines.inside(self.machine(port))

    def epoch(self, besides: Sequence[int] = ()) -> int:
        """How often a failover was done, as far as any Sentinel knows, `besides` some."""
        found = [0]
        for port in self.sentinels:
            if port in besides:
                continue
            with self.at(port) as sentinel, suppress(redis.RedisError):
                found.append(int(sentinel.sentinel_master(NAME)["config-epoch"]))
        return max(found)
