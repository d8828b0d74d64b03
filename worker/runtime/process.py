"""One worker process: `python -m worker.runtime.process events|routers`. Started by the supervisor.

`events` folds events, one task at a time: a fold is CPU time and short round trips to Redis.
`routers` converges routers, many at once in threads: most of a pass is waiting for the router.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from worker.errors import ConfigurationError, StoreRefused, StoreUnavailable
from worker.interpreter import answer_while_computing
from worker.inventory import Inventory, load_inventory
from worker.log_setup import configure_logging, hide_secret
from worker.runtime.celery_app import guard_queues, make_app
from worker.runtime.parts import WorkerParts, queues_and_slots
from worker.runtime.tasks import log_unavailable
from worker.settings import Settings, environment
from worker.store.connection import connect
from worker.store.store import Store, open_store
from worker.unsafe_settings import unsafe

log = structlog.get_logger()

EXIT_CONFIGURATION: Final = 2
"""The supervisor does not restart a process that ends with this: a person must act."""

_REDIS_RETRY_S: Final = 2.0


def main(argv: list[str] | None = None) -> int:
    """Run one worker process until it is stopped."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.process")
    parser.add_argument("kind", choices=["events", "routers"])
    parser.add_argument("--parent", type=int, help="end when this process is no longer our parent")
    parser.add_argument(
        "--again", action="store_true", help="a restart: wait for a Redis that refuses the login"
    )
    parser.add_argument("--pool", help="Celery pool, instead of the measured choice")
    parser.add_argument("--concurrency", type=int, help="slots, instead of the measured choice")
    options = parser.parse_args(argv)
    answer_while_computing()
    pool = ["-P", options.pool, "-c", str(options.concurrency or 1)] if options.pool else None
    try:
        settings = Settings.load(environment())
        configure_logging(settings)
        for warning in unsafe(settings):
            log.warning("setting.unsafe", message=warning)
        try:
            return run(options.kind, settings, options.parent, pool, again=options.again)
        except StoreRefused as error:
            raise ConfigurationError(settings.refusal(error.message, error.advice)) from error
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return EXIT_CONFIGURATION


def run(
    kind: str,
    settings: Settings,
    parent: int | None,
    pool: Sequence[str] | None = None,
    *,
    again: bool = False,
) -> int:
    """Connect to Redis, start all parts and run Celery until it is stopped.

    The process ends itself once `parent`, the id of the supervisor's, is not its parent. `pool` has
    Celery's arguments for a pool other than the measured choice. `again`: this is a restart, so a
    Redis that refuses the login is waited for.

    Raises:
        ConfigurationError: a person must correct the configuration.
        StoreRefused: Redis refuses the login at the first start.
    """
    inventory = _load_inventory(settings, kind)
    login = settings.redis_login
    store = open_store(
        connect(settings.redis_url, **login),
        settings.key_prefix,
        round(settings.router_lock_s * 1000),
        settings.redis_min_replicas,
    )

    def orphaned() -> bool:
        return parent is not None and os.getppid() != parent

    def login_changed() -> bool:
        with suppress(OSError):  # the password file is being replaced
            return settings.redis_login != login
        return False

    if not _wait_for_redis(store, inventory, orphaned, login_changed if again else None):
        return 0
    if settings.redis_username:  # Redis has logins, and a publisher's speaks for no operator
        store.journal.make_operators_secret()
    guard_queues()
    app = make_app(settings)
    worker = WorkerParts(kind, settings, inventory, store)
    worker.register_tasks(app)
    worker.start(orphaned, login_changed)
    app.worker_main(_celery_arguments(kind, settings, worker.name, pool))
    worker.stop()
    return 0


def _load_inventory(settings: Settings, kind: str) -> Inventory:
    inventory = load_inventory(settings.inventory, on_secret=hide_secret)
    exposed = {
        str(router.password_file) for router in inventory.routers.values() if router.is_exposed
    }
    if exposed and kind == "routers":
        log.warning("secrets.readable_by_all", files=sorted(exposed), advice="chmod o= them")
    return inventory


def _celery_arguments(
    kind: str, settings: Settings, name: str, pool: Sequence[str] | None
) -> list[str]:
    queues, slots = queues_and_slots(kind, settings)
    solo = ["-P", "solo", "--prefetch-multiplier", "16"]
    measured = solo if kind == "events" else ["-P", "threads", "-c", str(slots)]
    # Gossip and mingle exchange state with other workers; nothing here needs it.
    quiet = ["--without-gossip", "--without-mingle"]
    parts = ["-n", name.replace(":", "-"), "-Q", ",".join(queues), *(pool or measured), *quiet]
    return ["--quiet", "worker", *parts]  # Celery's banner is no log line


def _wait_for_redis(
    store: Store,
    inventory: Inventory,
    orphaned: Callable[[], bool],
    login_changed: Callable[[], bool] | None,
) -> bool:
    """Wait until Redis answers, and check that it is ours and keeps what is written.

    `login_changed` tells whether a new process would use another login. None: do not wait for a
    Redis that refuses the login.

    Returns:
        False if this process must end.

    Raises:
        StoreRefused: Redis refuses the login.
    """
    logged: type[StoreUnavailable] | None = None
    while True:
        try:
            store.check_server()
            store.bind_installation(inventory.installation)
            store.check_queues()
            store.check_kinds(inventory.routers, inventory.sources)
        except StoreUnavailable as error:
            refused = isinstance(error, StoreRefused)
            if refused and login_changed is None:
                raise
            if logged is not type(error):
                log_unavailable(error, "start", "waiting for Redis")
            logged = type(error)
            if orphaned() or (refused and login_changed is not None and login_changed()):
                return False
            time.sleep(_REDIS_RETRY_S)  # nothing else can be done before Redis answers
        else:
            return True


if __name__ == "__main__":
    sys.exit(main())
