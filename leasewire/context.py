"""What a command works with: settings, inventory and store, each opened on first use."""

import getpass
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar, Final

import redis
import structlog
import typer

from leasewire.answer import Exit
from leasewire.host.embedded import EmbeddedServer
from producers.connection import ANSWER_S, open_publisher
from producers.errors import KeyRefused
from producers.publisher import Publisher
from producers.transport import CompleteEvent, proven_event
from worker.core.texts import capitalized, did_you_mean
from worker.errors import (
    ConfigurationError,
    LeasewireError,
    NotReplicated,
    RouterUnreachable,
    StoreRefused,
    StoreUnavailable,
    UnreadableStoreError,
)
from worker.inventory import Inventory, RouterConfig, load_inventory
from worker.inventory.changes import changes_between
from worker.log_setup import configure_logging, hide_secret
from worker.settings import PREFIX, Settings, environment
from worker.store.connection import check_login, connect
from worker.store.heartbeat import Heartbeat, this_process
from worker.store.store import Store, open_store
from worker.unsafe_settings import unsafe
from worker.watching.periodic_thread import PeriodicThread

log = structlog.get_logger("command")

DATA: Final = Path("leasewire-data")
"""Default data directory of `leasewire up`; other commands look for its Redis there."""
_MOST_LOGGED: Final = 100
_HEARTBEAT_S: Final = 2.0
_REDIS_URL: Final = f"{PREFIX}REDIS_URL"
_INVENTORY: Final = f"{PREFIX}INVENTORY"

InventoryOption = Annotated[
    Path | None,
    typer.Option(
        help="Routers and sources. Default: LEASEWIRE_INVENTORY, else routers.toml.",
        show_default=False,
    ),
]
ServiceArgument = Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")]
RouterArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name in the inventory.")]
AnyRouterArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Name in the inventory. Default: all routers.")
]


def actor_of(given: str) -> str:
    """The name given with `--actor`, else `LEASEWIRE_ACTOR`, else the user of this system.

    The variable is for containers, where everybody is the same user.
    """
    if named := given or environment().get(f"{PREFIX}ACTOR"):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return "unknown"


ActorOption = Annotated[
    str,
    typer.Option(
        "--actor",
        help=f"Who does this. Default: {PREFIX}ACTOR, else the user of this system.",
        callback=actor_of,
        show_default=False,
    ),
]
"""The actor of a person's action, for history, action list and log."""


def load_settings(inventory: Path | None = None, redis_url: str | None = None) -> Settings:
    """Load the settings from the environment; Redis defaults to the one of `leasewire up`.

    Args:
        inventory: from the command line; overrides `LEASEWIRE_INVENTORY`.
        redis_url: overrides `LEASEWIRE_REDIS_URL`.

    Raises:
        ConfigurationError: with every mistake.
    """
    found = dict(environment())
    if inventory is not None:
        found[_INVENTORY] = str(inventory)
    embedded = EmbeddedServer(DATA)
    if redis_url is not None:
        found[_REDIS_URL] = redis_url
    elif not found.get(_REDIS_URL) and embedded.socket.exists():
        found[_REDIS_URL] = embedded.url
    return Settings.load(found)


def environment_for(settings: Settings) -> Mapping[str, str]:
    """The environment of worker processes: ours, with the settings of the command line."""
    chosen = {_REDIS_URL: settings.redis_url, _INVENTORY: str(settings.inventory)}
    return {**environment(), **chosen}


class Context:
    """What one command works with; made as `load_settings` says.

    Raises:
        ConfigurationError: a setting is wrong.

    Attributes:
        option: the option that `App` gives to a command with a parameter `context`.
    """

    option: ClassVar = InventoryOption

    def __init__(self, inventory: Path | None = None, redis_url: str | None = None) -> None:
        self.settings = load_settings(inventory, redis_url)
        self._may_prove = True
        # Commands print their own answers; warnings in the log still matter to the caller.
        quiet = self.settings.model_copy(update={"log_level": "WARNING"})
        configure_logging(quiet if self.settings.log_level == "INFO" else self.settings)

    @cached_property
    def inventory(self) -> Inventory:
        """The routers and sources; a certificate that is not pinned is a mistake."""
        return load_inventory(self.settings.inventory, on_secret=hide_secret)

    def router(self, name: str, *, unpinned: bool = False) -> RouterConfig:
        """A router of the inventory.

        Raises:
            ConfigurationError: the inventory has no such router.
        """
        inventory = self.unpinned_inventory if unpinned else self.inventory
        if name not in inventory.routers:
            hint = did_you_mean(name, inventory.routers)
            problem = f"{self.settings.inventory}: there is no router {name}"
            raise ConfigurationError([f"{problem}; {hint}" if hint else problem])
        return inventory.routers[name]

    def router_names(self, name: str | None) -> list[str]:
        """The name of this router, or the names of all routers of the inventory."""
        return list(self.inventory.routers) if name is None else [self.router(name).name]

    def reload(self, check: Callable[[Inventory], Iterable[str]] = lambda _: ()) -> bool:
        """Read the inventory again, and log what is different; keep the old one if it is wrong.

        Args:
            check: checks what goes with it, such as `outcomes.toml`, and gives what is different
                there; raises `ConfigurationError`.

        Returns:
            Whether all is right, and the inventory is replaced.
        """
        try:
            inventory = load_inventory(self.settings.inventory, on_secret=hide_secret)
            changes = [*changes_between(self.inventory, inventory), *check(inventory)]
        except ConfigurationError as error:
            advice = "correct the file and reload: until then all stays as it was"
            log.error("inventory.refused", problems=list(error.problems), advice=advice)  # noqa: TRY400 - the problems say more than a traceback
            return False
        log.info("inventory.reloaded", changes=changes[:_MOST_LOGGED], number=len(changes))
        self.inventory = inventory
        return True

    @cached_property
    def unpinned_inventory(self) -> Inventory:
        """The same for `routers check`, which shows the fingerprint to pin."""
        return load_inventory(self.settings.inventory, allow_unpinned=True, on_secret=hide_secret)

    @cached_property
    def store(self) -> Store:
        """The store; connects when it is first used.

        Raises:
            UnreadableStoreError: it has a store format that this version does not read.
        """
        self.any_store.format.check()
        return self.any_store

    @cached_property
    def any_store(self) -> Store:
        """The store, whatever its format; for commands that show which it is."""
        settings = self.settings
        client = connect(settings.redis_url, **settings.redis_login, socket_timeout_s=ANSWER_S)
        lock_ms = round(settings.router_lock_s * 1000)
        return open_store(client, settings.key_prefix, lock_ms, settings.redis_min_replicas)

    def _redis_now(self) -> datetime:
        with suppress(StoreUnavailable):  # then publishing fails as well, and says why
            self.any_store.heartbeats.learn_time()
        return self.any_store.heartbeats.clock.now()

    @contextmanager
    def heartbeat(self, kind: str) -> Iterator[None]:
        """Give signs of life while the block runs: for commands that keep running.

        Raises:
            UnreadableStoreError: the store has a format that this version does not read.
        """
        heartbeat = Heartbeat(self.any_store.heartbeats, this_process(kind))

        def give() -> None:
            try:
                heartbeat.give()
            except UnreadableStoreError as error:  # all others were upgraded meanwhile
                log.error("process.too_old", problems=error.problems, advice="this process ends")  # noqa: TRY400 - the problems say more than a traceback
                os.kill(os.getpid(), signal.SIGTERM)

        with suppress(StoreUnavailable):
            heartbeat.give()
        with PeriodicThread("heartbeat", give, _HEARTBEAT_S):
            yield
        heartbeat.end()

    def any_bytes_client(self) -> redis.Redis:
        """A separate connection for `worker/store/backup.py`; the caller closes it."""
        return connect(self.settings.redis_url, any_bytes=True, **self.settings.redis_login)

    def log_as_set(self) -> None:
        """For commands that keep running: log as the settings say, and what is unsafe in them."""
        configure_logging(self.settings)
        for failed_check in unsafe(self.settings):
            log.warning("setting.unsafe", message=failed_check)

    def note(self, actor: str, what: str, subject: str, detail: str) -> None:
        """Record what a person did at a router, which may be set up before there is a Redis."""
        try:
            self.store.audit.record(actor, what, subject, detail)
        except (StoreUnavailable, UnreadableStoreError):
            typer.echo("! Redis is not available: the audit trail will not show this.", err=True)

    def check_login(self) -> None:
        """Check the login, if Redis can be reached; for commands that wait for Redis.

        Raises:
            StoreRefused: Redis refuses it.
        """
        check_login(self.settings.redis_url, **self.settings.redis_login)

    def publisher(self, clock: Callable[[], datetime] | None = None) -> Publisher:
        """A publisher with its own connections.

        Args:
            clock: gives the time of events without one; None: Redis's, which is asked each time.
                Operators on several hosts need one clock: their events count by time.
        """
        settings = self.settings
        return open_publisher(
            settings.redis_url,
            clock=clock or self._redis_now,
            prefix=settings.key_prefix,
            min_replicas=settings.redis_min_replicas,
            resend_s=settings.redis_resend_s,
            prove=self._prove,
            sealer=settings.sealer,
            **settings.redis_login,
        )

    def _prove(self, event: CompleteEvent) -> CompleteEvent:
        """Add the proof to an event of an operator, if our login may read what makes it."""
        if self._may_prove and self._is_of_operator(event.source):
            try:
                if secret := self.any_store.journal.operators_secret():
                    return proven_event(event, secret)
            except StoreRefused:  # workers refuse the event, and say why
                self._may_prove = False
        return event

    def _is_of_operator(self, name: str) -> bool:
        try:
            source = self.inventory.sources.get(name)
        except ConfigurationError:  # a host of publishers may have no inventory
            return True
        return source is not None and "override" in source.scopes


def check_extra(extra: str, needs: str, *modules: str) -> None:
    """Check that an extra of the package is installed.

    Raises:
        ConfigurationError: it is not; `needs` says what needs which packages.
    """
    if not all(map(find_spec, modules)):
        raise ConfigurationError([f"{needs}: install `leasewire[{extra}]`"])


def explained(error: Exception) -> tuple[Exit, Sequence[str]] | None:
    """The exit code of an expected error, and what to tell a person; None: it is a bug."""
    code, lines = Exit.UNREACHABLE, [str(error)]
    match error:
        case ConfigurationError():
            code, lines = Exit.BAD_INPUT, [*error.problems]
        case StoreRefused():
            code, lines = Exit.BAD_INPUT, refusal(error.message, error.advice)
        case KeyRefused():
            message = str(error.__cause__ or error)
            code, lines = Exit.BAD_INPUT, refusal(message, error.reason.partition(" (")[0])
        case StoreUnavailable():
            redis_url = load_settings().redis_url  # it holds no password
            line = f"Redis at {redis_url} is not available: {error}"
            lines = [line, f"{capitalized(error.advice)}."]
        case NotReplicated():
            lines.append("Nothing more was written to the router: try again when they confirm.")
        case RouterUnreachable():
            pass
        case LeasewireError():
            code = Exit.FAILED
        case _:
            return None
    return code, lines


def refusal(message: str, advice: str) -> list[str]:
    """Explain to a person why Redis refuses us; see `Settings.refusal`."""
    if environment().get(_REDIS_URL):
        origin = _REDIS_URL
    elif EmbeddedServer(DATA).socket.exists():
        origin = f"of `leasewire up` in ./{DATA}; {_REDIS_URL} is not set"
    else:
        origin = f"the default; {_REDIS_URL} is not set"
    return load_settings().refusal(message, advice, origin)
