"""Backup and restore: all state of an installation as entries of text, copied while workers run.

An entry is text, and not in the server's own format, so that another kind or version of server can
take it. What must never enter it: what the keys mean, but for those that are only true for a
moment.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple, cast

import redis
from redis.client import Pipeline

from contracts import names
from worker.errors import LeasewireError
from worker.store.connection import PAGE, pages, store_errors
from worker.store.keys import Keys
from worker.store.pools import ALL_ROUTERS

_FIELDS: Final = 2_000
"""Fields of one write."""
_PAUSE_S: Final = 10
"""Longest pause of writes, should we die in it."""
_FEW: Final = 2_000
"""So many changed keys are read within a tenth of a second of pause."""
_ROUNDS: Final = 3
"""Each round is shorter than the one before, so fewer keys change meanwhile."""
_PASSING_MS: Final = 600_000
"""A text that lives no longer is a flag or a sign of life: not true any more when put back."""
_CHANGES: Final = "__redis__:invalidate"

UNDER_WAY: Final = "a restore that is not complete"
"""The installation's id during a restore: a worker that starts then reports it, and ends."""

_Untyped = Any
"""What redis-py types by half: a pub/sub connection, a single one."""
OnProgress = Callable[[int], None]
"""Gets the number of further keys that are done."""


class BackupEntry(NamedTuple):
    """One key.

    Attributes:
        key: without the installation's prefix.
        kind: as Redis's TYPE says it; `none`: it is gone, whatever an earlier entry holds.
        value: a text; a list of texts; pairs: of texts (hash), text and score (zset), id and fields
            (stream).
        expires_ms: when it goes (ms since 1970); 0: never.
    """

    key: str
    kind: str
    value: Any
    expires_ms: int


class CopyFailedError(LeasewireError):
    """The copy is of no one moment, and so worth nothing."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: nothing was kept; try again")


def copy(plain: redis.Redis, keys: Keys, on_progress: OnProgress) -> Iterator[BackupEntry]:
    """All keys as they are at one moment, near the end; a later entry of a key replaces an earlier.

    Most is read while workers run. Redis reports which keys change meanwhile, and those are read
    again, as long as they are many; the last few while writes are paused, which takes milliseconds.

    `plain`: a client that reads any bytes: `connect(…, any_bytes=True)`.

    Raises:
        CopyFailedError: Redis may have lost track of what changed, or the pause was too short.
        StoreUnavailable: Redis does not answer.
    """
    # A journal is read only then: putting it back adds to what is there, so it must come once.
    journals = set(_journals(keys))
    changed: set[str] = set()
    with (
        store_errors(),
        closing(cast("_Untyped", plain).pubsub()) as changes,
        closing(cast("_Untyped", plain).client()) as tracking,
    ):
        _listen(changes, tracking, keys.prefix)
        for page in pages(plain.scan_iter(match=f"{keys.prefix}*", count=PAGE)):
            now = [key for key in page if key not in changed and key not in journals]
            yield from _read(plain, keys, now)
            changed |= _notified(changes, timeout=0)
            on_progress(len(page))
        for _ in range(_ROUNDS):
            if len(changed) <= _FEW:
                break
            before, changed = changed, set()
            for page in pages(before - journals):
                yield from _read(plain, keys, page)
                changed |= _notified(changes, timeout=0)
        began = time.monotonic()
        plain.client_pause(_PAUSE_S * 1000, all=False)
        try:
            changes.ping()  # earlier changes are reported before its answer
            changed |= journals | _notified(changes, timeout=_PAUSE_S)
            rest = [entry for page in pages(changed) for entry in _read(plain, keys, page)]
            flags = _pairs(tracking.execute_command("CLIENT", "TRACKINGINFO"))["flags"]
        finally:
            plain.client_unpause()
        if "on" not in flags or "broken_redirect" in flags:
            raise CopyFailedError("Redis lost track of what changed while it was read")
        if time.monotonic() - began > _PAUSE_S:
            raise CopyFailedError(
                f"more changed meanwhile than can be read in a pause of {_PAUSE_S} s: it succeeds "
                "when fewer events come in"
            )
        yield from rest


@contextmanager
def put_back(
    plain: redis.Redis, keys: Keys
) -> Iterator[Callable[[Iterable[BackupEntry], OnProgress], None]]:
    """Forget all that is there but the journals, and give a function that writes entries instead.

    What is in a journal stays, and entries add to it. Until the block has ended well the
    installation's id is one that no worker has: none begins before all is in its place.

    `plain`: as for `copy`.

    Raises:
        StoreUnavailable: Redis does not answer, or is full; what is there is good for nothing.
    """
    kept = {*_journals(keys), keys.installation}
    installation: list[str] = []
    plain.set(keys.installation, UNDER_WAY)
    for page in pages(plain.scan_iter(match=f"{keys.prefix}*", count=PAGE)):
        if gone := [key for key in page if key not in kept]:
            plain.unlink(*gone)

    def put(entries: Iterable[BackupEntry], on_progress: OnProgress) -> None:
        for group in pages(entries):
            pipe = plain.pipeline(transaction=False)
            for entry in group:
                key = keys.prefix + entry.key
                if key == keys.installation:
                    installation[:] = [entry.value]
                else:
                    (_add if key in kept else _write)(pipe, key, entry)
            pipe.execute()
            on_progress(len(group))

    yield put
    # Routers may have what pools gave since the backup.
    plain.sadd(keys.pools_unread, ALL_ROUTERS)
    for name in installation:
        plain.set(keys.installation, name)


def _listen(changes: _Untyped, tracking: _Untyped, prefix: str) -> None:
    changes.execute_command("CLIENT", "ID")
    client_id = changes.parse_response()
    changes.subscribe(_CHANGES)
    tracking.execute_command(
        *("CLIENT", "TRACKING", "ON", "REDIRECT", client_id, "BCAST", "PREFIX", prefix)
    )


def _notified(changes: _Untyped, timeout: float) -> set[str]:
    """The keys that changed; with a timeout: until the answer to our PING."""
    found: set[str] = set()
    while (message := changes.get_message(timeout=timeout)) is not None or timeout:
        if message is None:
            raise CopyFailedError("Redis did not say what changed while it was read")
        if message["type"] == "pong":
            break
        if message["type"] == "message":
            if message["data"] is None:
                raise CopyFailedError("Redis was emptied while it was read")
            found.update(message["data"])
    return found


def _read(plain: redis.Redis, keys: Keys, page: Collection[str]) -> Iterator[BackupEntry]:
    pipe = plain.pipeline(transaction=False)
    pipe.time()
    for key in page:
        pipe.type(key)
        pipe.pttl(key)
    (seconds, micros), *answers = pipe.execute()
    now_ms = seconds * 1000 + micros // 1000
    found = []
    for key, kind, left_ms in zip(page, answers[::2], answers[1::2], strict=True):
        if not _passing(keys, key, kind, left_ms):
            found.append((key, kind, now_ms + left_ms if left_ms > 0 else 0))
            _ask(pipe, key, kind)
    for (key, kind, expires_ms), value in zip(found, pipe.execute(), strict=True):
        name = key.removeprefix(keys.prefix)
        match kind:
            case _ if not value:  # it went meanwhile
                yield BackupEntry(name, "none", None, 0)
            case "hash":
                yield BackupEntry(name, kind, list(value.items()), expires_ms)
            case "set":
                yield BackupEntry(name, kind, sorted(value), expires_ms)
            case _:
                yield BackupEntry(name, kind, value, expires_ms)


def _passing(keys: Keys, key: str, kind: str, left_ms: int) -> bool:
    """Whether a key is true only now: locks, flags, what was seen lately, connections."""
    name = key.removeprefix(keys.prefix)
    short = kind == "string" and 0 < left_ms <= _PASSING_MS
    ours = key in (keys.processes, keys.process_info, keys.sweep)
    return short or ours or name.endswith((":lock", ":full-reads")) or name.startswith("_kombu.")


def _ask(pipe: Pipeline, key: str, kind: str) -> None:
    match kind:
        case "string" | "none":
            pipe.get(key)
        case "list":
            pipe.lrange(key, 0, -1)
        case "hash":
            pipe.hgetall(key)
        case "set":
            pipe.smembers(key)
        case "zset":
            pipe.zrange(key, 0, -1, withscores=True)
        case "stream":
            pipe.xrange(key)
        case _:
            raise CopyFailedError(f"{key} is a {kind}, which is none of ours")


def _write(pipe: Pipeline, key: str, entry: BackupEntry) -> None:
    pipe.delete(key)
    if entry.kind == "string":
        pipe.set(key, _raw(entry.value))
    for part in pages(entry.value or (), _FIELDS):
        match entry.kind:
            case "list":
                pipe.rpush(key, *map(_raw, part))
            case "set":
                pipe.sadd(key, *map(_raw, part))
            case "hash":
                pipe.hset(key, mapping={_raw(name): _raw(text) for name, text in part})
            case "zset":
                pipe.zadd(key, {_raw(member): score for member, score in part})
            case "stream":
                for entry_id, fields in part:
                    pipe.xadd(
                        key, {_raw(name): _raw(text) for name, text in fields.items()}, entry_id
                    )
            case _:
                break  # a text, or gone
    if entry.expires_ms:
        pipe.pexpireat(key, entry.expires_ms)


def _add(pipe: Pipeline, key: str, entry: BackupEntry) -> None:
    """Events that are in the journal already stay, with their times."""
    for field, value in entry.value or ():
        if entry.kind == "hash":
            pipe.hsetnx(key, field, _raw(value))
        else:
            pipe.zadd(key, {field: value}, nx=True)


def _raw(text: str) -> bytes:
    """The bytes that were read as this text; redis-py's own way with hiredis is a strict one."""
    return text.encode("utf-8", "surrogateescape")


def _journals(keys: Keys) -> list[str]:
    journals = map(keys.journal, names.LANES)
    return [key for journal in journals for key in (journal.body, journal.due)]


def _pairs(flat: list[Any]) -> dict[str, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
