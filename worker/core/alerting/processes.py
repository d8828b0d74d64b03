"""The processes of an installation: what each says of itself, and the hosts that they run on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

WORKER_KINDS: Final = ("events", "routers")
"""Kinds of processes that are workers; others are `gateway`, `outcomes` and `alerts`."""
ALIVE_MS: Final = 15_000
"""A process whose last sign of life is older is taken for gone."""


class ProcessInfo(NamedTuple):
    """What a process says of itself.

    Attributes:
        kind: `events` or `routers` (workers), `gateway`, `outcomes` or `alerts`.
        formats: what is stored -> the numbers of its formats that this process reads.
        boot: which start of the system it runs on; two hosts of one name differ in it.
        clock_ms: how far the clock of its host is ahead of Redis's (ms).
        answer_ms: how long Redis took to answer it (ms).
    """

    kind: str
    host: str
    pid: int
    version: str = ""
    formats: Mapping[str, Sequence[int]] = {}
    boot: str = ""
    clock_ms: int = 0
    answer_ms: float = 0.0

    @property
    def name(self) -> str:
        """Such as `events@host-1:4711`."""
        return f"{self.kind}@{self.host}:{self.pid}"


class ProcessSign(NamedTuple):
    """A process, and how long ago (ms) its last sign of life was."""

    process: ProcessInfo
    ago_ms: int

    @property
    def alive(self) -> bool:
        """Whether it gave a sign of life in the last 15 s."""
        return self.ago_ms < ALIVE_MS


class HostSummary(NamedTuple):
    """A host with processes of ours.

    Attributes:
        running: kind of process -> how many run.
        silent: kind of process -> how long ago (ms) the last of that kind gave a sign of life.
            None of that kind runs, and none was stopped in order since.
        versions: of those that run, or else of those that did.
        ago_ms: when the last sign of life of any of them was.
        answer_ms: how long Redis took to answer it, at the longest.
        boots: how many hosts use this name.
    """

    name: str
    running: Mapping[str, int]
    silent: Mapping[str, int]
    versions: Sequence[str]
    ago_ms: int
    clock_ms: int
    answer_ms: float
    boots: int


def hosts_of(signs: Iterable[ProcessSign]) -> list[HostSummary]:
    """The hosts of processes, by name."""
    by_host = sorted(signs, key=lambda sign: sign.process.host)
    return [
        _summary(name, list(of_host))
        for name, of_host in groupby(by_host, key=lambda sign: sign.process.host)
    ]


def _summary(name: str, signs: Sequence[ProcessSign]) -> HostSummary:
    alive = [sign for sign in signs if sign.alive]
    running = Counter(sign.process.kind for sign in alive)
    silent: dict[str, int] = {}
    for sign in signs:
        kind = sign.process.kind
        if kind not in running:
            silent[kind] = min(silent.get(kind, sign.ago_ms), sign.ago_ms)
    last = min(signs, key=lambda sign: sign.ago_ms)
    shown = alive or signs
    return HostSummary(
        name,
        dict(sorted(running.items())),
        dict(sorted(silent.items())),
        sorted({sign.process.version for sign in shown} - {""}),
        last.ago_ms,
        last.process.clock_ms,
        max(sign.process.answer_ms for sign in shown),
        len({sign.process.boot for sign in alive} - {""}) or 1,
    )
