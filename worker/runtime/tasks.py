"""The Celery tasks: thin, without a business decision."""

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
"""So a sweep stays short, and what is due on the first of a month takes seconds."""


def canary_sender(app: Celery) -> Callable[[str], None]:
    """Sends a message through a queue, to see whether it is taken."""

    def send(queue: str) -> None:
        try:
            app.send_task(names.TASK_CANARY, args=[queue], queue=queue, ignore_result=True)
        except OperationalError as error:
            log.warning("canary.failed", queue=queue, reason=str(error), advice="another follows")

    return send


def register(
    app: Celery,
    accept: Accept,
    converge: Converge,
    arrived: Callable[[str], None] = lambda _: None,
) -> None:
    """Register the tasks with what they work with.

    Args:
        app: of this process.
        accept: folds events.
        converge: makes routers match.
        arrived: told of each canary, with its queue.
    """

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
        for lane in names.LANES:  # while it waited in the queue the sweep rang for nothing there
            if queue == lane:
                accept.run([], lane)

    for name, task in zip(names.TASKS, (accept_task, converge_task, canary_task), strict=True):
        # Arguments are checked by us, with a dead letter: Celery would only log a TypeError.
        app.task(name=name, typing=False)(guarded(name, task))


def release_due(accept: Accept) -> None:
    """Let scheduled events take effect whose time has come; called by the sweep.

    Manifests whose time is over are given up too. A scheduled event that cannot be folded, which
    is a bug, holds up no other: it is tried again by itself.

    Raises:
        StoreUnavailable: Redis does not answer; they are handed out again.
    """
    accept.expire_manifests()
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
    """The events and the lane of a message; no lane when the arguments are not ours."""
    lane = args[1] if len(args) > 1 else names.QUEUE_EVENTS
    if args and isinstance(args[0], list) and len(args) <= 2 and not kwargs:  # noqa: PLR2004
        for known in names.LANES:
            if lane == known and len(args[0]) <= names.MAX_EVENTS_PER_MESSAGE:
                return args[0], known
    return [], None


def log_unavailable(error: StoreUnavailable, task: str, advice: str = "") -> None:
    """Log that the store does not serve us; loudly, where only a person can mend it.

    Args:
        error: what it said.
        task: who asked.
        advice: what is done about one that is away.
    """
    if isinstance(error, StoreRefused):
        log.error("store.refused", task=task, reason=error.message, advice=error.advice)
    else:
        more = {"advice": advice} if advice else {}
        log.warning("store.unavailable", task=task, reason=str(error), **more)


def guarded(name: str, task: Callable[..., None]) -> Callable[..., None]:
    """The one place where what nobody expected ends: told with its traceback, and the worker lives.

    Nothing is lost by it: events stay in the journal, marks stay with their routers.
    """

    def run(*args: object, **kwargs: object) -> None:
        try:
            task(*args, **kwargs)
        except StoreUnavailable as error:
            log_unavailable(error, name)
        except Exception:
            log.exception("task.failed", task=name, advice="a bug: please report this traceback")

    return run
