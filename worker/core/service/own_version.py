"""The version of an event that no source sent: of an operator, or of Leasewire itself."""

from collections.abc import Collection
from typing import Final

from worker.core.service.event_ref import Version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import OF_DEVICES

SAID_AT_ONCE: Final = 1_000
"""So many own versions of a service fit into a microsecond: events of one call share a time."""


def own_version(
    record: ServiceRecord, digest: str, said_us: int, names: Collection[str]
) -> Version:
    """Return the version of an event of an operator or of Leasewire itself, set in its commit.

    It wins over the owner's events so far, and loses to the owner's next one. Among each other such
    events are ordered by their times, whichever is folded first: an event that finds a later one
    about the same registers takes a place below it. At equal times the order of arrival counts.

    The record is as the commit finds it; `said_us` is the event's time, in microseconds since 1970.
    """
    at = max(said_us, 0) * SAID_AT_ONCE
    every_name = {*names, *OF_DEVICES} if "devices" in names else names
    held = [record.registers[name].version for name in every_name if name in record.registers]
    later = [version[:2] for version in held if version.local >= at + SAID_AT_ONCE]
    epoch, revision = min(later, default=record.highest[:2])
    every = [record.highest, *(register.version for register in record.registers.values())]
    at_once = [
        version.local
        for version in every
        if version[:2] == (epoch, revision) and at <= version.local < at + SAID_AT_ONCE
    ]
    return Version(epoch, revision, max(at_once, default=at) + 1, digest)
