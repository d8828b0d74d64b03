"""Connects a publisher to the workers' Redis."""

from collections.abc import Callable
from datetime import datetime
from typing import Unpack

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from contracts.broker import RedisLogin
from contracts.names import DEFAULT_PREFIX
from producers.endpoints import REDIS_OPTIONS
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher


def open_publisher(
    redis_url: str,
    *,
    clock: Callable[[], datetime],
    prefix: str = DEFAULT_PREFIX,
    **login: Unpack[RedisLogin],
) -> Publisher:
    """Make a publisher with its own connections. It connects when it first publishes.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, without user and password.
        clock: returns the time, with a time zone.
        prefix: first part of every key; must be the workers' `LEASEWIRE_KEY_PREFIX`.
        login: user, password and certificate authority, where they are needed.
    """
    # redis-py rejects the keepalive option for Unix sockets.
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
        # Gives up within a second when nothing listens: the caller can wait better than we can.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3),
    )
    return Publisher(JournalTransport(client, prefix=prefix), clock=clock)
