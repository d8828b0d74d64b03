"""Wakes tasks that wait for messages in queues, as Redis does."""

from dataclasses import dataclass, field

from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.store_side import OwnClient


@dataclass
class Messages:
    """The queues for which somebody waits.

    Attributes:
        server: in which they are; its file says what was put there, and taken.
        client: of the harness.
        scheduler: knows who waits.
    """

    server: TimedServer
    client: OwnClient
    scheduler: Scheduler
    _lengths: dict[str, int] = field(default_factory=dict)
    _start: int = 0

    def wake(self) -> None:
        """Wake those who wait for messages that are there."""
        self.scheduler.may_have_pushed = False
        if self._start != self.server.starts:
            self._lengths, self._start = {}, self.server.starts
        for queue, more in self.server.messages_moved():
            if queue in self._lengths:
                self._lengths[queue] += more
        queues = sorted(self.scheduler.waited_for)
        if new := [queue for queue in queues if queue not in self._lengths]:
            lengths = self.client.ask(*(("LLEN", queue) for queue in new))
            self._lengths |= zip(new, lengths, strict=True)
        for queue in queues:
            if length := self._lengths[queue]:
                self.scheduler.there_is(queue, length)
