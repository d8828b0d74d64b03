"""How long routers take to answer, collected over all sessions of a process."""

import threading
from collections.abc import Callable, Mapping

from worker.ports import AnswerTimes


class AnswerCollector:
    """Collects until they are stored. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: dict[str, AnswerTimes] = {}

    def add(self, router: str, times: AnswerTimes) -> None:
        """Add answers of a router."""
        if times.number:
            with self._lock:
                before = self._answered.get(router)
                self._answered[router] = before.plus(times) if before else times

    def store(self, note: Callable[[Mapping[str, AnswerTimes]], None]) -> None:
        """Hand what was collected to the store; if that fails it is lost."""
        with self._lock:
            answered, self._answered = self._answered, {}
        if answered:
            note(answered)
