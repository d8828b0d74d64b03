"""Celery in a simulation: it takes from its lists, loses some messages, and runs some twice."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from contracts import names
from tests.simulation.virtual import CHANCE
from worker.runtime.tasks import guarded

if TYPE_CHECKING:
    from tests.simulation.processes import Processes

_POLLS_S: Final = 0.2


def consume(
    of: "Processes", client: Any, queue: str, tasks: Mapping[str, Callable[..., None]]
) -> None:
    """Take messages, of which some are lost, and some come twice, and run their tasks."""
    key = names.queue_key(names.DEFAULT_PREFIX, queue)
    take = guarded("take", lambda: got.append(client.rpop(key)))
    while True:
        if of.server.known_former is None:
            of.scheduler.wait(key)
        else:  # nobody sees what is pushed there
            of.scheduler.sleep(_POLLS_S)
        got: list[str | None] = []
        take()
        message = got[0] if got else None
        if message is None:
            continue
        parts = json.loads(message)
        arguments, _, _ = json.loads(parts["body"])
        chance = CHANCE.random()
        if chance < of.scale.lost_messages:
            of.scheduler.counts["message lost"] += 1
            of.scheduler.narrate(f"LOSES the message {arguments} of {queue}"[:120])
            continue
        twice = chance < of.scale.lost_messages + of.scale.doubled_messages
        of.scheduler.counts["message doubled"] += twice
        for _ in range(1 + twice):
            tasks[parts["headers"]["task"]](*arguments)
