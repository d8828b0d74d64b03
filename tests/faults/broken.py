"""Deliberately broken builds: `python -m tests.faults.broken NAME events|routers`.

The fault harness must fail on each of them; one that it lets pass shows that it proves nothing.
So that this does not hang on luck, workers here end as if killed just before some of their
writes; `dies-before-write` is the real build in that state, and must pass, as must
`stops-before-sending` and `dies-around-the-cut`.
"""

import json
import os
import random
import signal
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from worker.convergence.batch import BatchRunner
from worker.convergence.batch_item import BatchItem
from worker.convergence.concurrency import RouterLock
from worker.convergence.confirm import confirmed
from worker.convergence.make_effective import MakeEffective
from worker.convergence.writing import Answers
from worker.core.entry.entry import Claim
from worker.core.rows.operations import WritePlan
from worker.routeros import transport
from worker.routeros.commands import Command
from worker.routeros.wire import SentenceSocket
from worker.runtime import process
from worker.store import scripts
from worker.store.journal import Journal, Taken
from worker.store.routers import Routers

_DIES: Final = 0.2
"""Share of writes before which the process is killed."""


def dies_before_write() -> None:
    """Nothing is broken, but the worker is killed at the worst moment."""
    write = BatchRunner._write

    def dying(self: BatchRunner, items: dict[str, BatchItem], made: WritePlan) -> Answers:
        if random.random() < _DIES:
            self._lock.begin_writing(items.keys(), frozenset())
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, items, made)

    BatchRunner._write = dying


def stops_before_sending() -> None:
    """Nothing is broken, but the first worker that sends a change is stopped just before it."""
    exchange = SentenceSocket.exchange
    first = Path(os.environ["LEASEWIRE_INVENTORY"]).with_name("stopped")

    def stopping(
        self: SentenceSocket, sentences: Sequence[Command], deadline: float
    ) -> list[list[str]]:
        if any(words[0].endswith("/set") for words in sentences) and not first.exists():
            first.write_text(str(os.getpid()))
            # To this thread: a signal to the process may stop it only after this one has sent.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return exchange(self, sentences, deadline)

    SentenceSocket.exchange = stopping


def confirm_before_write() -> None:
    """Marks are cleared before the writes are sent, and no note of them is left either.

    With the notes in flight alone a killed pass would still be looked at again.
    """
    dies_before_write()
    no_notes()
    write = BatchRunner._write

    def broken(self: BatchRunner, items: dict[str, BatchItem], made: WritePlan) -> Answers:
        now_ms = self.concluder.now_ms
        self.concluder.conclude([confirmed(item, now_ms) for item in items.values()])
        return write(self, items, made)

    BatchRunner._write = broken
    BatchRunner._after_writing = lambda *_: {}


def no_journal() -> None:
    """Only what the message itself carries is folded: the journal is not looked at."""
    take = Journal.take

    def broken(self: Journal, lane: str, carried: Sequence[str], most: int) -> Taken:
        found = take(self, lane, carried, 0 if most else most)
        return found._replace(full=False, carried=[1 for _ in carried], entries=[])

    Journal.take = broken


def confirm_without_the_stamp() -> None:
    """A look ends as it began, whatever was marked meanwhile."""
    changed = "\n    or get(router.work_items, c.service_id) ~= c.work_version then"
    _rewrite("conclude", changed, " then")


def claims_outside_the_script() -> None:
    """Services look who has what they want, and take it in a later step."""
    _rewrite("commit", "request(router, id,", "type(router, id,")  # asks nobody

    def broken(
        self: Routers, router: str, wants: Sequence[tuple[str, int, frozenset[Claim]]]
    ) -> list[list[tuple[str, str]] | None]:
        key = self._keys.router(router).claims
        held = {claim: json.loads(text) for claim, text in self._client.hgetall(key).items()}
        answers = [
            [
                (claim, holder)
                for claim, _ in claims
                for holder, is_held in held.get(claim, {}).values()
                if is_held and holder != service
            ]
            for service, _, claims in wants
        ]
        for (service, _, claims), refused in zip(wants, answers, strict=True):
            for claim, scope in () if refused else claims:
                self._client.hset(key, claim, json.dumps({scope: [service, 1]}))
        return answers

    Routers.claim = broken


def plain_close() -> None:
    """A connection is closed, not reset: what was sent on it is sent again by the kernel."""
    transport._RESET_ON_CLOSE = struct.pack("ii", 0, 0)
    transport._notice_a_dead_peer = lambda _sock, _timeout: None


def no_notes() -> None:
    """Nobody notes what may be under way."""
    begin = RouterLock.begin_writing
    RouterLock.begin_writing = lambda self, _services, _taken, _adds=None: begin(
        self, (), frozenset()
    )


def dies_around_the_cut() -> None:
    """Nothing is broken, but two workers die at a cut: one just before it, one just after it."""
    cut = MakeEffective.cut
    deaths = Path(os.environ["LEASEWIRE_INVENTORY"]).with_name("deaths")

    def died(before: int) -> bool:
        """The next death, if so many were before it."""
        if (deaths.stat().st_size if deaths.exists() else 0) != before:
            return False
        with deaths.open("a") as file:
            file.write("x")
        return True

    def dying(self: MakeEffective, items: Sequence[BatchItem], now_ms: int) -> Mapping[str, str]:
        if died(0):
            os.kill(os.getpid(), signal.SIGKILL)
        remarks = cut(self, items, now_ms)
        if died(1):
            os.kill(os.getpid(), signal.SIGKILL)
        return remarks

    MakeEffective.cut = dying


def cuts_only_what_it_wrote() -> None:
    """Connections are removed only by the pass that wrote the row."""
    confirm = BatchRunner._confirm
    needs_cut = MakeEffective.needs_cut
    dies_around_the_cut()

    def broken(self: BatchRunner, *others: Any) -> None:
        attempts = self.concluder.attempts
        self._effective.needs_cut = (  # type: ignore[method-assign]
            lambda item: bool(attempts[item.service_id].wrote) and needs_cut(self._effective, item)
        )
        confirm(self, *others)

    BatchRunner._confirm = broken


def _rewrite(script: str, old: str, new: str) -> None:
    real = scripts.source

    def source(name: str) -> str:
        text = real(name)
        assert name != script or old in text
        return text.replace(old, new) if name == script else text

    scripts.source = source


BUILDS: dict[str, Callable[[], None]] = {
    "dies-before-write": dies_before_write,
    "stops-before-sending": stops_before_sending,
    "confirm-before-write": confirm_before_write,
    "no-journal": no_journal,
    "confirm-without-the-stamp": confirm_without_the_stamp,
    "claims-outside-the-script": claims_outside_the_script,
    "plain-close": plain_close,
    "no-notes": no_notes,
    "dies-around-the-cut": dies_around_the_cut,
    "cuts-only-what-it-wrote": cuts_only_what_it_wrote,
}

if __name__ == "__main__":
    BUILDS[sys.argv[1]]()
    sys.exit(process.main(sys.argv[2:]))
