"""RouterOS's menus as data: the normal form, the default and the source of each field.

A new field is a new line here.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from worker.core.rows import normal
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    ANY_SERVER,
    BINDINGS,
    LEASES,
    NO_ADDRESS,
    NO_MAC,
    OPTION_82,
    OPTIONS,
    QUEUES,
    MenuPath,
)

Version = tuple[int, ...]


class Field(NamedTuple):
    """One field of a menu.

    Attributes:
        name: RouterOS's own.
        normal: gives the form in which two values of it are compared.
        default: in normal form; what it means when a router leaves the key out.
        source: where this is documented, or on which version it was seen.
        since: first RouterOS version that has it; empty: every version known (6.48 to 7.24).
    """

    name: str
    normal: Callable[[str], str]
    default: str
    source: str
    since: Version = ()


_NO_VALUES: Final = frozenset({"comment", "disabled", "dynamic", "radius"})


class Menu(NamedTuple):
    """A menu.

    Attributes:
        path: RouterOS's.
        fields: by name.
        defaults: of its fields but for the comment and the flags, in the same order.
        later: the fields that not every version has, as entries name them, with the first version
            that has each.
    """

    path: str
    fields: Mapping[str, Field]
    defaults: Mapping[str, str]
    later: Mapping[str, Version]

    @classmethod
    def of(cls, path: str, *fields: Field) -> "Menu":
        """A menu with these fields."""
        defaults = {field.name: field.default for field in fields if field.name not in _NO_VALUES}
        later = {field.name: field.since for field in fields if field.since}
        return cls(path, {field.name: field for field in fields}, defaults, later)


_LEASE_MANUAL: Final = "MikroTik manual, CLI reference, ip/dhcp-server/lease"
_OPTION_MANUAL: Final = "MikroTik manual, CLI reference, ip/dhcp-server/option"
_QUEUE_MANUAL: Final = "MikroTik manual, CLI reference, queue/simple"
_BINDING_MANUAL: Final = "MikroTik manual, CLI reference, ipv6/dhcp-server/binding"
_LIST6_MANUAL: Final = "MikroTik manual, CLI reference, ipv6/firewall/address-list"
_LIST_MANUAL: Final = "MikroTik manual, CLI reference, ip/firewall/address-list"

LEASE: Final = Menu.of(
    LEASES,
    Field("mac-address", normal.mac, NO_MAC, _LEASE_MANUAL),
    # an address, 0.0.0.0 for the server's own pool, or the name of a pool
    Field("address", normal.text, NO_ADDRESS, _LEASE_MANUAL),
    # `all` is left out of every answer: seen on 7.23.7
    Field("server", normal.text, ANY_SERVER, _LEASE_MANUAL),
    Field("client-id", normal.text, "", _LEASE_MANUAL),
    # joined in lease form; before 7.21 only `active-agent-…` is shown: restraml's trees
    Field("agent-circuit-id", str, "", _LEASE_MANUAL, since=(7, 21)),
    Field("agent-remote-id", str, "", _LEASE_MANUAL, since=(7, 21)),
    Field("block-access", normal.boolean, "no", _LEASE_MANUAL),
    Field("rate-limit", normal.rate_limit, "", _LEASE_MANUAL),
    # unset: the server's. What 0s means differs between manuals: only what others set is put back.
    Field("lease-time", normal.duration, "", _LEASE_MANUAL),
    Field("address-lists", normal.comma_list, "", _LEASE_MANUAL),
    Field("dhcp-option", normal.comma_list, "", _LEASE_MANUAL),
    Field("comment", normal.text, "", _LEASE_MANUAL),
    Field("disabled", normal.boolean, "no", _LEASE_MANUAL),
    Field("dynamic", normal.boolean, "no", _LEASE_MANUAL),
    Field("radius", normal.boolean, "no", _LEASE_MANUAL),
)._replace(later={OPTION_82: (7, 21)})

OPTION: Final = Menu.of(
    OPTIONS,
    Field("name", normal.text, "", _OPTION_MANUAL),
    Field("code", normal.text, "", _OPTION_MANUAL),
    Field("value", normal.hexadecimal, "", _OPTION_MANUAL),
    # sent to devices that do not ask for it too; older manual: 7.1rc5
    Field("force", normal.boolean, "no", _OPTION_MANUAL, since=(7, 1)),
)

ADDRESS_LIST: Final = Menu.of(
    ADDRESS_LISTS,
    Field("list", normal.text, "", _LIST_MANUAL),
    Field("address", normal.host, "", _LIST_MANUAL),
    Field("comment", normal.text, "", _LIST_MANUAL),
    Field("disabled", normal.boolean, "no", _LIST_MANUAL),
    Field("dynamic", normal.boolean, "no", _LIST_MANUAL),
)

BINDING: Final = Menu.of(
    BINDINGS,
    Field("address", normal.prefix6, "", _BINDING_MANUAL),
    Field("duid", normal.duid, "", _BINDING_MANUAL),
    Field("iaid", normal.text, "", _BINDING_MANUAL),
    Field("server", normal.text, ANY_SERVER, _BINDING_MANUAL),
    # older versions delegate prefixes and nothing else
    Field("ia-type", normal.text, "pd", _BINDING_MANUAL, since=(7, 17)),
    Field("rate-limit", normal.rate_limit, "", _BINDING_MANUAL),
    Field("life-time", normal.duration, "", _BINDING_MANUAL),
    Field("address-lists", normal.comma_list, "", _BINDING_MANUAL),
    Field("dhcp-option", normal.comma_list, "", _BINDING_MANUAL),
    Field("comment", normal.text, "", _BINDING_MANUAL),
    Field("disabled", normal.boolean, "no", _BINDING_MANUAL),
    Field("dynamic", normal.boolean, "no", _BINDING_MANUAL),
    Field("radius", normal.boolean, "no", _BINDING_MANUAL),
)

ADDRESS_LIST6: Final = Menu.of(
    ADDRESS_LISTS6,
    Field("list", normal.text, "", _LIST6_MANUAL),
    Field("address", normal.prefix6, "", _LIST6_MANUAL),
    Field("comment", normal.text, "", _LIST6_MANUAL),
    Field("disabled", normal.boolean, "no", _LIST6_MANUAL),
    Field("dynamic", normal.boolean, "no", _LIST6_MANUAL),
)

QUEUE: Final = Menu.of(
    QUEUES,
    Field("name", normal.text, "", _QUEUE_MANUAL),
    Field("target", normal.prefixes, "", _QUEUE_MANUAL),
    Field("parent", normal.text, "none", _QUEUE_MANUAL),
    Field("packet-marks", normal.comma_list, "", _QUEUE_MANUAL),
    Field("max-limit", normal.rates, "0/0", _QUEUE_MANUAL),
    Field("limit-at", normal.rates, "0/0", _QUEUE_MANUAL),
    Field("burst-limit", normal.rates, "0/0", _QUEUE_MANUAL),
    Field("burst-threshold", normal.rates, "0/0", _QUEUE_MANUAL),
    Field("burst-time", normal.durations, "0s/0s", _QUEUE_MANUAL),
    Field("priority", normal.text, "8/8", _QUEUE_MANUAL),
    Field("comment", normal.text, "", _QUEUE_MANUAL),
    Field("disabled", normal.boolean, "no", _QUEUE_MANUAL),
    Field("dynamic", normal.boolean, "no", _QUEUE_MANUAL),
)

MENUS: Final[Mapping[MenuPath, Menu]] = {
    LEASES: LEASE,
    OPTIONS: OPTION,
    ADDRESS_LISTS: ADDRESS_LIST,
    BINDINGS: BINDING,
    ADDRESS_LISTS6: ADDRESS_LIST6,
    QUEUES: QUEUE,
}


def version_of(text: str) -> Version:
    """A version as numbers: (7, 18, 2) of `7.18.2`, (7, 19) of `7.19beta4`; () of what is none."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def lacking(menu: Menu, version: str) -> dict[str, str]:
    """Describe each field that a version lacks; of an unknown version none."""
    number = version_of(version)
    return {
        name: f"field {name} of {menu.path} (RouterOS {'.'.join(map(str, since))} and later)"
        for name, since in sorted(menu.later.items())
        if number and number < since
    }
