"""What we know of RouterOS's menus, as data: each field's normal form, default and source.

A new field or menu is a new line here.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Final, NamedTuple

from worker.core.rows import normal
from worker.core.rows.rows import ADDRESS_LISTS, LEASES, OPTIONS, MenuPath

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
    """

    path: str
    fields: Mapping[str, Field]
    defaults: Mapping[str, str]

    @classmethod
    def of(cls, path: str, *fields: Field) -> "Menu":
        """A menu with these fields."""
        defaults = {each.name: each.default for each in fields if each.name not in _NO_VALUES}
        return cls(path, {field.name: field for field in fields}, defaults)


_LEASE_MANUAL: Final = "MikroTik manual, CLI reference, ip/dhcp-server/lease"
_OPTION_MANUAL: Final = "MikroTik manual, CLI reference, ip/dhcp-server/option"
_LIST_MANUAL: Final = "MikroTik manual, CLI reference, ip/firewall/address-list"

LEASE: Final = Menu.of(
    LEASES,
    Field("mac-address", normal.mac, "00:00:00:00:00:00", _LEASE_MANUAL),
    # an address, 0.0.0.0 for the server's own pool, or the name of a pool
    Field("address", normal.text, "0.0.0.0", _LEASE_MANUAL),  # noqa: S104 - nothing listens
    # `all` is left out of every answer: seen on 7.23.7
    Field("server", normal.text, "all", _LEASE_MANUAL),
    Field("client-id", normal.text, "", _LEASE_MANUAL),
    Field("block-access", normal.boolean, "no", _LEASE_MANUAL),
    Field("rate-limit", normal.rate_limit, "", _LEASE_MANUAL),
    # unset: the server's. What 0s means differs between manuals, so it is never sent.
    Field("lease-time", normal.duration, "", _LEASE_MANUAL),
    Field("address-lists", normal.comma_list, "", _LEASE_MANUAL),
    Field("dhcp-option", normal.comma_list, "", _LEASE_MANUAL),
    Field("comment", normal.text, "", _LEASE_MANUAL),
    Field("disabled", normal.boolean, "no", _LEASE_MANUAL),
    Field("dynamic", normal.boolean, "no", _LEASE_MANUAL),
    Field("radius", normal.boolean, "no", _LEASE_MANUAL),
)

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

MENUS: Final[Mapping[MenuPath, Menu]] = {
    LEASES: LEASE,
    OPTIONS: OPTION,
    ADDRESS_LISTS: ADDRESS_LIST,
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


def lacking(menu: MenuPath, names: Collection[str], version: str) -> list[str]:
    """Those of the fields that a version does not have, in words; none of an unknown version."""
    later = _later(menu, version)
    if not later:
        return []
    return [later[name] for name in sorted(later.keys() & names)]


@cache
def _later(menu: MenuPath, version: str) -> Mapping[str, str]:
    """The fields that a version does not have yet, in words; asked for each service of a router."""
    number = version_of(version)
    return {
        name: f"field {name} of {menu} (from RouterOS {'.'.join(map(str, field.since))} on)"
        for name, field in MENUS[menu].fields.items()
        if number and number < field.since
    }
