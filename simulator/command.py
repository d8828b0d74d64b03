"""One command on its way through a router: who, what, and the answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulator.router_state import Caller, RouterState
from simulator.state import Row, Values

READING = frozenset({"print", "getall", "get", "listen", "find", "monitor"})
_SECRET = frozenset({"password", "secret", "private-key", "passphrase"})


@dataclass(slots=True)
class Request:
    """One command, taken apart."""

    router: RouterState
    menu_path: str
    command: str
    arguments: Values
    query: Sequence[str]
    proplist: Sequence[str] | None
    caller: Caller

    @property
    def path(self) -> str:
        """The command as the client named it."""
        return f"{self.menu_path}/{self.command}"

    def wrote(self, before: Values | None, after: Values | None, error: str | None = None) -> None:
        """Record in the router's journal that a row was written, or that a write was refused."""
        arguments = {
            name: "***" if name in _SECRET else value for name, value in self.arguments.items()
        }
        self.router.wrote(
            self.caller.session, self.path, before, after, arguments=arguments, error=error
        )


@dataclass(slots=True)
class Result:
    """The answer of a command: rows, each shown as the proplist says, or a `=ret=`."""

    rows: Iterable[Row] = ()
    ret: str | None = None
    printed: bool = False
