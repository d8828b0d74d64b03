"""Reads the set-up of a router and writes the steps of `routers setup`, one command at a time.

`worker/core/policy/router_setup.py` decides what is written.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from worker.core.policy.setup_rows import CERTIFICATE, MENUS, Rows, SetupStep
from worker.core.rows.menus import version_of
from worker.errors import LeasewireError
from worker.inventory import RouterConfig
from worker.routeros.commands import Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.login import compare, connect, identify, log_in
from worker.routeros.rows import attributes
from worker.routeros.transport import open_transport
from worker.settings import Settings

_ACTIVE = "/user/active"


class StepRefused(LeasewireError):  # noqa: N818 - says what happened
    """The router refused a step: those before it are done, the others are not."""

    def __init__(self, router: str, step: SetupStep, message: str) -> None:
        command = f"{step.menu} {step.verb} {step.name}".strip()
        super().__init__(f"router {router} refused {command}: {message}")
        self.step = step
        self.message = message


class SetupSession:
    """A connection of a user who may set up routers.

    Raises:
        RouterUnreachable, RouterBlocked: as `open_session`.
    """

    def __init__(self, config: RouterConfig, password: str, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._connection: RouterConnection = connect(config, settings)
        try:
            log_in(self._connection, config, password, settings)
            who = identify(self._connection, settings, config.policy.entries)
            compare(config, who)
        except BaseException:
            self._connection.close()
            raise
        self.identity = who.identity
        self.version = version_of(who.version)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def read(self, optional: Collection[str] = ()) -> Rows:
        """Read the rows of every menu that a set-up is about.

        The router may not have the `optional` menus.

        Raises:
            RouterUnreachable: the router does not answer.
            RouterBlocked: this user may not read one of them.
        """
        doing = "reading the set-up"
        menus = [*MENUS, *optional]
        replies = self._run(doing, [(f"{menu}/print",) for menu in menus])
        found = {}
        for menu, reply in zip(menus, replies, strict=True):
            if not (menu in optional and reply.traps):
                found[menu] = self._connection.rows(doing, reply)
        return found

    def seen_from(self) -> str:
        """Return our address as the router sees it, behind any NAT; empty: not known."""
        (reply,) = self._run("reading active users", [(f"{_ACTIVE}/print",)])
        rows = [] if reply.traps else reply.rows
        seen = {row.get("address", "") for row in rows if row.get("name") == self._config.username}
        return seen.pop() if len(seen) == 1 else ""

    def apply(self, steps: Sequence[SetupStep], password: str) -> Iterator[SetupStep]:
        """Write steps in order; yields each when it is done.

        `password` is that of our user, for the step that creates it: its secret is empty.

        Raises:
            StepRefused: with the router's text; no later step was written.
            RouterUnreachable: the answer to a step was lost.
        """
        for step in steps:
            (reply,) = self._run("setting up", [_command(step, password)], writing=True)
            if reply.traps:
                raise StepRefused(self._config.name, step, "; ".join(reply.traps))
            yield step

    def _run(
        self, doing: str, commands: Sequence[Command], *, writing: bool = False
    ) -> list[Reply]:
        # Slow boards need a minute to make a key.
        pace = Pace(4, self._settings.read_timeout_s, self._settings.read_timeout_s)
        return self._connection.run(doing, commands, pace, writing=writing)


def _command(step: SetupStep, password: str) -> Command:
    if step.verb == "sign":
        return (f"{CERTIFICATE}/sign", f"=numbers={step.row_id or step.name}")
    if step.verb == "move":
        return (f"{step.menu}/move", f"=numbers={step.row_id}", *attributes(step.fields))
    secret = {name: value or password for name, value in step.secret.items()}
    words = attributes({**step.fields, **secret})
    target = [f"=.id={step.row_id}"] if step.verb == "set" and step.row_id else []
    return (f"{step.menu}/{step.verb}", *target, *words)


def pin_of(config: RouterConfig, settings: Settings) -> str:
    """Return the fingerprint of the certificate that the router shows now, without checking it.

    Raises:
        RouterUnreachable: none is shown.
    """
    limits = settings.connect_timeout_s, settings.command_timeout_s
    with closing(open_transport(config, *limits, trust=True)) as transport:
        return transport.fingerprint


def prove(config: RouterConfig, settings: Settings) -> str:
    """Log in as our user, as the inventory says, and return the router's identity.

    Raises:
        RouterUnreachable, RouterBlocked: the login failed.
    """
    session = SetupSession(config, config.password().get_secret_value(), settings)
    session.close()
    return session.identity


def pinned(config: RouterConfig, fingerprint: str) -> RouterConfig:
    """Pin this certificate, unless the inventory already pins one or names an authority."""
    known = config.fingerprint or config.ca_file
    return config if known else replace(config, fingerprint=fingerprint)
