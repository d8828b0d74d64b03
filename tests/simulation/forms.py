"""Kinds of rows that services have, and one form for all: device, address, whether it is blocked.

A device is `mac:…`, `name:…` or `option-82:CIRCUIT+REMOTE`, as claims name it.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

LEASES: Final = "/ip/dhcp-server/lease"
ENTRIES: Final = "/ip/mac-server/entry"
SECRETS: Final = "/ppp/secret"
USERS: Final = "/user-manager/user"
SPECIAL: Final = "R1"
"""The router that has another kind of rows than leases, or knows devices by option 82."""
HOLDER: Final = "UM"
"""The router that holds the users of `SPECIAL`, where the history has some."""
KINDS: Final = {"secrets": SECRETS, "users": USERS, "entries": ENTRIES, "ids": LEASES}
"""Features that give that router rows in a menu; of several the first counts."""
ROWS: Final = (LEASES, ENTRIES, SECRETS, USERS)
"""Where a service may have its row."""
FIRST: Final = 1
"""The number of the first device of a service; further ones have higher ones."""
NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - not to listen on
TAG: Final = "leasewire:acme:"
PLACEHOLDERS: Final = ("mac:02:", "name:leasewire-02", "option-82:0x02")
"""So begin devices that a row has while its own goes to another one."""

Row = Mapping[str, str]


def kind_at(router: str, features: Collection[str]) -> str:
    """The feature that says what rows of services are on a router; empty: leases by MAC."""
    kind = next((kind for kind in KINDS if kind in features), "")
    return kind if router == (HOLDER if kind == "users" else SPECIAL) else ""


def rows_at(router: str, features: Collection[str]) -> str:
    """The router that holds the rows of a router's services."""
    is_held = router == SPECIAL and kind_at(HOLDER, features)
    return HOLDER if is_held else router


def service_of(row: Row) -> str:
    """The service of a row of ours; empty: it has no tag."""
    return member_of(row).partition("/")[0]


def member_of(row: Row) -> str:
    """The service of a row of ours, with the number of its device if it is a further one: `S/2`."""
    for name in ("comment", "name"):
        _, tag, member = row.get(name, "").partition(TAG)
        if tag:
            return member.split()[0]
    return ""


def is_on(row: Row, name: str) -> bool:
    """Whether a field of a row says yes."""
    return row.get(name) in ("true", "yes")


def device_of(row: Row) -> str:
    """The device of a row, whatever its menu is."""
    circuit, remote = row.get("agent-circuit-id", ""), row.get("agent-remote-id", "")
    if circuit or remote:
        return f"option-82:{_text(circuit)}+{_text(remote)}"
    return f"mac:{row['mac-address']}" if "mac-address" in row else f"name:{row.get('name', '')}"


def in_one_form(menu: str, row: Row | None) -> dict[str, Any]:
    """A row with `device`, `address`, `server`, `block-access` and `disabled`; none is empty."""
    if row is None:
        return {}
    form = {**row, "device": device_of(row)}
    if menu == SECRETS:  # a disabled one is that of a blocked service, and still has its name
        form |= {"address": row.get("remote-address", NO_ADDRESS), "block-access": row["disabled"]}
        form["disabled"] = "false"
    if menu == USERS:
        attributes = dict(each.split(":", 1) for each in row["attributes"].split(",") if each)
        form |= {"device": f"mac:{row['name']}", "block-access": row["disabled"], "server": ""}
        form |= {"disabled": "false", "rate-limit": attributes.get("Mikrotik-Rate-Limit", "")}
        form["address"] = attributes.get("Framed-IP-Address", NO_ADDRESS)
        form["listed"] = attributes.get("Mikrotik-Address-List", "")
        del form["password"]
    return form


def _text(digits: str) -> str:
    """An id of option 82, whose digits a router shows, as an event has it."""
    text = bytes.fromhex(digits).decode("latin-1")
    return text if text.isascii() and text.isprintable() else f"0x{digits}"
