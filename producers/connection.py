"""Connections for who only publishes: to Redis, and a Celery app without a worker.

Who calls it: the command and other composition roots; a process makes its own after a fork.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Unpack

from celery import Celery
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from contracts.broker import RedisLogin, broker_transport_options, broker_url
from contracts.names import DEFAULT_PREFIX
from producers.celery_transport import CeleryTransport
from producers.publisher import Publisher


def make_app(
    redis_url: str,
    *,
    prefix: str = DEFAULT_PREFIX,
    **login: Unpack[RedisLogin],
) -> Celery:
    """Make a Celery app that only publishes: JSON, no results, bounded waits.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, without user and password.
        prefix: before every key; the workers' must be the same.
        login: user, password and authority, where there are such.
    """
    app = Celery("leasewire-publisher", set_as_current=False)
    app.conf.update(
        broker_url=broker_url(redis_url, **login),
        broker_transport_options=broker_transport_options(prefix) | {"socket_timeout": 10},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A message is only the fast path: give up soon, the events are in the journal.
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
    )
    return app


def open_publisher(
    redis_url: str,
    *,
    clock: Callable[[], datetime],
    prefix: str = DEFAULT_PREFIX,
    **login: Unpack[RedisLogin],
) -> Publisher:
    """Make a publisher with connections of its own; nothing is connected until it publishes.

    Args:
        redis_url: as for `make_app`.
        clock: gives the time, aware.
        prefix: as for `make_app`.
        login: as for `make_app`.
    """
    # A Unix socket knows no keepalive, and redis-py refuses to be told of it.
    tcp_only = {} if redis_url.startswith("unix:") else {"socket_keepalive": True}
    client = Redis.from_url(
        redis_url,
        username=login.get("username"),
        password=login.get("password"),
        decode_responses=True,
        socket_timeout=10,
        socket_connect_timeout=5,
        **tcp_only,
        **({"ssl_ca_certs": login["ca_file"]} if login.get("ca_file") else {}),
        # Over within a second when nobody listens: whoever publishes can wait better than we.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3),
    )
    app = make_app(redis_url, prefix=prefix, **login)
    return Publisher(CeleryTransport(client, app, prefix=prefix), clock=clock)
