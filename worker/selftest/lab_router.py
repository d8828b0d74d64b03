"""A spare router as the self-test uses it: rows of any menu, and attempts that may be refused."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeVar

from worker.core.rows.menus import version_of
from worker.errors import LeasewireError
from worker.inventory import RouterConfig
from worker.routeros.commands import Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.login import compare, connect, identify, log_in
from worker.settings import Settings

Row = Mapping[str, str]
_T = TypeVar("_T")
_IN_FLIGHT = 8
_NO_MENU = "no such command"


class LabRefused(LeasewireError):  # noqa: N818 - says what happened
    """The router refused something without which the self-test cannot go on."""

    def __init__(self, router: str, command: str, message: str) -> None:
        super().__init__(f"router {router} refused {command}: {message}")


class Tried(NamedTuple):
    """What became of a command: the id of a new row, or the router's refusal; both may be empty."""

    row_id: str
    refusal: str


class LabClock(NamedTuple):
    """Time: monotonic seconds, and how to wait."""

    now: Callable[[], float]
    sleep: Callable[[float], object]

    def watch(
        self, look: Callable[[], _T | None], seconds: float, every: float = 0.25
    ) -> _T | None:
        """Look again and again until there is something to see; None: there was not in time."""
        ends_at = self.now() + seconds
        while (seen := look()) is None and self.now() < ends_at:
            self.sleep(every)
        return seen


class LabRouter:
    """One router, logged in.

    Attributes:
        version, board, architecture: what it says of itself.
        identity: its name, which no report contains.
        entries: the kind of entry that the inventory means.
        by_rest: whether it is reached over REST.

    Raises:
        RouterUnreachable, RouterBlocked: as `open_session`.
    """

    def __init__(self, config: RouterConfig, settings: Settings, clock: LabClock) -> None:
        self.name = config.name
        self.clock = clock
        self.by_rest = config.transport == "rest"
        self._config = config
        self._settings = settings
        with ExitStack() as undo:
            self._connection = self.connect()
            undo.callback(self._connection.close)
            who = identify(self._connection, settings, config.policy.entries)
            compare(config, who)
            self.version, self.identity, self.entries = who.version, who.identity, who.entries
            (resource,) = self.rows("/system/resource")
            self.board = resource.get("board-name", "")
            self.architecture = resource.get("architecture-name", "")
            undo.pop_all()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def connect(self) -> RouterConnection:
        """Open one more connection, logged in.

        Raises:
            RouterUnreachable, RouterBlocked: as `open_session`.
        """
        connection = connect(self._config, self._settings)
        try:
            password = self._config.password().get_secret_value()
            log_in(connection, self._config, password, self._settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def since(self, *version: int) -> bool:
        """Whether its RouterOS is this version or later."""
        return version_of(self.version) >= version

    def rows(self, menu: str, **where: str) -> list[dict[str, str]]:
        """The rows of a menu whose fields have these values; none where it has no such menu."""
        return self.tables((menu, where))[0]

    def tables(self, *asked: tuple[str, Mapping[str, str]]) -> list[list[dict[str, str]]]:
        """The rows of several menus, read in one round trip."""
        prints = [
            (
                f"{menu}/print",
                *(f"?{name.replace('_', '-')}={text}" for name, text in where.items()),
            )
            for menu, where in asked
        ]
        doing = "reading"
        return [
            []
            if any(_NO_MENU in text for text in reply.traps)
            else self._connection.rows(doing, reply)
            for reply in self._run(doing, prints)
        ]

    def attempt(self, command: str, fields: Mapping[str, str]) -> Tried:
        """Run a command that the router may refuse."""
        return self.attempts([(command, fields)])[0]

    def attempts(
        self, commands: Sequence[tuple[str, Mapping[str, str]]], *, in_flight: int = 1
    ) -> list[Tried]:
        """Run commands, so many at once."""
        words = [(path, *(f"={n}={value}" for n, value in f.items())) for path, f in commands]
        replies = self._run("writing", words, in_flight, writing=True)
        return [Tried(reply.done.get("ret", ""), "; ".join(reply.traps)) for reply in replies]

    def do(self, command: str, fields: Mapping[str, str]) -> str:
        """Run a command; returns the id of a new row.

        Raises:
            LabRefused: with the router's text.
        """
        row_id, refusal = self.attempt(command, fields)
        if refusal:
            raise LabRefused(self.name, command, refusal)
        return row_id

    def _run(
        self,
        doing: str,
        commands: Sequence[Command],
        window: int = _IN_FLIGHT,
        *,
        writing: bool = False,
    ) -> list[Reply]:
        silence_s = self._settings.command_timeout_s
        pace = Pace(window, silence_s, self._settings.read_timeout_s)
        return self._connection.run(doing, commands, pace, writing=writing)
