"""Connections for who only publishes."""

from collections.abc import Callable
from datetime import datetime
from typing import Unpack

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from contracts.broker import RedisLogin
from contracts.names import DEFAULT_PREFIX
from producers.authorities import REDIS_OPTIONS
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher


def open_publisher(
    redis_url: str,
    *,
    clock: Callable[[], datetime],
    prefix: str = DEFAULT_PREFIX,
    **login: Unpack[RedisLogin],
) -> Publisher:
    """Make a publisher with connections of its own; nothing is connected until it publishes.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, without user and password.
        clock: gives the time, aware.
        prefix: before every key; the workers' must be the same.
        login: user, password and authority, where there are such.
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
        **({"ssl_ca_certs": login["ca_file"], **REDIS_OPTIONS} if login.get("ca_file") else {}),
        # Over within a second when nobody listens: whoever publishes can wait better than we.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3),
    )
    return Publisher(JournalTransport(client, prefix=prefix), clock=clock)
