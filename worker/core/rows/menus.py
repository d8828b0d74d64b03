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
        normal: gives the form in which two values of it are compared.
        default: in normal form; what it means when a router leaves the key out.
        since: first RouterOS version that has it; empty: every version known (6.48 to 7.24).
    """

    name: str
    normal: Callable[[str], str] = str
    default: str = ""
    since: Version = ()


_NO_VALUES: Final = frozenset({"comment", "disabled", "dynamic", "radius"})


class Menu(NamedTuple):
    """A menu.

    Attributes:
        source: where it is documented.
        fields: by name.
        defaults: of its fields but for the comment and the flags, in the same order.
        later: the fields that not every version has, as entries name them, with the first version
            that has each.
    """

    path: str
    source: str
    fields: Mapping[str, Field]
    defaults: Mapping[str, str]
    later: Mapping[str, Version]

    @classmethod
    def of(cls, path: str, source: str, *fields: Field) -> "Menu":
        """A menu with these fields."""
        defaults = {field.name: field.default for field in fields if field.name not in _NO_VALUES}
        later = {field.name: field.since for field in fields if field.since}
        return cls(path, source, {field.name: field for field in fields}, defaults, later)


_OF_ROWS: Final = (
    Field("comment"),
    Field("disabled", normal.boolean, "no"),
    Field("dynamic", normal.boolean, "no"),
)

LEASE: Final = Menu.of(
    LEASES,
    "MikroTik manual, CLI reference, ip/dhcp-server/lease",
    Field("mac-address", normal.mac, NO_MAC),
    # an address, 0.0.0.0 for the server's own pool, or the name of a pool
    Field("address", default=NO_ADDRESS),
    # `all` is left out of every answer: seen on 7.23.7
    Field("server", default=ANY_SERVER),
    Field("client-id"),
    # joined in lease form; before 7.21 only `active-agent-…` is shown: restraml's trees
    Field("agent-circuit-id", since=(7, 21)),
    Field("agent-remote-id", since=(7, 21)),
    Field("block-access", normal.boolean, "no"),
    Field("rate-limit", normal.rate_limit),
    # unset: the server's. What 0s means differs between manuals: only what others set is put back.
    Field("lease-time", normal.duration),
    Field("address-lists", normal.comma_list),
    Field("dhcp-option", normal.comma_list),
    *_OF_ROWS,
    Field("radius", normal.boolean, "no"),
)._replace(later={OPTION_82: (7, 21)})

OPTION: Final = Menu.of(
    OPTIONS,
    "MikroTik manual, CLI reference, ip/dhcp-server/option",
    Field("name"),
    Field("code"),
    Field("value", normal.hexadecimal),
    # sent to devices that do not ask for it too; older manual: 7.1rc5
    Field("force", normal.boolean, "no", since=(7, 1)),
)

ADDRESS_LIST: Final = Menu.of(
    ADDRESS_LISTS,
    "MikroTik manual, CLI reference, ip/firewall/address-list",
    Field("list"),
    Field("address", normal.host),
    *_OF_ROWS,
)

BINDING: Final = Menu.of(
    BINDINGS,
    "MikroTik manual, CLI reference, ipv6/dhcp-server/binding",
    Field("address", normal.prefix6),
    Field("duid", normal.duid),
    Field("iaid"),
    Field("server", default=ANY_SERVER),
    # older versions delegate prefixes and nothing else
    Field("ia-type", default="pd", since=(7, 17)),
    Field("rate-limit", normal.rate_limit),
    Field("life-time", normal.duration),
    Field("address-lists", normal.comma_list),
    Field("dhcp-option", normal.comma_list),
    *_OF_ROWS,
    Field("radius", normal.boolean, "no"),
)

ADDRESS_LIST6: Final = Menu.of(
    ADDRESS_LISTS6,
    "MikroTik manual, CLI reference, ipv6/firewall/address-list",
    Field("list"),
    Field("address", normal.prefix6),
    *_OF_ROWS,
)

QUEUE: Final = Menu.of(
    QUEUES,
    "MikroTik manual, CLI reference, queue/simple",
    Field("name"),
    Field("target", normal.prefixes),
    Field("parent", default="none"),
    Field("packet-marks", normal.comma_list),
    Field("max-limit", normal.rates, "0/0"),
    Field("limit-at", normal.rates, "0/0"),
    Field("burst-limit", normal.rates, "0/0"),
    Field("burst-threshold", normal.rates, "0/0"),
    Field("burst-time", normal.durations, "0s/0s"),
    Field("priority", default="8/8"),
    *_OF_ROWS,
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
