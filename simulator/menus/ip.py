"""`/ip`: pools, services and the like."""

from typing import TYPE_CHECKING

from simulator import errors
from simulator.errors import RouterError
from simulator.menu import COMMENT, DISABLED, Field, Menu, state
from simulator.state import Row, Values
from simulator.values import Enum, Kind, Names, Number, Ref, parse_ip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.router import Router

POOL = "/ip/pool"
_PORTS = {
    "telnet": 23,
    "ftp": 21,
    "www": 80,
    "ssh": 22,
    "www-ssl": 443,
    "api": 8728,
    "winbox": 8291,
    "api-ssl": 8729,
}


class Ranges(Kind):
    """Address ranges: `a-b`, `a/len` or `a`, with commas between."""

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Refuse what is none."""
        for part in text.split(","):
            first, dash, last = part.partition("-")
            if dash:
                if parse_ip(first, name) > parse_ip(last, name):
                    raise errors.invalid_value(name)
            else:
                parse_ip(first.partition("/")[0], name)
        return text


def addresses(ranges: str) -> "Iterator[int]":
    """List the addresses of a pool's ranges as numbers, lowest range first."""
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        if dash:
            yield from range(int(parse_ip(first, "")), int(parse_ip(last, "")) + 1)
        else:
            base, _, length = part.partition("/")
            count = 1 << (32 - int(length or 32))
            start = int(parse_ip(base, "")) & ~(count - 1)
            yield from range(start, start + count)


class PoolMenu(Menu):
    """Address pools."""

    path = POOL
    named = True
    fields = (
        Field("name", required=True),
        Field("ranges", Ranges(), required=True),
        Field("next-pool", Ref(POOL, "none"), hidden="none"),
        COMMENT,
    )

    def check(self, router: "Router", row: Row | None, values: Values) -> None:
        """Refuse a name that is taken (words assumed)."""
        if any(each is not row for each in self.rows(router).having("name", values["name"])):
            raise RouterError(errors.DUPLICATE_NAME)


class ServiceMenu(Menu):
    """Services: fixed rows, no add, no comment (routeros-facts 4.2)."""

    path = "/ip/service"
    named = True
    fields = (
        Field("name", readonly=True),
        Field("port", Number(1, 65535)),
        Field("proto", readonly=True),
        Field("address", default=""),
        Field("available-from", default="", since=(7, 24)),
        Field("certificate", default="none"),
        Field("tls-version", Enum("any", "only-1.2"), default="any"),
        Field("vrf", default="main", since=(7, 1)),
        Field("max-sessions", Number(1, 1000), default="20", since=(7, 16)),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
    )

    def seed(self, router: "Router") -> None:
        """Have the services of every router."""
        for name, port in _PORTS.items():
            if "ssl" not in name:
                values = {k: v for k, v in self.fresh(router).items() if "tls" not in k}
                values.pop("certificate")
            else:
                values = self.fresh(router)
            self.rows(router).insert(values | {"name": name, "port": str(port), "proto": "tcp"})


def menus() -> list[Menu]:
    """Give this module's menus."""
    return [PoolMenu(), ServiceMenu()]
