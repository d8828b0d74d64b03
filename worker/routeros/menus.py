"""What we know of RouterOS's menus, as data: each field's normal form, default and source.

Who calls it: the adapters that turn rows into values and back. A new field or menu is a new line
here. What must never enter it: a decision about what to manage, which is the planner's.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


def text(value: str) -> str:
    """Any text, as it is: `true` and `007` stay what they are."""
    return value


def mac(value: str) -> str:
    """Upper case with colons; RouterOS takes other spellings but stores this one."""
    return value.replace("-", ":").upper()


def boolean(value: str) -> str:
    """`yes` or `no`: every version takes both spellings and answers with `true` or `false`."""
    return {"true": "yes", "false": "no"}.get(value, value)


class Field(NamedTuple):
    """One field of a menu.

    Attributes:
        name: RouterOS's own.
        normal: gives the form in which two values of it are compared.
        default: in normal form; what it means when a router leaves the key out.
        source: where this is documented, or on which version it was seen.
        since: first RouterOS version that has it; empty: every version known (7.9 to 7.24).
    """

    name: str
    normal: Callable[[str], str]
    default: str
    source: str
    since: str = ""


class Menu(NamedTuple):
    """A menu: its path and its fields by name."""

    path: str
    fields: Mapping[str, Field]


_LEASE_MANUAL: Final = "MikroTik manual, CLI reference, ip/dhcp-server/lease"

LEASE: Final = Menu(
    "/ip/dhcp-server/lease",
    {
        field.name: field
        for field in (
            Field("mac-address", mac, "00:00:00:00:00:00", _LEASE_MANUAL),
            # an address, 0.0.0.0 for the server's own pool, or the name of a pool
            Field("address", text, "0.0.0.0", _LEASE_MANUAL),  # noqa: S104 - nothing listens
            # `all` is left out of every answer: seen on 7.23.7
            Field("server", text, "all", _LEASE_MANUAL),
            Field("client-id", text, "", _LEASE_MANUAL),
            Field("block-access", boolean, "no", _LEASE_MANUAL),
            Field("comment", text, "", _LEASE_MANUAL),
            Field("disabled", boolean, "no", _LEASE_MANUAL),
            Field("dynamic", boolean, "no", _LEASE_MANUAL),
            Field("radius", boolean, "no", _LEASE_MANUAL),
        )
    },
)
