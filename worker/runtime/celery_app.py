"""The workers' Celery app: every setting with its reason."""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging
from kombu.entity import Queue
from kombu.transport import TRANSPORT_ALIASES

from contracts import names
from contracts.broker import broker_transport_options, broker_url
from worker.log_setup import celery_receiver
from worker.settings import Settings

VISIBILITY_TIMEOUT_S: Final = 300
"""Longer than the longest task: a pass ends by its time box, an accept task by its rounds."""


def guard_queues() -> None:
    """Let this process read queues so that entries that are no messages do not end it.

    kombu's table of transports is one a process: for worker processes only.
    """
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "worker.runtime.transport:Transport"


def make_app(settings: Settings) -> Celery:
    """The app of a worker process; tasks are registered by `worker/runtime/tasks.py`."""
    # A receiver of this signal keeps Celery from configuring any logging itself.
    setup_logging.connect(celery_receiver(settings), weak=False)
    app = Celery("leasewire", set_as_current=False)
    app.conf.update(celery_settings(settings))
    return app


def celery_settings(settings: Settings) -> Mapping[str, Any]:
    """Celery's settings; what is unsafe by default is set here."""
    return {
        "broker_url": broker_url(settings.redis_url, **settings.redis_login),
        "broker_transport_options": broker_transport_options(settings.key_prefix)
        | {
            # What a killed worker held comes back after this, not after an hour. No ETA is used,
            # so it need not be longer than a task.
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            # Looked for each 5 s. The default is each 100 s, whatever the timeout says.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # A half-open connection is found within half a minute.
            "health_check_interval": 10,
            # Queues in the order in which they are named: `bulk` only while `events` is empty.
            "queue_order_strategy": "priority",
        },
        # Wait for Redis for ever: at the start, and after it was lost.
        "broker_connection_retry_on_startup": True,
        "broker_connection_retry": True,
        "broker_connection_max_retries": None,
        # JSON only, in and out: a message must not be able to run code.
        "task_serializer": "json",
        "accept_content": ["json"],
        # What became of an event is in the store; a result backend would say it twice.
        "task_ignore_result": True,
        "result_backend": None,
        # Acknowledged after it ran: a killed worker's message comes back.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # A failed task is acknowledged: its events are in the journal, its router keeps its marks.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # Time limits have no effect in threads and in the solo pool: tasks bound themselves.
        # Well above the number of slots: acknowledgements that fail while Redis is away leak
        # credits, and with one a slot the worker would fall silent.
        "worker_prefetch_multiplier": 4,
        # Its pub/sub connection is what notices a lost Redis.
        "worker_enable_remote_control": True,
        # Celery's own events cost 40 % of the rate; the log and the store tell what happens.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # A half-done router call must not be cancelled: writes are read back by the next pass.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # The log pipeline is ours, and print is not a log.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Only the queues that are named, none made by a typing error.
        "task_create_missing_queues": False,
        "task_queues": [
            Queue(name)  # type: ignore[no-untyped-call]  # half of kombu is typed
            for name in (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS)
        ],
        "task_default_queue": names.QUEUE_EVENTS,
    }
