"""What a command works with: settings, inventory and store, each opened when first asked for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import redis
import structlog
import typer

from leasewire.host.embedded import EmbeddedServer
from producers.connection import open_publisher
from producers.publisher import Publisher
from worker.inventory import Inventory, load_inventory
from worker.log_setup import configure_logging, hide_secret
from worker.settings import PREFIX, Settings, environment
from worker.store.connection import check_login, connect
from worker.store.store import Store, open_store

log = structlog.get_logger("command")

DATA: Final = Path("leasewire-data")
"""Where `leasewire up` keeps its data if not told otherwise, and where others look for it."""
_REDIS_URL: Final = f"{PREFIX}REDIS_URL"
_INVENTORY: Final = f"{PREFIX}INVENTORY"

InventoryOption = Annotated[
    Path | None,
    typer.Option(
        help="Routers and sources; else LEASEWIRE_INVENTORY, else routers.toml.",
        show_default=False,
    ),
]


def load_settings(inventory: Path | None = None, redis_url: str | None = None) -> Settings:
    """Settings of the environment, with the Redis of `leasewire up` where none is named.

    Args:
        inventory: given on the command line: comes before `LEASEWIRE_INVENTORY`.
        redis_url: comes before `LEASEWIRE_REDIS_URL`.

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
    """The environment of worker processes: ours, with what the command line said put in."""
    said = {_REDIS_URL: settings.redis_url, _INVENTORY: str(settings.inventory)}
    return {**environment(), **said}


class Context:
    """What one command works with.

    Args:
        inventory: path given on the command line, if any.
        redis_url: as for `load_settings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(self, inventory: Path | None = None, redis_url: str | None = None) -> None:
        self.settings = load_settings(inventory, redis_url)
        # A command says what it has to say by itself; warnings still concern whoever called it.
        quiet = self.settings.model_copy(update={"log_level": "WARNING"})
        configure_logging(quiet if self.settings.log_level == "INFO" else self.settings)

    @cached_property
    def inventory(self) -> Inventory:
        """The routers and sources; a certificate that nobody vouches for is a mistake."""
        return load_inventory(self.settings.inventory, on_secret=hide_secret)

    def use(self, inventory: Inventory) -> None:
        """Go on with one that was read anew."""
        self.inventory = inventory

    @cached_property
    def unpinned_inventory(self) -> Inventory:
        """The same for `routers check`, which shows the fingerprint that is to be pinned."""
        return load_inventory(self.settings.inventory, allow_unpinned=True, on_secret=hide_secret)

    @cached_property
    def store(self) -> Store:
        """The store; connects when it is first read."""
        settings = self.settings
        client = connect(settings.redis_url, **settings.redis_login)
        return open_store(client, settings.key_prefix, round(settings.router_lock_s * 1000))

    def any_bytes_client(self) -> redis.Redis:
        """A connection of its own for `worker/store/backup.py`; whoever asks for it closes it."""
        return connect(self.settings.redis_url, any_bytes=True, **self.settings.redis_login)

    def report_failed_checks(self) -> None:
        """Log what is unsafe about the way to Redis, for what runs on."""
        for failed_check in self.settings.doubts:
            log.warning("setting.unsafe", message=failed_check)

    def check_login(self) -> None:
        """Make sure that Redis lets us in, where it can be reached: for who waits for it.

        Raises:
            StoreRefused: it does not.
        """
        check_login(self.settings.redis_url, **self.settings.redis_login)

    def publisher(self) -> Publisher:
        """A publisher with connections of its own."""
        settings = self.settings
        return open_publisher(
            settings.redis_url,
            clock=lambda: datetime.now(UTC),  # noqa: TID251 - this is the composition root
            prefix=settings.key_prefix,
            **settings.redis_login,
        )


def redis_in_use() -> str:
    """The URL of the Redis that commands talk to; it holds no password."""
    return load_settings().redis_url


def refusal(message: str, advice: str) -> list[str]:
    """What to tell a person when that Redis refuses us; see `Settings.refusal`."""
    if environment().get(_REDIS_URL):
        origin = _REDIS_URL
    elif EmbeddedServer(DATA).socket.exists():
        origin = f"of `leasewire up` in ./{DATA}; {_REDIS_URL} is not set"
    else:
        origin = f"the default; {_REDIS_URL} is not set"
    return load_settings().refusal(message, advice, origin)
