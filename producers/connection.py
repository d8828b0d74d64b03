"""Connects a publisher to the workers' Redis."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Unpack

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from contracts.broker import AskedByThreads, RedisLogin, sentinel_place
from contracts.names import DEFAULT_PREFIX
from contracts.sealing import Sealer
from producers.accepted import AcceptedInMemory, AcceptedInSpool
from producers.endpoints import REDIS_OPTIONS
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from producers.resend import Resend
from producers.spool import Spool
from producers.transport import CompleteEvent

ANSWER_S: Final = 10.0
"""How long Redis may take to answer: a person may wait for it, or a monitoring system."""
RESEND_S: Final = 30.0
"""Longer than a primary without replicas takes writes (`min-replicas-max-lag`), and a failover."""


class _Sentinels(AskedByThreads, Sentinel):
    """A thread of the publisher asks them too (`resend.py`)."""


def open_publisher(  # noqa: PLR0913 - each has a default
    redis_url: str,
    *,
    clock: Callable[[], datetime],
    prefix: str = DEFAULT_PREFIX,
    min_replicas: int = 0,
    resend_s: float = RESEND_S,
    spool: Spool | None = None,
    prove: Callable[[CompleteEvent], CompleteEvent] | None = None,
    sealer: Sealer | None = None,
    **login: Unpack[RedisLogin],
) -> Publisher:
    """Make a publisher with its own connections. It connects when it first publishes.

    Args:
        redis_url: `redis://`, `rediss://`, `unix://`, `sentinel://` or `sentinels://`, as in
            `LEASEWIRE_REDIS_URL`, without user and password.
        clock: returns the time, with a time zone.
        prefix: first part of every key; must be the workers' `LEASEWIRE_KEY_PREFIX`.
        min_replicas: an event counts as published once so many replicas of Redis have it too.
        resend_s: for so long an accepted event is remembered, to be sent again if a failover loses
            it; 0: not at all.
        prove: adds to an event of an operator the proof that workers ask for.
        spool: keeps events while Redis is unavailable, and remembers accepted ones over a crash.
        sealer: seals the passwords in events; without one they are refused.
        login: user, password and certificate authority, where they are needed.
    """
    trusts = {"ssl_ca_certs": login["ca_file"], **REDIS_OPTIONS} if login.get("ca_file") else {}
    options: dict[str, Any] = {
        "username": login.get("username"),
        "password": login.get("password"),
        "decode_responses": True,
        "socket_timeout": ANSWER_S,
        "socket_connect_timeout": 5,
        # redis-py rejects the keepalive option for Unix sockets.
        **({} if redis_url.startswith("unix:") else {"socket_keepalive": True}),
        **trusts,
        # Gives up within a second when nothing listens: the caller can wait better than we can.
        # A Redis that does not answer is not asked again: each time would take as long.
        "retry": Retry(
            ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3, (RedisConnectionError,)
        ),
    }
    place = sentinel_place(redis_url)
    if place is None:
        client = Redis.from_url(redis_url, **options)
    else:
        of_sentinel = place.sentinel_options(login) | (trusts if place.tls else {})
        of_sentinel["retry"] = Retry(NoBackoff(), 0)  # the next Sentinel is asked instead
        sentinel: Any = _Sentinels(place.sentinels, sentinel_kwargs=of_sentinel)  # type: ignore[no-untyped-call]
        # A command that redis-py repeats goes to the former address again.
        options |= {"db": place.database, "ssl": place.tls, "retry": Retry(NoBackoff(), 0)}
        client = sentinel.master_for(place.primary, **options)
    accepted = AcceptedInSpool(spool) if spool is not None else AcceptedInMemory()
    resend = Resend(client, accepted, prefix=prefix, keep_s=resend_s) if resend_s else None
    transport = JournalTransport(
        client, prefix=prefix, min_replicas=min_replicas, resend=resend, prove=prove
    )
    return Publisher(transport, clock=clock, spool=spool, sealer=sealer)
