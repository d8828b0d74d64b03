"""The connection to Redis, and its failures as one verdict."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis import exceptions

from worker.errors import StoreUnavailable

_PASSING = ("MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "UNBLOCKED", "OOM")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what only time or an operator can mend into `StoreUnavailable`; the rest is a bug."""
    try:
        yield
    except (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        exceptions.ReadOnlyError,
        exceptions.OutOfMemoryError,
    ) as error:
        raise StoreUnavailable(str(error)) from error
    except exceptions.ResponseError as error:
        if str(error).startswith(_PASSING):
            raise StoreUnavailable(str(error)) from error
        raise


def connect(
    url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    socket_timeout_s: float = 30.0,
    connect_timeout_s: float = 5.0,
) -> redis.Redis:
    """A client with texts decoded and with limits on every wait."""
    # A Unix socket knows neither a connect timeout nor keepalive, and redis-py says so by a crash.
    of_tcp = {"socket_connect_timeout": connect_timeout_s, "socket_keepalive": True}
    return redis.Redis.from_url(
        url,
        username=username,
        password=password,
        decode_responses=True,
        socket_timeout=socket_timeout_s,
        health_check_interval=30,
        **({} if url.startswith("unix:") else of_tcp),
    )
