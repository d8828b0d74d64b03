"""The Celery tasks. They decide nothing; intake and convergence do."""

from collections.abc import Callable
from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from contracts import names
from worker.convergence.router_pass import Converge
from worker.errors import StoreRefused, StoreUnavailable
from worker.intake.accept import Accept

log = structlog.get_logger()

_RELEASES: Final = 20
_RELEASED_AT_ONCE: Final = 100
"""Keeps a sweep short; the many events of the first of a month take some seconds."""


def canary_sender(app: Celery) -> Callable[[str], None]:
    """Return a function that sends a canary through a queue, to see whether a worker takes it."""

    def send(queue: str) -> None:
        try:
            app.send_task(names.TASK_CANARY, args=[queue], queue=queue, ignore_result=True)
        except OperationalError as error:
            log.warning(
                "canary.failed",
                queue=queue,
                reason=str(error),
                advice="the next canary is sent in a moment",
            )

    return send


def register(
    app: Celery,
    accept: Accept,
    converge: Converge,
    arrived: Callable[[str], None] = lambda _: None,
) -> None:
    """Register the tasks; `arrived` is called with the queue of each canary that arrives."""

    def accept_task(*args: object, **kwargs: object) -> None:
        events, lane = _arguments(args, kwargs)
        if lane is None:
            accept.refuse_message({"args": args, "kwargs": kwargs})
        else:
            accept.run(events, lane)

    def converge_task(*args: object, **kwargs: object) -> None:
        if len(args) == 1 and isinstance(args[0], str) and not kwargs:
            converge.run(args[0])
        else:
            log.error(
                "message.refused", task=names.TASK_CONVERGE, reason="one router name expected"
            )

    def canary_task(*args: object, **_: object) -> None:
        queue = args[0] if args else None
        if queue in (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS):
            arrived(str(queue))
        for lane in names.LANES:  # while the canary waited, the sweep sent no notification there
            if queue == lane:
                accept.run([], lane)

    for name, task in zip(names.TASKS, (accept_task, converge_task, canary_task), strict=True):
        # We check the arguments and keep a dead letter; Celery would only log a TypeError.
        app.task(name=name, typing=False)(guarded(name, task))


def release_due(accept: Accept) -> None:
    """Release the scheduled events that are due, expire old manifests, assign freed addresses.

    A scheduled event that cannot be folded, which is a bug, is tried again by itself and does not
    delay the others.

    Raises:
        StoreUnavailable: Redis does not answer; the events are taken again later.
    """
    accept.expire_manifests()
    accept.assign_waiting()
    for _ in range(_RELEASES):
        services = accept.store.schedule.take(_RELEASED_AT_ONCE)
        if not services:
            return
        if not _released(accept, services):
            for service in services:
                _released(accept, [service])


def _released(accept: Accept, services: list[str]) -> bool:
    try:
        accept.release(services)
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("schedule.release_failed", services=services, advice="a bug: please report")
        return False
    return True


def _arguments(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[list[object], names.Lane | None]:
    """Return events and lane of a message; no lane if these are not our arguments."""
    lane = args[1] if len(args) > 1 else names.QUEUE_EVENTS
    if args and isinstance(args[0], list) and len(args) <= 2 and not kwargs:  # noqa: PLR2004
        for known_lane in names.LANES:
            if lane == known_lane and len(args[0]) <= names.MAX_EVENTS_PER_MESSAGE:
                return args[0], known_lane
    return [], None


def log_unavailable(error: StoreUnavailable, task: str, advice: str = "") -> None:
    """Log that Redis is unavailable; as an error if only a person can repair it.

    `advice` is what happens until Redis is back.
    """
    if isinstance(error, StoreRefused):
        log.error("store.refused", task=task, reason=error.message, advice=error.advice)
    else:
        more = {"advice": advice} if advice else {}
        log.warning("store.unavailable", task=task, reason=str(error), **more)


def guarded(name: str, task: Callable[..., None]) -> Callable[..., None]:
    """Wrap a task so that an unexpected exception is logged and the worker goes on.

    Nothing is lost by it: events stay in the journal, work items in the store.
    """

    def run(*args: object, **kwargs: object) -> None:
        try:
            task(*args, **kwargs)
        except StoreUnavailable as error:
            log_unavailable(error, name)
        except Exception:
            log.exception("task.failed", task=name, advice="a bug: please report this traceback")

    return run
