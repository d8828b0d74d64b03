"""Makes events from flat fields, the form of tables and of other systems.

The contract checks the values. It reports a JSON pointer; `field_at` returns its field.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

FIELDS: Final = (
    *("event", "service_id", "customer_id", "revision", "router", "dhcp_server", "mac", "ipv4"),
    *("pool", "plan", "down_kbps", "up_kbps", "suspension_mode", "reason_code", "effective_at"),
    *("serial", "circuit_id", "remote_id", "dns_servers", "options", "label"),
    *("ppp_name", "ppp_password"),
    *("assigned_pool", "ipv6_prefix", "assigned_ipv6_pool", "ipv6_address", "duid", "iaid"),
)
"""All fields, in the order of a table."""
POLICY_MODE: Final = "default"
"""Value of `suspension_mode`: as the router's policy says."""

PLACES: Final = {
    "router": ("access", "router"),
    "dhcp_server": ("access", "dhcp_server"),
    "mac": ("device", "mac"),
    "serial": ("device", "serial"),
    "circuit_id": ("device", "circuit_id"),
    "remote_id": ("device", "remote_id"),
    "ppp_name": ("ppp", "name"),
    "ppp_password": ("ppp", "password"),
    "ipv6_address": ("ipv6", "address"),
    "duid": ("ipv6", "duid"),
    "iaid": ("ipv6", "iaid"),
    "plan": ("plan", "code"),
    "down_kbps": ("plan", "down_kbps"),
    "up_kbps": ("plan", "up_kbps"),
    "suspension_mode": ("suspension", "mode"),
    "reason_code": ("suspension", "reason_code"),
}
"""Field -> part of a service and its field, where the value is the same in both."""

_OF_EVERY: Final = frozenset({"event", "service_id", "customer_id", "revision", "effective_at"})
_NUMBERS: Final = frozenset({"revision", "down_kbps", "up_kbps", "iaid"})
_DEVICE: Final = ("mac", "serial", "circuit_id", "remote_id")
_IDS: Final = frozenset({"circuit_id", "remote_id"})
"""Of option 82; a device that has one needs no `mac`."""
Fields = Mapping[str, object]
JsonObject = dict[str, Any]


class NotAnEvent(Exception):  # noqa: N818 - says what it is
    """The fields do not make an event.

    Attributes:
        problems: what is wrong and what to do, by field.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(problems)

    def __str__(self) -> str:
        return "; ".join(f"{name} {message}" for name, message in self.problems.items())


def event_of(fields: Fields) -> JsonObject:
    """Make `type` and `data` of an event; the caller adds the envelope.

    Args:
        fields: some of `FIELDS`; empty values count as missing. `event` is the type, such as
            `mac_changed`; without it the event is a snapshot. Numbers may be text.

    Raises:
        NotAnEvent: with every field that is missing or not allowed.
    """
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    kind = str(given.get("event", "snapshot"))
    if kind not in _KINDS:
        raise NotAnEvent({"event": f"must be one of {', '.join(_KINDS)}"})
    make, needed, allowed = _KINDS[kind]
    enough = given.keys() | _spared(given, kind)
    problems = {name: "is missing" for name in ("service_id", *needed) if name not in enough}
    if given.keys() & set(PPP):
        problems |= {name: "is missing" for name in PPP if name not in given}
    for name in given.keys() - _OF_EVERY - set(needed) - set(allowed):
        problems[name] = f"is not allowed in {kind}; leave it empty"
    for other in ("ipv4", "assigned_pool"):
        if {other, "pool"} <= given.keys():
            problems["pool"] = f"is given together with {other}; give one of them"
    if given.keys() & set(_IPV6) and not given.keys() & _PREFIX:
        problems["ipv6_prefix"] = "is missing; or give assigned_ipv6_pool"
    for name in _NUMBERS & given.keys():
        given[name] = _number(given[name])
    if problems:
        raise NotAnEvent(problems)
    common = {name: given[name] for name in _COMMON if name in given}
    return {"type": f"leasewire.service.{kind}.v1", "data": common | make(_parts(given))}


def _spared(given: Fields, kind: str) -> set[str]:
    """The fields that are not missing, as others stand in their place."""
    instead = _INSTEAD | (_PREFIX if kind == "address_changed" else frozenset())
    spared = {"ipv4"} if given.keys() & instead else set()
    return spared | ({"mac"} if given.keys() & {*PPP, *_IDS} else set())


def fields_of(kind: str) -> frozenset[str]:
    """Return the fields that an event of this kind may have."""
    _, needed, allowed = _KINDS[kind]
    return _OF_EVERY | {*needed, *allowed}


def field_at(pointer: str) -> str:
    """Return the field for a JSON pointer, such as `mac` for `/data/service/device/mac`.

    Empty if there is none.
    """
    steps = [step for step in pointer.split("/") if step and not step.isdigit()]
    if "ppp" in steps[:-1]:
        return f"ppp_{steps[-1]}"
    if "ipv6" in steps[:-1]:
        return _NAMES_OF_IPV6.get(steps[-1], steps[-1])
    for step in reversed(steps):
        if step in FIELDS:
            return step
        if step in _NAMES_OF:
            return _NAMES_OF[step]
    return ""


_COMMON: Final = ("service_id", "customer_id", "revision", "effective_at")
_NAMES_OF: Final = {
    "subject": "service_id",
    "code": "plan",
    "mode": "suspension_mode",
    "address": "ipv4",
    "access": "router",
    "ipv6": "ipv6_prefix",
    "hex": "options",
    "ppp": "ppp_name",
}


_NAMES_OF_IPV6: Final = {
    "prefix": "ipv6_prefix",
    "ipv6": "ipv6_prefix",
    "mode": "ipv6_prefix",
    "pool": "assigned_ipv6_pool",
    "address": "ipv6_address",
}


def _number(value: object) -> object:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else value  # noqa: PLR2004


def _some(given: Fields, names: Iterable[str]) -> JsonObject:
    return {name: given[name] for name in names if name in given}


def _parts(given: Fields) -> JsonObject:
    """The parts of a service that the fields describe."""
    parts: JsonObject = {}
    for name, (part, field) in PLACES.items():
        if name in given:
            parts.setdefault(part, {})[field] = given[name]
    if given.get("suspension_mode") == POLICY_MODE:
        del parts["suspension"]["mode"]
    if "plan" not in given:  # rates alone are none
        parts.pop("plan", None)
    if given.keys() & {"ipv4", *_INSTEAD}:
        parts["address"] = _address(given)
    if given.keys() & _PREFIX:
        parts["ipv6"] = {"prefix": _prefix(given), **parts.get("ipv6", {})}
    if "dns_servers" in given:
        parts["dns_servers"] = _list(given["dns_servers"])
    if "options" in given:
        parts["options"] = [_option(option) for option in _list(given["options"])]
    return parts | _some(given, ["label"])


def _service(parts: JsonObject) -> JsonObject:
    status = "suspended" if "suspension" in parts else "active"
    return {"service": {"status": status, **_filled(parts)}}


def _filled(parts: JsonObject) -> JsonObject:
    """Without a suspension as the router's policy says, which has no fields."""
    return {name: part for name, part in parts.items() if part}


def _reason(parts: JsonObject) -> JsonObject:
    return {"reason": {"code": parts["suspension"]["reason_code"]}} if parts else {}


def _address(given: Fields) -> JsonObject:
    if "pool" in given:
        return {"mode": "pool", "pool": given["pool"]}
    if "assigned_pool" in given:
        pool = given["assigned_pool"]
        return {"mode": "assigned", "pool": pool, **_some(given, ["ipv4"])}
    return {"mode": "static", "ipv4": given["ipv4"]}


def _prefix(given: Fields) -> JsonObject:
    fixed = {"ipv6": given["ipv6_prefix"]} if "ipv6_prefix" in given else {}
    if "assigned_ipv6_pool" in given:
        return {"mode": "assigned", "pool": given["assigned_ipv6_pool"], **fixed}
    return {"mode": "static", **fixed}


def _list(value: object) -> list[str]:
    return re.split(r"[ ,]+", str(value).strip(" ,"))


def _option(text: str) -> JsonObject:
    code, _, digits = text.partition("=")
    return {"code": _number(code), "hex": digits}


_WHOLE: Final = ("router", "mac", "ipv4")
_INSTEAD: Final = frozenset({"pool", "assigned_pool"})
"""Give one of them instead of `ipv4`."""
_PREFIX: Final = frozenset({"ipv6_prefix", "assigned_ipv6_pool"})
_IPV6: Final = ("ipv6_prefix", "assigned_ipv6_pool", "ipv6_address", "duid", "iaid")
_POOLS: Final = ("pool", "assigned_pool", *_IPV6)
PPP: Final = ("ppp_name", "ppp_password")
_REST: Final = ("dhcp_server", *PPP, *_POOLS, "plan", "down_kbps", "up_kbps", *_DEVICE[1:])
_LISTS: Final = ("dns_servers", "options", "label")
_SUSPENDED: Final = ("suspension_mode", "reason_code")
_RATES: Final = ("down_kbps", "up_kbps")

_KINDS: Final[
    dict[str, tuple[Callable[[JsonObject], JsonObject], tuple[str, ...], tuple[str, ...]]]
] = {
    "snapshot": (_service, _WHOLE, (*_REST, *_LISTS, *_SUSPENDED)),
    "activated": (_service, _WHOLE, (*_REST, *_LISTS)),
    "cancelled": (_reason, (), ("reason_code",)),
    "suspended": (_filled, (), _SUSPENDED),
    "resumed": (_reason, (), ("reason_code",)),
    "mac_changed": (lambda parts: parts["device"], ("mac",), ()),
    "device_swapped": (_filled, ("mac",), (*_DEVICE, *_IPV6)),
    "address_changed": (_filled, ("ipv4",), _POOLS),
    "ppp_changed": (_filled, PPP, ()),
    "plan_changed": (_filled, ("plan",), _RATES),
    "moved": (_filled, ("router",), ("dhcp_server", "ipv4", *_POOLS)),
}
"""Event -> function that makes its data of the parts, required fields, optional fields."""
