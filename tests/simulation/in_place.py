"""What stands in place of parts of a worker: the gate of its processor, and the Celery app."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from worker.compute_gate import Turn


class OpenGate:
    """Nobody waits for the processor here."""

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Begin at once."""
        yield Turn(self)  # type: ignore[arg-type]

    def outside(self, _: Turn) -> AbstractContextManager[None]:
        """Nobody computes meanwhile who would not anyway."""
        return nullcontext()


class Tasks:
    """In place of the Celery app: keeps the tasks by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Callable[..., None]] = {}

    def task(self, *, name: str, typing: bool) -> Callable[[Callable[..., None]], None]:
        """As `Celery.task`."""
        del typing
        return lambda work: self.by_name.__setitem__(name, work)
