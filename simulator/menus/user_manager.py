"""`/user-manager`: whom a RADIUS server lets in, and what it gives them (fields: RR 7.9 to 7.24).

The package is installed on every router of version 7. How attributes are written is believed:
`Name:value,Name:value`; only names that the menu `…/attribute` has from the start are taken.
"""

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field
from simulator.menu import Menu, Singleton
from simulator.rates import RATE_LIMIT
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, IP, TEXT, Enum, Kind, Names, Number

MANAGER = "/user-manager"
CLIENT = "/user-manager/router"
USER = "/user-manager/user"
_SINCE = (7,)
# assumed: the family of the others
DUPLICATE_USER = "failure: user with the same name already exists"
DUPLICATE_ROUTER = "failure: router with the same name already exists"
_PORTS = Number(1, 65_535)

ADDRESS, POOL, RATE, LIST = (
    "Framed-IP-Address",
    "Framed-Pool",
    "Mikrotik-Rate-Limit",
    "Mikrotik-Address-List",
)
SESSION_TIMEOUT = "Session-Timeout"
OPTION_SET = "Mikrotik-DHCP-Option-Set"
KINDS: dict[str, Kind] = {
    ADDRESS: IP,
    POOL: TEXT,
    RATE: RATE_LIMIT,
    LIST: TEXT,
    SESSION_TIMEOUT: Number(0, 21_474_720),
    OPTION_SET: TEXT,
}


def pairs(text: str) -> dict[str, str]:
    """Read attributes: their names and values."""
    parts = (part.partition(":") for part in text.split(",") if part)
    return {name: value for name, _, value in parts}


class _Attributes(Kind):
    """Attributes by name; the text of a refusal is assumed."""

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Keep them as written."""
        for attribute, value in pairs(text).items():
            if attribute not in KINDS or not value:
                raise errors.invalid_value(name)
            KINDS[attribute].parse(value, name, names)
        return text


class ManagerMenu(Singleton):
    """The server: off until somebody enables it."""

    path = MANAGER
    since = _SINCE
    fields = (
        Field("enabled", BOOL, default="false"),
        Field("authentication-port", _PORTS, default="1812"),
        Field("accounting-port", _PORTS, default="1813"),
        Field("certificate", default="*0"),
        Field("use-profiles", BOOL, default="false"),
        Field("require-message-auth", Enum("no", "yes"), default="yes", since=(7, 15)),
        Field("radsec-certificate", default="*0", since=(7, 21)),
    )

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Open or close its port."""
        super().changed(router, before, row)
        router.services_changed()


class ClientMenu(Menu):
    """The routers that may ask, each with its secret."""

    path = CLIENT
    double = DUPLICATE_ROUTER
    since = _SINCE
    named = True
    fields = (
        Field("name", required=True),
        Field("address", required=True),
        Field("shared-secret", default=""),
        Field("coa-port", _PORTS, default="3799"),
        Field("protocol", Enum("udp", "radsec"), default="udp", since=(7, 21)),
        DISABLED,
        COMMENT,
    )


class UserMenu(Menu):
    """Who is let in, and with which attributes."""

    path = USER
    since = _SINCE
    named = True
    double = DUPLICATE_USER
    indexed = ("comment",)
    fields = (
        Field("name", required=True),
        Field("password", default=""),
        Field("otp-secret", default=""),
        Field("group", default="default"),
        Field("shared-users", Number(1, 0xFFFFFFFF, "unlimited"), default="1"),
        Field("caller-id", default="", hidden=""),
        Field("attributes", _Attributes(), default=""),
        DISABLED,
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse to have no name, too."""
        if not values.get("name"):
            raise RouterError("failure: name is required")  # assumed
        super().check(router, row, values)


MENUS = (ManagerMenu(), ClientMenu(), UserMenu())
