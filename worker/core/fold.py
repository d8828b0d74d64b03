"""Events change the record, in any order and any number of times.

Who calls it: `accept`. A register is written only by an event that is newer than the one that
holds it, so every permutation and duplication of the same events gives the same registers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from contracts import Event
from worker.core.record import Register, ServiceRecord
from worker.core.version import Version
from worker.core.writes import writes_of


class Folded(NamedTuple):
    """What folding one event did.

    Attributes:
        record: the record after it; only registers and `highest` may differ.
        wrote: registers where the event was newer. Empty for an event folded before.
        changed: those of them that hold another value now.
        overtaken: registers where it came too late, each with the id of the event that holds it.
        conflicts: registers where an event of equal rank said something else; the greater
            version holds, whichever came first.
    """

    record: ServiceRecord
    wrote: frozenset[str]
    changed: frozenset[str]
    overtaken: Mapping[str, str]
    conflicts: frozenset[str]


def fold(record: ServiceRecord, event: Event, version: Version) -> Folded:
    """Fold one event into the record of the service that it names."""
    registers = dict(record.registers)
    wrote: set[str] = set()
    changed: set[str] = set()
    overtaken: dict[str, str] = {}
    conflicts: set[str] = set()
    for name, value in writes_of(event).together.items():
        held = registers.get(name)
        said = Register(value, version, event.id)
        if held is None or held.version < version:
            registers[name] = said
            wrote.add(name)
            if value != record.value(name):
                changed.add(name)
        elif held.version > version:
            overtaken[name] = held.event
        else:  # one version, so one content: of two ids keep the same one, whichever came first
            registers[name] = min(held, said, key=lambda register: register.event)
        if held is not None and held.value != value and held.version.rank == version.rank:
            conflicts.add(name)
    folded = replace(record, registers=registers, highest=max(record.highest, version))
    return Folded(folded, frozenset(wrote), frozenset(changed), overtaken, frozenset(conflicts))
