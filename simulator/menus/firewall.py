"""`/ip/firewall` and `/ipv6/firewall`: address lists and rules."""

from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    summarize_address_range,
)
from typing import Any

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.binding_rows import LIST6
from simulator.menus.lease_effects import ADDRESS_LIST
from simulator.menus.made_rows import MARK
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL, TIME, Form, parse_duration

# assumed: `/ipv6/settings allow-fast-path` is in the trees from then on (RR); the action in 7.21.5
_FASTTRACK6_SINCE = (7, 18)


def _list_address(network: Any, address: Any, text: str) -> str:  # noqa: ANN401 - classes of ipaddress
    """Read an address, range, prefix or host name (MAN: AL).

    Prefixes are written without host bits, and ranges that are one as such; the rest is a name.
    Addresses of IPv6 read with `/128` (NTC), those of IPv4 without a length (assumed).
    """
    if not text:
        raise ValueError(text)
    first, dash, last = text.partition("-")
    try:
        if dash:
            nets = list(summarize_address_range(address(first), address(last)))
        else:
            nets = [network(text, strict=False)]
    except ValueError:
        return text
    if len(nets) > 1:
        return text
    return str(nets[0]).removesuffix("/32") if network is IPv4Network else str(nets[0])


class AddressListMenu(Menu):
    """Address lists: a timeout makes a row dynamic; leases make rows while bound."""

    path = ADDRESS_LIST
    indexed = ("address", "comment", MARK)
    expires = "timeout"
    fields: tuple[Field, ...] = (
        Field("list", required=True),
        Field("address", Form(partial(_list_address, IPv4Network, IPv4Address)), required=True),
        state("creation-time"),
        Field("timeout", TIME, secret=True),  # shown as the time that is left
        Field("dynamic", BOOL, default="false"),
        DISABLED,
        COMMENT,
    )

    def fresh(self, router: RouterState) -> Values:
        """Note when it was made."""
        return {**super().fresh(router), "creation-time": router.date()}

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse what is there already (LAB, MAN-REST); beside a disabled one, dynamic (NTC)."""
        if values.get("timeout", "0s") != "0s":
            values["dynamic"] = "true"
        for other in self.rows(router).having("address", values["address"]):
            beside = other.disabled and values["dynamic"] == "true"
            if other is not row and other.values["list"] == values["list"] and not beside:
                raise RouterError(errors.DUPLICATE_ENTRY)

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Let a timeout run."""
        timeout = row.values.get("timeout")
        if timeout and timeout != (before or {}).get("timeout"):
            seconds = parse_duration(timeout)
            router.table(self.path).expire_at(row, "timeout", router.now() + seconds)

    def booted(self, router: RouterState, table: Table) -> None:
        """Lose dynamic rows."""
        for row in [entry for entry in table.rows.values() if entry.dynamic]:
            table.delete(row)


class AddressListMenu6(AddressListMenu):
    """The same for IPv6; bindings make rows while bound."""

    path = LIST6
    fields = tuple(
        Field("address", Form(partial(_list_address, IPv6Network, IPv6Address)), required=True)
        if field.name == "address"
        else field
        for field in AddressListMenu.fields
    )


class RuleMenu(Menu):
    """Firewall rules: order counts, most matchers are free text here (assumed).

    What was not written is not shown (LAB).
    """

    commands = Menu.commands | {"move"}
    dynamic_refusal = errors.READ_ONLY_ROW  # text assumed
    fields = (
        Field("chain", required=True),
        Field("action", default="accept"),
        *(
            Field(name, hidden="")
            for name in [
                "protocol",
                "src-address",
                "dst-address",
                "src-port",
                "dst-port",
                "src-address-list",
                "dst-address-list",
                "in-interface",
                "out-interface",
                "in-interface-list",
                "out-interface-list",
                "connection-state",
                "connection-nat-state",
                "src-mac-address",
                "to-addresses",
                "to-ports",
                "reject-with",
                "jump-target",
                "address-list",
                "address-list-timeout",
                "hw-offload",
                "place-before",
            ]
        ),
        Field("log", BOOL),
        Field("log-prefix"),
        state("bytes", "0"),
        state("packets", "0"),
        state("invalid", "false"),
        state("dynamic", "false"),
        Field("disabled", BOOL),
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse FastTrack where it is not yet there."""
        six = self.path.startswith("/ipv6/") and router.version < _FASTTRACK6_SINCE
        if six and values["action"] == "fasttrack-connection":
            raise errors.no_match("action")

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Keep the dummy rule of FastTrack."""
        _show_fasttrack(router, self.path)

    def removed(self, router: RouterState, row: Row) -> None:
        """Keep the dummy rule of FastTrack."""
        _show_fasttrack(router, self.path)

    def check_removal(self, router: RouterState, row: Row) -> None:
        """Refuse to remove the dummy rule (text assumed)."""
        self.check_change(row)


def _show_fasttrack(router: RouterState, changed: str) -> None:
    """Have a dynamic dummy rule first, where a FastTrack rule is on (MAN: for its counters)."""
    family = changed.rpartition("/")[0]
    rules = router.table(f"{family}/filter").rows.values()
    on = any(row.values["action"] == "fasttrack-connection" and not row.disabled for row in rules)
    for path in (f"{family}/filter", f"{family}/mangle", f"{family}/raw"):
        table = router.table(path)
        shown = [row for row in table.rows.values() if row.dynamic]
        for row in shown if not on else ():
            table.delete(row)
        if on and not shown:
            chain = "prerouting" if path.endswith("raw") else "forward"
            comment = "special dummy rule to show fasttrack counters"
            row = table.insert(
                {"chain": chain, "action": "passthrough", "comment": comment, "dynamic": "true"}
            )
            table.rows = {row.id: row} | table.rows


MENUS = (
    AddressListMenu(),
    AddressListMenu6(),
    *(
        RuleMenu(f"/{family}/firewall/{name}")
        for family in ("ip", "ipv6")
        for name in ("filter", "nat", "mangle", "raw")
    ),
)
