"""Menus known from recorded trees alone: their arguments are checked, their values are text."""

from simulator.fields import COMMENT, DISABLED, Field, with_defaults
from simulator.menu import Menu, Singleton
from simulator.router_state import RouterState
from simulator.schema import every_argument
from simulator.state import Values

# with defaults as community.routeros knows them (ANS)
_TABLES: dict[str, Values] = {
    "/ip/dhcp-relay": {
        "name": "relay1",
        "interface": "",
        "dhcp-server": "",
        "local-address": "0.0.0.0",  # noqa: S104 - the default by ANS
        "delay-threshold": "none",
        "add-relay-info": "false",
    },
    "/ip/dhcp-server/matcher": {"name": "", "server": "all", "code": "", "value": ""},
    "/ip/dhcp-server/alert": {"interface": "", "valid-server": "", "alert-timeout": "1h"},
    "/radius": {"service": "", "address": "0.0.0.0", "timeout": "300ms"},  # noqa: S104 - as above
}
_SINGLE: dict[str, Values] = {
    "/tool/mac-server": {"allowed-interface-list": "all"},
    "/tool/mac-server/mac-winbox": {"allowed-interface-list": "all"},
    "/tool/mac-server/ping": {"enabled": "true"},
}


class RecordedMenu(Menu):
    """A table; whatever the version's tree lets one write is kept and shown."""

    def __init__(self, path: str, defaults: Values) -> None:
        self.named = "name" in defaults
        others = [name for name in every_argument(path) if name not in defaults]
        plain = (name for name in others if name not in ("disabled", "comment"))
        common = (field for field in (DISABLED, COMMENT) if field.name in others)
        hidden = (Field(name, hidden="") for name in plain)
        super().__init__(path, (*with_defaults(defaults), *hidden, *common))

    def fresh(self, router: RouterState) -> Values:
        """Leave out what this version's tree does not have."""
        known = router.schema.arguments(self.path, "add")
        return {name: text for name, text in super().fresh(router).items() if name in known}


MENUS = (
    *(RecordedMenu(path, values) for path, values in _TABLES.items()),
    *(Singleton(path, with_defaults(values)) for path, values in _SINGLE.items()),
)
