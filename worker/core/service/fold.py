"""Folds events into the record, in any order and any number of times.

An event writes a register only if it is newer than the event that wrote it before. So every order
and any repetition of the same events gives the same registers. Events may call a router by a name
that it had before.
"""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from contracts.events import Event, Snapshot
from worker.core.service.event_ref import NEVER, Version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import DEFAULTS, DEVICE_REGISTERS, OF_DEVICES, Register
from worker.core.service.schedule import Scheduled, as_said
from worker.core.service.writes import writes_of


class Folded(NamedTuple):
    """The result of folding one event.

    Attributes:
        record: the record after it; only registers, `highest` and `last_event_ms` may differ.
        wrote: registers where the event was newer; empty for an event folded before.
        changed: those of them that have another value now.
        overtaken: registers where it came too late, each with the id of the newer event.
        conflicts: registers where an event of equal rank has another value; the greater version
            wins, whichever came first.
    """

    record: ServiceRecord
    wrote: frozenset[str]
    changed: frozenset[str]
    overtaken: Mapping[str, str]
    conflicts: frozenset[str]


def fold(
    record: ServiceRecord,
    event: Event,
    version: Version,
    unmanaged: frozenset[str] = frozenset(),
    last_event_ms: int = 0,
) -> Folded:
    """Fold one event into the record of the service that it names.

    `unmanaged` are registers that its source does not know; `last_event_ms` is when the event came,
    or the time that it describes.
    """
    own, beside = writes_of(event, unmanaged)
    stated = NEVER if isinstance(event, Snapshot) else version
    new = {name: Register(value, version, event.id) for name, value in beside.items()}
    new |= {name: Register(value, version, event.id, stated) for name, value in own.items()}
    return _fold(record, new, version, last_event_ms)


def release(
    record: ServiceRecord, scheduled: Scheduled, version: Version, last_event_ms: int = 0
) -> Folded:
    """Fold a scheduled event whose time has come.

    Registers that it only mentions are as old as the event. Those that it is about are set now, and
    supersede no other scheduled event: each takes effect at its own time. Only a cancellation ends
    the scheduled events that are older than itself.
    """
    event_id, accepted = scheduled.event.id, scheduled.version
    beside = as_said(scheduled.beside)
    new = {name: Register(value, accepted, event_id) for name, value in beside.items()}
    for name, value in as_said(scheduled.own).items():
        stated = accepted if (name, value) == ("lifecycle", "cancelled") else NEVER
        new[name] = Register(value, version, event_id, stated)
    return _fold(record, new, version, last_event_ms)


def _fold(
    record: ServiceRecord, statements: Mapping[str, Register], highest: Version, last_event_ms: int
) -> Folded:
    registers = dict(record.registers)
    if "devices" in statements or not OF_DEVICES.isdisjoint(statements):
        statements = _for_each_device(statements, registers)
    wrote: set[str] = set()
    changed: set[str] = set()
    overtaken: dict[str, str] = {}
    conflicts: set[str] = set()
    for name, new in statements.items():
        held = registers.get(name)
        if held is None:
            registers[name] = new
            wrote.add(name)
            if new.value != DEFAULTS[name]:
                changed.add(name)
            continue
        if held.version < new.version:
            registers[name] = new
            wrote.add(name)
            if new.value != held.value:
                changed.add(name)
        elif held.version > new.version:
            overtaken[name] = held.event
        else:  # equal versions have equal content: of two ids always keep the same one
            registers[name] = min(held, new, key=lambda register: register.event)
        stated = max(held.stated, new.stated)
        if stated != registers[name].stated:
            registers[name] = registers[name]._replace(stated=stated)
        is_alike = held.version[:-1] == new.version[:-1]  # but for the digest, a mere tie-breaker
        if held.value != new.value and is_alike:
            conflicts.add(name)
    folded = record._replace(
        registers=registers,
        highest=max(record.highest, highest),
        last_event_ms=max(record.last_event_ms, last_event_ms) if wrote else record.last_event_ms,
    )
    return Folded(folded, frozenset(wrote), frozenset(changed), overtaken, frozenset(conflicts))


def _for_each_device(
    statements: Mapping[str, Register], registers: dict[str, Register]
) -> dict[str, Register]:
    """The statements with one for each further device in place of the list of a `service` block.

    What the event itself says of a device wins over its block. A device that is not in the list is
    no more. Of one that the service never had nothing is written, until something is said of it:
    then the newest block said that it is no more. Only blocks write the label, so that its register
    tells when that was.
    """
    every = dict(statements)
    said = every.pop("devices", None)
    if said is not None:
        listed: Any = said.value
        values = {DEVICE_REGISTERS[str(device["number"])]: device for device in listed}
        for name in OF_DEVICES:
            if name not in every and (name in values or name in registers):
                every[name] = said._replace(value=values.get(name))
    label = registers.get("label")
    if label is not None:
        for name in OF_DEVICES & every.keys() - registers.keys():
            registers[name] = label._replace(value=None)
    return every


_Model = TypeVar("_Model", bound=BaseModel)


def former_only(aliases: Mapping[str, str], routers: Container[str]) -> dict[str, str]:
    """Return the former names that no router of the inventory has now."""
    return {old: new for old, new in aliases.items() if old not in routers}


def with_present_names(model: _Model, aliases: Mapping[str, str]) -> _Model:
    """Return an event with the present names of routers; itself where it has no former name.

    Routers are named in fields `router`, at any depth.
    """
    update: dict[str, Any] = {}
    for name in model.model_fields_set if aliases else ():
        value = getattr(model, name)
        if name == "router" and value in aliases:
            update[name] = aliases[value]
        elif isinstance(value, BaseModel):
            inner = with_present_names(value, aliases)
            if inner is not value:
                update[name] = inner
    return model.model_copy(update=update) if update else model
