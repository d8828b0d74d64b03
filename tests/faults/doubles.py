"""What two rows of a router held at once, by its journal: a MAC, an address, or prefixes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.expected import held_twice
from worker.core.entry.entry import EntryKind
from worker.core.rows.rows import BINDINGS, LEASES, Lease
from worker.routeros.rows import entry_rows


@dataclass
class Doubled:
    """Something that two rows held for a while.

    Attributes:
        router: its name.
        what: in words.
        seq: of the write that made it so.
        began_s: when that was, in monotonic seconds.
        may_be: the router refuses no such row: so only a write that lands late may bring it.
        is_late: a newer session had written before.
        lasted_s: for how long; without end while it is so.
    """

    router: str
    what: str
    seq: int
    began_s: float
    may_be: bool
    is_late: bool
    lasted_s: float = math.inf

    def __str__(self) -> str:
        late = "after a newer session, " if self.is_late else ""
        return f"{self.router}: {self.what} at {self.seq}, {late}for {self.lasted_s:.1f} s"


def doubled(
    router: str, journal: Sequence[Mapping[str, Any]], kind: EntryKind, resets: Sequence[int]
) -> Iterator[Doubled]:
    """Whatever two rows of a router ever held at once.

    Args:
        router: its name.
        journal: all that was written there.
        kind: of its entries.
        resets: how long the journal was when all rows were lost.
    """
    rows: dict[str, Lease | Mapping[str, str]] = {}
    now: dict[str, Doubled] = {}
    left, newest = list(resets), 0
    for entry in journal:
        while left and entry["seq"] > left[0]:
            left.pop(0)
            rows.clear()
        session = _number(entry["session"])
        is_late, newest = 0 < session < newest, max(session, newest)
        menu, _, _ = entry["command"].rpartition("/")
        if entry["error"] or menu not in (kind.menu.path, BINDINGS):
            continue
        row_id = menu + (entry["after"] or entry["before"])[".id"]
        rows.pop(row_id, None)
        if entry["after"] and menu == BINDINGS:
            rows[row_id] = entry["after"]
        elif entry["after"]:
            (rows[row_id],) = entry_rows(kind, [entry["after"]])
        twice = held_twice(rows)
        for what in now.keys() - set(twice):
            over = now.pop(what)
            over.lasted_s = entry["time"] - over.began_s
            yield over
        for what in twice:
            may_be = kind.menu.path != LEASES and " address " in what
            now.setdefault(
                what, Doubled(router, what, entry["seq"], entry["time"], may_be, is_late)
            )
    yield from now.values()


def _number(session: str) -> int:
    """They are counted by the router; 0: a person or a device."""
    return int(session.rpartition(":")[2]) if ":" in session else 0
