"""The stored text of a service record: short, and still readable for a person.

A change that an older version would misread gets a new format number.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from worker.core.rows.bindings import OwnBinding
from worker.core.rows.queues import queue_of, short_queue
from worker.core.rows.rows import OPTION_82, ListPlace
from worker.core.service.event_ref import NEVER, EventRef, Version
from worker.core.service.formats import RECORD_FORMATS, STORE_FORMATS, RecordFormats
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import (
    DEFAULTS,
    DEVICE_REGISTERS,
    OF_DEVICES,
    Assigned,
    AssignedKind,
    LeftValue,
    PendingEvent,
    Placement,
    Register,
    RowsAt,
    ShortLease,
    Unassigned,
)
from worker.core.service.schedule import NOTHING_SCHEDULED, Schedule
from worker.core.storage_format import UnknownFormatError, to_json

REGISTER_CODES: Final[Mapping[str, str]] = {
    "lifecycle": "l",
    "suspension": "u",
    "router": "r",
    "dhcp_server": "d",
    "mac": "m",
    "serial": "s",
    "circuit_id": "c",
    "remote_id": "i",
    "address": "a",
    "plan": "p",
    "dns_servers": "n",
    "options": "o",
    "label": "b",
    "customer_id": "k",
    "ipv6": "v",
    "duid": "q",
    "iaid": "j",
    "ppp": "w",
    **{name: number for number, name in DEVICE_REGISTERS.items()},
}
"""The letter of each register in stored texts; a letter is never reused."""
REGISTERS: Final = {code: name for name, code in REGISTER_CODES.items()}
"""By letter."""
_SHORT: Final = {name: (code, DEFAULTS[name]) for name, code in REGISTER_CODES.items()}
_SET_TO_DEFAULT: Final = {code: (name, DEFAULTS[name]) for name, code in REGISTER_CODES.items()}
_OF_IPV6: Final = frozenset({"ipv6", "duid", "iaid"})
_NO_DEFAULT: Final = object()
"""Default of a register without a letter: equals no value."""
_DEFAULT: Final = "-"
"""Before the letters of the registers that were set to their defaults."""
_AS_SET: Final[Mapping[str, tuple[str, str]]] = {
    "mac-address": ("m", "mac"),
    "address": ("a", "address"),
    "server": ("d", "dhcp_server"),
}
"""Lease fields that usually equal a register: then this letter stands for them."""
_USUAL: Final[Mapping[str, tuple[str, str]]] = {
    "block-access": ("b", "no"),
    "dhcp-option": ("o", ""),
}
"""Lease fields that usually have one value: then this letter stands for it."""
_STATIC: Final = len(("mode", "ipv4"))
_NOWHERE: Final[frozenset[ListPlace]] = frozenset()
_USUAL_BY_CODE: Final = {code: (name, value) for name, (code, value) in _USUAL.items()}
_AS_SET_BY_CODE: Final = {code: (name, of) for name, (code, of) in _AS_SET.items()}


def record_to_json(record: ServiceRecord, store_format: int) -> str:
    """Write a record as compact JSON, without the service's id, which is part of its key.

    `{"format", "owner", "set": [[version, event, {letter of a register: value, "-": letters of
    those with their default}, stated if another version], …], "at": {router: lease}}`, and where
    not empty `seen` (a time for each router), `queues` ({router: [rate, place, parent, address,
    IPv6 prefixes] of its own queue}), `highest`, `epoch`, `pending`, `schedule`, `heard`, `short`
    ({router: shortened lease}), `bindings` ({router: its own}), `assigned` ({kind: [pool, value]}),
    `devices` ({router: {number: lease}} of further ones), `unassigned` ({kind: [pool, reason,
    detail]}), `left` (values that it gave back) and `rows_at`
    ([router of the service, router of its row]). A lease is null, `codes` or
    `[letters, {its other fields}, its places in lists]`.
    """
    groups: dict[tuple[Version, str, Version], dict[str, Any]] = {}
    last: tuple[object, object, object] = (None, None, None)
    together: dict[str, Any] = {}
    highest = NEVER
    for name, (value, version, event, stated) in record.registers.items():
        # Usually the register before was set by the same event, so its group is at hand.
        if version is not last[0] or event is not last[1] or stated is not last[2]:
            together = groups.setdefault((version, event, stated), {})
            last = version, event, stated
            highest = max(highest, version)
        code, default = _SHORT.get(name) or (name, _NO_DEFAULT)
        if value == default:
            together[_DEFAULT] = together.get(_DEFAULT, "") + code
        elif name == "address":
            together[code] = _static(value) or value
        else:
            together[code] = value
    text: dict[str, Any] = {
        "format": 0,
        "owner": record.owner,
        "set": [
            [version, event, values] + ([] if stated == version else [stated])
            for (version, event, stated), values in groups.items()
        ],
        "at": {router: _short_placement(at, record) for router, at in record.placements.items()},
    }
    if record.highest != highest:
        text["highest"] = record.highest
    if record.schedule != NOTHING_SCHEDULED:
        text["schedule"] = record.schedule
    queues = {
        router: short_queue(at.queue, at.written)
        for router, at in record.placements.items()
        if at.queue is not None
    }
    seen = [at.seen_ms for at in record.placements.values()]
    more: dict[str, Any] = {
        "seen": any(seen) and seen,
        "queues": queues,
        "epoch": record.epoch,
        "pending": record.pending,
        "heard": record.last_event_ms,
    }
    if short := {router: at.short for router, at in record.placements.items() if at.short}:
        text["short"] = short
    bindings = {router: at.bindings for router, at in record.placements.items() if at.bindings}
    more |= {"bindings": bindings, "assigned": record.assigned}
    more |= {"unassigned": record.unassigned, "left": record.left, "rows_at": record.rows_at}
    more["devices"] = {
        router: {number: _short_placement(of, record) for number, of in at.devices.items()}
        for router, at in record.placements.items()
        if at.devices
    }
    numbers = STORE_FORMATS[store_format]
    text["format"] = _format_of(record, numbers, has_bindings=bool(bindings), is_short=bool(short))
    return to_json(text | {name: value for name, value in more.items() if value})


def _format_of(
    record: ServiceRecord, formats: RecordFormats, *, has_bindings: bool, is_short: bool
) -> int:
    if _has_devices(record):
        return formats.devices
    if _is_by_login(record):
        return formats.login
    pools = record.assigned or record.unassigned or record.left
    if has_bindings or pools or not _OF_IPV6.isdisjoint(record.registers):
        return formats.ipv6
    return formats.short_lease if is_short else formats.usual


def _has_devices(record: ServiceRecord) -> bool:
    """Whether it has further devices, had some, or will."""
    return (
        not OF_DEVICES.isdisjoint(record.registers)
        or any(at.devices for at in record.placements.values())
        or any("devices" in (*to_come.own, *to_come.beside) for to_come in record.schedule.pending)
        or any(not OF_DEVICES.isdisjoint(to_come.own) for to_come in record.schedule.pending)
    )


def record_from_json(text: str, service_id: str) -> ServiceRecord:
    """Read what `record_to_json` wrote.

    Raises:
        UnknownFormatError: it has another format.
    """
    raw = json.loads(text)
    short = {router: ShortLease(*fields) for router, fields in raw.get("short", {}).items()}
    if raw.get("format") not in RECORD_FORMATS:
        raise UnknownFormatError("record", raw.get("format"), max(RECORD_FORMATS))
    bindings = {
        router: tuple(OwnBinding(*fields) for fields in own)
        for router, own in raw.get("bindings", {}).items()
    }
    assigned: dict[AssignedKind, Assigned] = {
        kind: Assigned(*fields) for kind, fields in raw.get("assigned", {}).items()
    }
    registers: dict[str, Register] = {}
    highest = NEVER
    for work_version, event, values, *other in raw["set"]:
        version = Version(*work_version)
        stated = Version(*other[0]) if other else version
        highest = max(highest, version)
        for code, value in values.items():
            if code == _DEFAULT:
                for letter in value:
                    name, default = _SET_TO_DEFAULT[letter]
                    registers[name] = Register(default, version, event, stated)
            else:
                name = REGISTERS.get(code, code)
                if name == "address" and isinstance(value, str):  # a plain static one
                    value = {"mode": "static", "ipv4": value}  # noqa: PLW2901 - as it was written
                registers[name] = Register(value, version, event, stated)
    queues, further = raw.get("queues", {}), raw.get("devices", {})
    return ServiceRecord(
        service_id=service_id,
        owner=raw["owner"],
        epoch=raw.get("epoch", 0),
        registers=registers,
        highest=Version(*raw["highest"]) if "highest" in raw else highest,
        placements={
            router: _placement(at, registers, assigned, queues.get(router))._replace(
                seen_ms=seen_ms,
                short=short.get(router),
                bindings=bindings.get(router, ()),
                devices={
                    number: _placement(of, registers, assigned)
                    for number, of in further.get(router, {}).items()
                },
            )
            for (router, at), seen_ms in zip(
                raw["at"].items(), raw.get("seen") or [0] * len(raw["at"]), strict=True
            )
        },
        pending=tuple(
            PendingEvent(EventRef(*event), tuple(names), Version(*version))
            for event, names, version in raw.get("pending", ())
        ),
        schedule=Schedule.from_values(*raw["schedule"]) if "schedule" in raw else NOTHING_SCHEDULED,
        last_event_ms=raw.get("heard", 0),
        assigned=assigned,
        unassigned={kind: Unassigned(*why) for kind, why in raw.get("unassigned", {}).items()},
        left=tuple(
            LeftValue(value, pool, ms, tuple(at)) for value, pool, ms, at in raw.get("left", ())
        ),
        rows_at=RowsAt(*raw["rows_at"]) if "rows_at" in raw else None,
    )


def _is_by_login(record: ServiceRecord) -> bool:
    """Whether an older version would miss a MAC, or not know what a row has in place of one."""
    names = ("ppp", "mac", "circuit_id", "remote_id")
    ppp, mac, *ids = (record.registers.get(name) for name in names)
    if (ppp and ppp.value is not None) or record.rows_at is not None:
        return True
    if not (mac and mac.value) and any(register and register.value for register in ids):
        return True
    return any(OPTION_82 in (at.written or ()) for at in record.placements.values())


def _static(address: JsonValue) -> str:
    """The address of a plain static one; empty for others."""
    # No `match`: it takes four times as long, and this runs for each record.
    if isinstance(address, dict) and len(address) == _STATIC and address.get("mode") == "static":
        ipv4 = address.get("ipv4")
        return ipv4 if isinstance(ipv4, str) else ""
    return ""


def _short_placement(at: Placement, record: ServiceRecord) -> str | list[Any] | None:
    if at.written is None and not at.listed:
        return None
    codes, others = "", {}
    for name, value in (at.written or {}).items():
        usual = _USUAL.get(name)
        if usual and usual[1] == value:
            codes += usual[0]
        elif name in _AS_SET and value == _set_to(
            _AS_SET[name][1], record.registers, record.assigned
        ):
            codes += _AS_SET[name][0]
        else:
            others[name] = value
    short = None if at.written is None else codes
    if at.listed:
        return [short, others, sorted(at.listed)]
    return [short, others] if others else short


def _placement(
    short: str | list[Any] | None,
    registers: Mapping[str, Register],
    assigned: Mapping[AssignedKind, Assigned],
    queue: list[str] | None = None,
) -> Placement:
    codes: str | None
    codes, others, listed = None, {}, _NOWHERE
    if isinstance(short, list):
        codes, others, *more = short
        listed = frozenset(ListPlace(*place) for places in more for place in places)
    else:
        codes = short
    if codes is None:
        return Placement(None, listed, queue=None if queue is None else queue_of(queue, None))
    written: dict[str, str] = {}
    for code in codes:
        if code in _USUAL_BY_CODE:
            name, value = _USUAL_BY_CODE[code]
        else:
            name, register = _AS_SET_BY_CODE[code]
            value = _set_to(register, registers, assigned) or ""
        written[name] = value
    written.update(others)
    return Placement(written, listed, queue=None if queue is None else queue_of(queue, written))


def _set_to(
    register: str,
    registers: Mapping[str, Register],
    assigned: Mapping[AssignedKind, Assigned],
) -> str | None:
    """The value of a register as a lease field has it; None: no text."""
    value = registers[register].value if register in registers else None
    if register == "address":
        given = assigned.get("address") if assigned else None
        return _static(value) or (given.value if given else None)
    return value if isinstance(value, str) else None
