"""The parts of a worker process, put together: tasks, sweep, watchdog, and periodic threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog
from celery import Celery
from celery.signals import worker_shutting_down

from contracts import names
from worker.compute_gate import ComputeGate
from worker.convergence.concurrency import Bulk, ConcurrencyLimiter, PassLimits, TimeLimits
from worker.convergence.router_pass import NEXT_AFTER_S, Converge
from worker.core.policy.circuit import BackOff
from worker.intake.accept import Accept
from worker.inventory import Inventory
from worker.routeros.sessions import AnswerCollector, Sessions
from worker.runtime.sweep import Sweep
from worker.runtime.tasks import canary_sender, guarded, register, release_due
from worker.runtime.watchdog import Watchdog
from worker.settings import Settings
from worker.store.heartbeat import Heartbeat, this_process
from worker.store.store import Store
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import send
from worker.watching.effects import EffectReader
from worker.watching.maintenance import Maintenance, inventory_announcement
from worker.watching.periodic_thread import PeriodicThread
from worker.watching.unknown_devices import ROUND_S, Watch

log = structlog.get_logger()

ANSWERS_EVERY_S: Final = 30.0
"""How often it is stored how long routers took to answer."""


def queues_and_slots(kind: str, settings: Settings) -> tuple[list[str], int]:
    """Return the queues that a kind of worker serves, and how many tasks it runs at once."""
    if kind == "events":
        return [names.QUEUE_EVENTS, names.QUEUE_BULK], 1
    return [names.QUEUE_ROUTERS], settings.router_threads


class WorkerParts:
    """Makes, starts and stops the parts of a worker process, `events` or `routers`."""

    def __init__(self, kind: str, settings: Settings, inventory: Inventory, store: Store) -> None:
        self._heartbeat = Heartbeat(store.heartbeats, this_process(kind))
        self.name = self._heartbeat.process.name
        self._kind = kind
        self._settings = settings
        self._inventory = inventory
        self._store = store
        self._policies = inventory.policies
        self._report_every_ms = round(settings.report_every_s * 1000)
        self._answers = AnswerCollector()
        self._sessions = Sessions(inventory, settings, self._answers)
        # Sessions of the watch alone; each is kept until the watch reads its router again.
        kept_s = max(settings.idle_session_s, 2 * settings.watch_every_s)
        self._watch_sessions = Sessions(
            inventory, settings.model_copy(update={"idle_session_s": kept_s}), self._answers
        )
        self._gate = ComputeGate(time_limit_s=NEXT_AFTER_S)
        self._bulk_threads = ThreadPoolExecutor(settings.router_threads, "bulk")
        self._bulk = Bulk(
            lambda work: self._bulk_threads.submit(guarded(names.TASK_CONVERGE, work))
        )
        self._accept = Accept(
            store, inventory.sources, self._policies, inventory.brake, pools=inventory.pools
        )
        self._announce_inventory = inventory_announcement(
            store, self.name, self._policies if kind == "routers" else ()
        )
        self._threads: list[PeriodicThread] = []

    def register_tasks(self, app: Celery) -> None:
        """Register the Celery tasks, and make the maintenance, which sends messages itself."""
        self._maintenance = Maintenance(
            self._store,
            canary_sender(app),
            round(self._settings.waiting_alert_s * 1000),
            self._policies,
            self._inventory.pools,
        )
        register(app, self._accept, self._converge(), self._maintenance.arrived)

    def start(self, orphaned: Callable[[], bool], login_changed: Callable[[], bool]) -> None:
        """Start all threads.

        They end the process when it is `orphaned`, or when Redis refuses a login that changed.
        """
        settings, store = self._settings, self._store
        self._sweep = Sweep(
            store,
            round(settings.journal_grace_s * 1000),
            self._heartbeat,
            orphaned,
            release=lambda: release_due(self._accept),
            maintain=self._maintain,
            login_changed=login_changed,
            check_keys=partial(store.check_kinds, self._inventory.routers, self._inventory.sources),
        )
        self._sweep.start()
        queues, slots = queues_and_slots(self._kind, settings)
        keys = [settings.key_prefix + queue for queue in queues]
        Watchdog(store.client, keys, slots, settings.worker_silent_s).start()
        if self._kind == "routers":
            self._threads = self._periodic_threads()
        for thread in self._threads:
            thread.start()
        worker_shutting_down.connect(lambda **_: self._bulk.end(), weak=False)
        log.info("worker.started", kind=self._kind, worker=self.name, **settings.describe())

    def stop(self) -> None:
        """Stop the threads and close the sessions; Celery has stopped before."""
        self._bulk_threads.shutdown(cancel_futures=True)
        self._sweep.stop()
        for thread in self._threads:
            thread.stop()
        self._sessions.close_all()
        self._watch_sessions.close_all()
        log.info("worker.stopped", kind=self._kind, worker=self.name)

    def _converge(self) -> Converge:
        settings = self._settings
        limits = PassLimits(
            batch_services=settings.batch_services,
            time_box_s=settings.pass_time_box_s,
            back_off=BackOff(
                settings.backoff_first_s, settings.backoff_cap_s, settings.blocked_retry_s
            ),
            time_limits=TimeLimits(
                recheck_ms=round(settings.router_recheck_s * 1000),
                alert_ms=round(settings.waiting_alert_s * 1000),
            ),
            report_every_ms=self._report_every_ms,
        )
        limiter = ConcurrencyLimiter(settings.router_threads)
        return Converge(
            self._store,
            self._sessions,
            self._policies,
            limits,
            limiter,
            self._bulk,
            self._gate,
            pools=self._inventory.pools,
        )

    def _maintain(self) -> None:
        self._announce_inventory()
        self._maintenance.check()
        self._store.sources.save_known(self._inventory.sources)
        self._store.full_reads.ask(self._policies, self._report_every_ms)

    def _periodic_threads(self) -> list[PeriodicThread]:
        settings, inventory, store = self._settings, self._inventory, self._store
        effects = EffectReader(store, self._watch_sessions, self._policies, self._gate)
        notifier = AlertNotifier(
            store,
            list(inventory.alerts.values()),
            inventory.installation,
            send,
            store.signs.id,
            inventory.behind,
        )
        watch = Watch(
            store,
            self._watch_sessions,
            self._policies,
            settings.watch_every_s,
            ignoring=inventory.ignoring,
        )
        note = store.samples.note_answers
        return [
            PeriodicThread("effects", effects.once, settings.effects_every_s),
            PeriodicThread("notifications", notifier.once, settings.alerts_every_s),
            PeriodicThread("watch", watch.once, ROUND_S),
            PeriodicThread("answers", partial(self._answers.store, note), ANSWERS_EVERY_S),
        ]
