"""One command on its way through a router: who, what, and the answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.state import Row, Values

if TYPE_CHECKING:
    from simulator.menu_base import MenuBase
    from simulator.router import Router

READING = frozenset({"print", "getall", "get", "listen", "find", "monitor"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs a command: session id (`api:3`, `rest:1`, `operator`, `dhcp`), user, rights."""

    session: str
    user: str = ""
    policies: frozenset[str] = frozenset()


@dataclass(slots=True)
class Request:
    """One command, taken apart."""

    router: "Router"
    menu: "MenuBase"
    command: str
    arguments: Values
    query: Sequence[str]
    proplist: Sequence[str] | None
    caller: Caller

    @property
    def path(self) -> str:
        """The command as the client named it."""
        return f"{self.menu.path}/{self.command}"


@dataclass(slots=True)
class Result:
    """What a command answers: rows, each shown as the proplist says, or a `=ret=`."""

    rows: Iterable[Row] = ()
    ret: str | None = None
    printed: bool = False
