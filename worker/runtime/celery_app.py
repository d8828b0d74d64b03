"""The workers' Celery app: every setting with its reason."""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import setup_logging
from celery.worker.state import maybe_shutdown
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.transport import TRANSPORT_ALIASES
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts import names
from contracts.broker import broker_tls, broker_transport_options, broker_url
from worker.log_setup import configure_logging
from worker.settings import Settings

VISIBILITY_TIMEOUT_S: Final = 300
"""Longer than the longest task: a pass has a time box, an accept task a number of rounds."""


_TRIES_AGAIN: Final = {"interval_start": 1.0, "interval_step": 0.5, "interval_max": 4.0}
"""Seconds between two attempts to connect."""


class _Connection(Connection):
    """kombu would wait up to 30 s while Redis is back, and longer after each failed attempt.

    When something is sent it would go on even in a process that was told to end.
    """

    def ensure_connection(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - kombu's signature
        """Connect, again and again."""
        return super().ensure_connection(*given, **_TRIES_AGAIN, **more)  # type: ignore[no-untyped-call]

    def _ensure_connection(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - kombu's signature
        return super()._ensure_connection(*given, **{"callback": maybe_shutdown, **more})  # type: ignore[no-untyped-call]


class _Amqp(AMQP):  # type: ignore[misc]  # Celery has no types
    Connection = _Connection


def guard_queues() -> None:
    """Replace kombu's Redis transport by ours, which survives entries that are no messages.

    kombu has one table of transports for the whole process, so only worker processes do this.
    """
    module = f"{__package__}.transport"
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{module}:Transport"
    TRANSPORT_ALIASES["sentinel"] = f"{module}:SentinelTransport"


def make_app(settings: Settings) -> Celery:
    """Make the app of a worker process; `tasks.register` adds the tasks."""
    # A receiver of this signal keeps Celery from configuring any logging itself.
    setup_logging.connect(lambda **_: configure_logging(settings), weak=False)
    app = Celery("leasewire", amqp=_Amqp, set_as_current=False)
    app.conf.update(celery_settings(settings))
    return app


def celery_settings(settings: Settings) -> Mapping[str, Any]:
    """Return Celery's settings; unsafe defaults are replaced here."""
    transport = broker_transport_options(
        settings.key_prefix, settings.redis_url, **settings.redis_login
    )
    if "sentinel_kwargs" in transport:
        # redis-py would ask a Sentinel that does not answer three times more, with pauses.
        transport["sentinel_kwargs"]["retry"] = Retry(NoBackoff(), 0)
    return {
        "broker_url": broker_url(settings.redis_url, **settings.redis_login),
        "broker_use_ssl": broker_tls(settings.redis_url, **settings.redis_login),
        "broker_transport_options": transport
        | {
            # Messages of a killed worker return after this, not after an hour. We use no ETA, so it
            # need not be longer than a task.
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            # Check for such messages every 5 s. The default is 100 s, whatever the timeout.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # Finds a half-open connection within half a minute.
            "health_check_interval": 10,
            # Queues in the given order: `bulk` only while `events` is empty.
            "queue_order_strategy": "priority",
        },
        # Wait for Redis without a limit, at the start and after it was lost.
        "broker_connection_retry_on_startup": True,
        "broker_connection_retry": True,
        "broker_connection_max_retries": None,
        # JSON only: a message must not be able to run code.
        "task_serializer": "json",
        "accept_content": ["json"],
        # Outcomes are in the store; a result backend would keep them twice.
        "task_ignore_result": True,
        "result_backend": None,
        # Acknowledge after the task: a killed worker's message returns.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # Acknowledge failed tasks too: events stay in the journal, work items in the store.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # Time limits have no effect in threads and in the solo pool: tasks limit themselves.
        # Well above one a slot: acknowledgements that fail while Redis is away leak credits, and
        # the worker would fall silent.
        "worker_prefetch_multiplier": 4,
        # Its pub/sub connection notices a lost Redis.
        "worker_enable_remote_control": True,
        # Celery's own events cost 40 % of the rate; log and store hold what happens.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # Do not cancel a router call half-way: the next pass reads back what was written.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # We configure logging ourselves, and print is no log.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Only these queues: a typing error must not create one.
        "task_create_missing_queues": False,
        "task_queues": [
            Queue(name)  # type: ignore[no-untyped-call]  # half of kombu is typed
            for name in (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS)
        ],
        "task_default_queue": names.QUEUE_EVENTS,
    }
