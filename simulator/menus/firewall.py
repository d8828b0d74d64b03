"""`/ip/firewall` (address lists and rules) and `/queue/simple`."""

from typing import TYPE_CHECKING

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.lease_effects import ADDRESS_LIST, MARK, QUEUE, bits
from simulator.state import Row, Table, Values
from simulator.values import BOOL, TIME, Kind, Names, parse_duration, parse_ip

if TYPE_CHECKING:
    from simulator.router import Router


class ListAddress(Kind):
    """An address, range, prefix or host name; /32 is not shown (assumed)."""

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Refuse what starts like an address and is none."""
        if text[:1].isdigit():
            first, dash, last = text.partition("-")
            parse_ip(first.partition("/")[0], name)
            if dash:
                parse_ip(last, name)
        elif not text:
            raise errors.invalid_value(name)
        return text.removesuffix("/32")


class AddressListMenu(Menu):
    """Address lists: a timeout makes a row dynamic; leases make rows while bound."""

    path = ADDRESS_LIST
    indexed = ("address", "comment", MARK)
    expires = "timeout"
    fields = (
        Field("list", required=True),
        Field("address", ListAddress(), required=True),
        state("creation-time"),
        Field("timeout", TIME, secret=True),  # shown as the time that is left
        Field("dynamic", BOOL, default="false"),
        DISABLED,
        COMMENT,
    )

    def fresh(self, router: "Router") -> Values:
        """Note when it was made."""
        return {**super().fresh(router), "creation-time": router.date()}

    def check(self, router: "Router", row: Row | None, values: Values) -> None:
        """Refuse what is there already (LAB, MAN-REST)."""
        for each in self.rows(router).having("address", values["address"]):
            if each is not row and each.values["list"] == values["list"]:
                raise RouterError(errors.DUPLICATE_ENTRY)
        if values.get("timeout", "0s") != "0s":
            values["dynamic"] = "true"

    def changed(self, router: "Router", before: Values | None, row: Row) -> None:
        """Let a timeout run."""
        timeout = row.values.get("timeout")
        if timeout and timeout != (before or {}).get("timeout"):
            seconds = parse_duration(timeout, "timeout")
            router.table(self.path).expire_at(row, "timeout", router.now() + seconds)

    def booted(self, router: "Router", table: Table) -> None:
        """Lose dynamic rows."""
        del router
        for row in [each for each in table.rows.values() if each.dynamic]:
            table.delete(row)


class RatePair(Kind):
    """`rx/tx` in bits a second; `5M/20M` reads back in full (assumed)."""

    def parse(self, text: str, _name: str, _names: Names, /) -> str:
        """Write the numbers out."""
        return "/".join(bits(part) for part in text.split("/"))


class QueueMenu(Menu):
    """Simple queues; leases with a rate limit make dynamic ones (defaults: ANS)."""

    path = QUEUE
    named = True
    indexed = (MARK,)
    fields = (
        Field("name"),
        Field("target", required=True),
        Field("dst", hidden=""),
        Field("parent", default="none"),
        Field("packet-marks", default=""),
        Field("priority", default="8/8"),
        Field("queue", default="default-small/default-small"),
        Field("limit-at", RatePair(), default="0/0"),
        Field("max-limit", RatePair(), default="0/0"),
        Field("burst-limit", RatePair(), default="0/0"),
        Field("burst-threshold", RatePair(), default="0/0"),
        Field("burst-time", default="0s/0s"),
        Field("bucket-size", default="0.1/0.1"),
        *(Field(f"total-{name}") for name in ("limit-at", "max-limit", "priority", "queue")),
        *(Field(f"total-burst-{name}") for name in ("limit", "threshold", "time")),
        Field("total-bucket-size"),
        Field("time", hidden=""),
        state("bytes", "0/0"),
        state("packets", "0/0"),
        state("rate", "0bps/0bps"),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def check(self, router: "Router", row: Row | None, values: Values) -> None:
        """Refuse a name that is taken (words assumed); make one up (assumed: queueN)."""
        rows = self.rows(router)
        if not values.get("name"):
            values["name"] = next(
                name
                for n in range(1, len(rows.rows) + 2)
                if not rows.having("name", name := f"queue{n}")
            )
        self.refuse_double(router, row, values, errors.DUPLICATE_NAME)
        values["target"] = ",".join(
            f"{each}/32" if each[:1].isdigit() and "/" not in each else each
            for each in values["target"].split(",")
        )

    def check_change(self, router: "Router", row: Row) -> None:
        """Refuse to change dynamic queues (words assumed)."""
        del router
        if row.dynamic:
            raise RouterError(errors.READ_ONLY_ROW)


class RuleMenu(Menu):
    """Firewall rules: order counts, most matchers are free text here (assumed).

    Args:
        path: of filter, nat, mangle or raw.
    """

    commands = Menu.commands | {"move"}
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
        Field("log", BOOL, default="false"),
        Field("log-prefix", default=""),
        state("bytes", "0"),
        state("packets", "0"),
        state("invalid", "false"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__()


def menus() -> list[Menu]:
    """Give this module's menus."""
    rules = [RuleMenu(f"/ip/firewall/{name}") for name in ("filter", "nat", "mangle", "raw")]
    return [AddressListMenu(), QueueMenu(), *rules]
