"""One worker process: `python -m worker.runtime.process events|routers`. Started by the supervisor.

`events` folds events, one task at a time: a fold is CPU and short round trips to Redis. `routers`
converges routers, many at once in threads: a router is waited for, not computed. The figures are
in `docs/decisions/`.
"""

import argparse
import gc
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from celery.signals import worker_shutting_down

from contracts import names
from worker.convergence.batch_item import TimeLimits
from worker.convergence.bulk import Bulk
from worker.convergence.concurrency import ConcurrencyLimiter
from worker.convergence.router_pass import Converge, PassLimits
from worker.core.policy.circuit import BackOff
from worker.errors import ConfigurationError, StoreRefused, StoreUnavailable
from worker.intake.accept import Accept
from worker.inventory import Inventory, load_inventory
from worker.log_setup import configure_logging, hide_secret
from worker.routeros.parallel_read import RowObserver
from worker.routeros.sessions import Sessions
from worker.runtime.celery_app import guard_queues, make_app
from worker.runtime.sweep import Sweep
from worker.runtime.tasks import canary_sender, guarded, log_unavailable, register, release_due
from worker.runtime.waking import arriving
from worker.runtime.watchdog import Watchdog
from worker.settings import Settings, environment
from worker.store.connection import connect
from worker.store.store import Store, open_store
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import send
from worker.watching.device_online import DeviceOnlineCheck
from worker.watching.maintenance import Maintenance
from worker.watching.periodic_thread import Rounds
from worker.watching.unknown_devices import ROUND_S, Watch

log = structlog.get_logger()

EXIT_CONFIGURATION: Final = 2
"""The supervisor does not restart after this: nothing but a person can mend it."""

COLLECT_AFTER: Final = (50_000, 20, 50)
"""New objects before Python looks for cycles. A batch makes many that stand in none: with Python's
own 700 a third of the processor time of a full read went into looking (decision 0050)."""

SWITCH_AFTER_S: Final = 0.0005
"""Python lets a thread that computes go on for 5 ms while another waits to: so long would a live
pass wait after each answer that it gets beside a bulk pass (decision 0064)."""

_WAIT_FOR_REDIS_S: Final = 2.0


def main(argv: list[str] | None = None) -> int:
    """Run one worker process until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m worker.runtime.process")
    parser.add_argument("kind", choices=["events", "routers"])
    parser.add_argument("--parent", type=int, help="end when this process is no longer our parent")
    parser.add_argument(
        "--again", action="store_true", help="one was let in before: wait for a Redis that refuses"
    )
    parser.add_argument("--pool", help="Celery pool in place of the measured choice")
    parser.add_argument("--concurrency", type=int, help="slots in place of the measured choice")
    options = parser.parse_args(argv)
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_AFTER_S)
    try:
        settings = Settings.load(environment())
        configure_logging(settings)
        for failed_check in settings.doubts:
            log.warning("setting.unsafe", message=failed_check)
        pool = [*("-P", options.pool), *("-c", str(options.concurrency or 1))]
        try:
            return run(
                options.kind,
                settings,
                options.parent,
                pool if options.pool else None,
                again=options.again,
            )
        except StoreRefused as error:
            raise ConfigurationError(settings.refusal(error.message, error.advice)) from error
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return EXIT_CONFIGURATION


def _inventory(settings: Settings, kind: str) -> Inventory:
    inventory = load_inventory(settings.inventory, on_secret=hide_secret)
    exposed = {str(each.password_file) for each in inventory.routers.values() if each.is_exposed}
    if exposed and kind == "routers":
        log.warning("secrets.readable_by_all", files=sorted(exposed), advice="chmod o= them")
    return inventory


def run(
    kind: str,
    settings: Settings,
    parent: int | None,
    pool: Sequence[str] | None = None,
    *,
    again: bool = False,
) -> int:
    """Put the parts together and hand over to Celery.

    Args:
        kind: `events` or `routers`.
        settings: of this process.
        parent: the supervisor's process id; without it this process ends itself.
        pool: Celery's arguments for another pool than the measured choice.
        again: one was let in by Redis before: what refuses now is being mended.

    Raises:
        ConfigurationError: something is wrong that only a person can mend.
        StoreRefused: Redis refuses us, at a first start.
    """
    inventory = _inventory(settings, kind)
    login = settings.redis_login
    client = connect(settings.redis_url, **login)
    store = open_store(client, settings.key_prefix, round(settings.router_lock_s * 1000))

    def orphaned() -> bool:
        return parent is not None and os.getppid() != parent

    def outdated() -> bool:
        with suppress(OSError):  # the file is being replaced
            return settings.redis_login != login
        return False

    if not _wait_for(store, inventory, orphaned, outdated=outdated if again else None):
        return 0
    guard_queues()
    app = make_app(settings)
    policies = {name: router.policy for name, router in inventory.routers.items()}
    sessions = Sessions(inventory, settings)
    waiting_ms = round(settings.waiting_alert_s * 1000)
    maintenance = Maintenance(store, canary_sender(app), waiting_ms, policies)
    report_every_ms = round(settings.report_every_s * 1000)

    name = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    has_come = arriving(store, name, policies if kind == "routers" else ())

    def look() -> None:
        has_come()
        maintenance.look()
        store.sources.save_known(inventory.sources)
        store.full_reads.ask(policies, report_every_ms)

    bulk_threads = ThreadPoolExecutor(settings.router_threads, "bulk")
    bulk = Bulk(lambda work: bulk_threads.submit(guarded(names.TASK_CONVERGE, work)))
    accept = Accept(store, inventory.sources, policies, inventory.brake)
    register(
        app,
        accept,
        Converge(
            store,
            sessions,
            policies,
            PassLimits(
                batch_services=settings.batch_services,
                time_box_s=settings.pass_time_box_s,
                back_off=BackOff(
                    settings.backoff_first_s, settings.backoff_cap_s, settings.blocked_retry_s
                ),
                time_limits=TimeLimits(
                    recheck_ms=round(settings.router_recheck_s * 1000),
                    alert_ms=waiting_ms,
                ),
                report_every_ms=report_every_ms,
            ),
            ConcurrencyLimiter(settings.router_threads),
            bulk,
        ),
        maintenance.arrived,
    )
    sweep = Sweep(
        store,
        round(settings.journal_grace_s * 1000),
        name,
        orphaned,
        release=lambda: release_due(accept),
        look=look,
        outdated=outdated,
        came_back=partial(store.check_kinds, inventory.routers, inventory.sources),
    )
    sweep.start()
    queues, slots = _share(kind, settings)
    keys = [settings.key_prefix + queue for queue in queues]
    Watchdog(client, keys, slots, settings.worker_silent_s).start()
    watching = _sessions_to_watch(inventory, settings)
    rounds = _rounds(store, inventory, settings, name, watching)
    if kind == "routers":
        for each in rounds:
            each.start()
    worker_shutting_down.connect(lambda **_: bulk.end(), weak=False)
    log.info("worker.started", kind=kind, worker=name, **settings.describe())
    app.worker_main(_celery_arguments(kind, settings, name, pool))
    bulk_threads.shutdown(cancel_futures=True)
    sweep.stop()
    for each in rounds:
        each.stop()
    sessions.close_all()
    watching.close_all()
    log.info("worker.stopped", kind=kind, worker=name)
    return 0


def _sessions_to_watch(inventory: Inventory, settings: Settings) -> Sessions:
    """Sessions of the watch alone, kept until its next round."""
    kept_s = max(settings.idle_session_s, 2 * settings.watch_every_s)
    return Sessions(inventory, settings.model_copy(update={"idle_session_s": kept_s}))


def _rounds(
    store: Store, inventory: Inventory, settings: Settings, name: str, watching: Sessions
) -> list[Rounds]:
    """What a worker of routers does now and then beside its tasks; not started yet."""
    policies = {router: config.policy for router, config in inventory.routers.items()}
    check = DeviceOnlineCheck(store, RowObserver(inventory, settings).look)
    targets = list(inventory.alerts.values())
    tell = AlertNotifier(store, targets, inventory.installation, send, name, inventory.behind)
    every_s, ignoring = settings.watch_every_s, inventory.ignoring
    watch = Watch(store, watching, policies, every_s, ignoring=ignoring)
    return [
        Rounds("device-online", check.once, settings.device_online_every_s),
        Rounds("notifications", tell.once, settings.alerts_every_s),
        Rounds("watch", watch.once, ROUND_S),
    ]


def _share(kind: str, settings: Settings) -> tuple[list[str], int]:
    """The queues that a kind of worker takes from, and how many tasks it runs at once."""
    if kind == "events":
        return [names.QUEUE_EVENTS, names.QUEUE_BULK], 1
    return [names.QUEUE_ROUTERS], settings.router_threads


def _celery_arguments(
    kind: str, settings: Settings, name: str, pool: Sequence[str] | None
) -> list[str]:
    queues, slots = _share(kind, settings)
    solo = ["-P", "solo", "--prefetch-multiplier", "16"]
    measured = solo if kind == "events" else ["-P", "threads", "-c", str(slots)]
    # Gossip and mingle ask other workers at each start; nothing here needs their answer.
    quiet = ["--without-gossip", "--without-mingle"]
    parts = ["-n", name.replace(":", "-"), "-Q", ",".join(queues), *(pool or measured), *quiet]
    return ["--quiet", "worker", *parts]  # its banner is no log line


def _wait_for(
    store: Store,
    inventory: Inventory,
    orphaned: Callable[[], bool],
    outdated: Callable[[], bool] | None,
) -> bool:
    """Wait for Redis for as long as it takes, then see that it is ours and keeps what it gets.

    Args:
        store: the store.
        inventory: whose it should be.
        orphaned: says whether the supervisor is gone: nobody wants this worker any more.
        outdated: says whether the login is another by now: to be read by a new process. None: do
            not wait for a Redis that refuses us.

    Returns:
        False when this process is to end.

    Raises:
        StoreRefused: Redis refuses us.
    """
    notified = None
    while True:
        try:
            store.check_server()
            store.bind_installation(inventory.installation)
            store.check_queues()
            store.check_kinds(inventory.routers, inventory.sources)
        except StoreUnavailable as error:
            refused = isinstance(error, StoreRefused)
            if refused and outdated is None:
                raise
            if notified is not type(error):
                log_unavailable(error, "start", "waiting for Redis")
            notified = type(error)
            if orphaned() or (refused and outdated is not None and outdated()):
                return False
            time.sleep(_WAIT_FOR_REDIS_S)  # nothing else to do before the first connection
        else:
            return True


if __name__ == "__main__":
    sys.exit(main())
