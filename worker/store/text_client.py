"""redis-py's client with the answers that ours gives: texts, and none to wait for."""

# Its own types leave both open.
# mypy: disable-error-code="assignment"

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import redis

_Entries = list[tuple[str, dict[str, str]]]


class TextClient(redis.Redis):
    """Says what the commands answer by which the store reads."""

    get: Callable[[str], str | None]
    mget: Callable[[Iterable[str]], list[str | None]]
    hget: Callable[[str, str], str | None]
    hmget: Callable[[str, Collection[str]], list[str | None]]
    hgetall: Callable[[str], dict[str, str]]
    hkeys: Callable[[str], list[str]]
    hvals: Callable[[str], list[str]]
    hscan_iter: Callable[..., Iterator[tuple[str, str]]]
    scan: Callable[..., tuple[int, list[str]]]
    sscan: Callable[..., tuple[int, list[str]]]
    smembers: Callable[[str], set[str]]
    lrange: Callable[[str, int, int], list[str]]
    zscan_iter: Callable[..., Iterator[tuple[str, float]]]
    zrange: Callable[..., list[Any]]
    zrevrange: Callable[[str, int, int], list[str]]
    zrangebyscore: Callable[..., list[Any]]
    zrangebylex: Callable[[str, str, str], list[str]]
    xrange: Callable[..., _Entries]
    xrevrange: Callable[..., _Entries]
