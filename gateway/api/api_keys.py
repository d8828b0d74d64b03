"""API keys: who may say or read what. Redis keeps only a keyed hash of each.

A key is `lw_<id>_<secret>`: the id is no secret and names it in lists and logs. The signing secret
of a key must be kept as it is: both sides compute with it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic
from typing import Any, Final, NamedTuple, cast

from redis import Redis

from contracts.webhook_signature import new_secret
from gateway.api.redis_keys import api_keys, hash_secret, keys_used


class Scope(StrEnum):
    """What a key may do; see `ApiKey`."""

    PUBLISH = "publish"
    READ = "read"
    OPS = "ops"
    OVERRIDE = "override"


DEFAULT_RATE: Final = 200.0
"""Events a second: a whole small ISP; what a runaway loop sends beyond is told so."""
FRESH_S: Final = 1.0
"""How old what we know of keys may be: a revoked key opens nothing a second later."""

_SCHEME: Final = "lw"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        id: names it.
        name: whose it is, in words.
        digest: keyed hash of its secret, hex.
        sources: the sources it speaks for and reads events of.
        scopes: `publish`; `read` events and services of its sources; `ops`: all of them, and
            dead letters; `override`: may speak for a source that speaks of others' services.
        rate: events and requests a second, in each gateway process.
        signature_required: requests that publish must be signed.
        signing_secret: `whsec_…`; kept in every key, shown once.
        created_at: RFC 3339.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    sources: frozenset[str]
    scopes: frozenset[Scope]
    rate: float = DEFAULT_RATE
    signature_required: bool = False
    signing_secret: str = field(default="", repr=False)
    created_at: str = ""

    @property
    def actor(self) -> str:
        """Who acts, as histories say it."""
        return f"key {self.id} ({self.name})"

    def to_json(self) -> str:
        """For Redis."""
        return json.dumps(
            asdict(self) | {"sources": sorted(self.sources), "scopes": [*self.scopes]}
        )

    @classmethod
    def from_json(cls, text: str) -> "ApiKey":
        """The reverse of `to_json`; unknown fields of a newer version are dropped."""
        known: dict[str, Any] = {
            name: value
            for name, value in json.loads(text).items()
            if name in cls.__dataclass_fields__
        }
        known["sources"] = frozenset(known["sources"])
        known["scopes"] = frozenset(map(Scope, known["scopes"]))
        return cls(**known)


class NewKey(NamedTuple):
    """A key just made: `token` can never be shown again."""

    key: ApiKey
    token: str


class _Known(NamedTuple):
    """A key as it was read, the secret of its hash, and when (monotonic seconds)."""

    key: ApiKey
    hash_secret: bytes
    at: float


class ApiKeys:
    """The keys in Redis.

    Args:
        redis: decodes replies.
        prefix: before every key in Redis.
        clock: monotonic seconds.
    """

    def __init__(self, redis: Redis, prefix: str, clock: Callable[[], float] = monotonic) -> None:
        self.prefix = prefix
        self._redis = redis
        self._clock = clock
        self._noted: dict[str, str] = {}
        self._known: dict[str, _Known] = {}

    def create(  # noqa: PLR0913 - a key has as many sides
        self,
        name: str,
        sources: Iterable[str],
        scopes: Iterable[Scope],
        *,
        created_at: str,
        rate: float = DEFAULT_RATE,
        signature_required: bool = False,
    ) -> NewKey:
        """Make a key; see `ApiKey`.

        Raises:
            RedisError: it was not kept.
        """
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        self._redis.set(hash_secret(self.prefix), secrets.token_hex(32), nx=True)
        key = ApiKey(
            id=id_,
            name=name,
            digest=_digest(self._read_hash_secret(), secret),
            sources=frozenset(sources),
            scopes=frozenset(scopes),
            rate=rate,
            signature_required=signature_required,
            signing_secret=new_secret(),
            created_at=created_at,
        )
        self._redis.hset(api_keys(self.prefix), id_, key.to_json())
        return NewKey(key, f"{_SCHEME}_{id_}_{secret}")

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        raw = cast("dict[str, str]", self._redis.hgetall(api_keys(self.prefix)))
        return sorted(map(ApiKey.from_json, raw.values()), key=lambda key: key.created_at)

    def revoke(self, id_: str) -> bool:
        """Take a key away; False when there is none."""
        with self._redis.pipeline() as pipe:
            pipe.hdel(api_keys(self.prefix), id_)
            pipe.hdel(keys_used(self.prefix), id_)
            return bool(pipe.execute()[0])

    def used(self) -> dict[str, str]:
        """By id, the hour in which a key was last used, in UTC; of one that never was: nothing."""
        return cast("dict[str, str]", self._redis.hgetall(keys_used(self.prefix)))

    def note_use(self, id_: str, now: datetime) -> None:
        """Note that a key is used: one write an hour and gateway.

        Raises:
            RedisError: it was not noted, and is not tried again within the hour.
        """
        hour = f"{now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
        if self._noted.get(id_) != hour:
            self._noted[id_] = hour
            self._redis.hset(keys_used(self.prefix), id_, hour)

    def remembered(self, token: str) -> ApiKey | None:
        """The key that a token is, where Redis said so in the last second; asks nobody."""
        id_, secret = _parts(token)
        known = self._known.get(id_)
        if known is None or self._clock() - known.at >= FRESH_S:
            return None
        digest = _digest(known.hash_secret, secret)
        return known.key if hmac.compare_digest(known.key.digest, digest) else None

    def find(self, token: str) -> ApiKey | None:
        """The key that a token is, by what Redis says now; None: it is none.

        Raises:
            RedisError: Redis does not say.
        """
        id_, _ = _parts(token)
        self._known.pop(id_, None)
        text = cast("str | None", self._redis.hget(api_keys(self.prefix), id_))
        if text is not None:
            hash_secret = self._read_hash_secret()
            self._known[id_] = _Known(ApiKey.from_json(text), hash_secret, self._clock())
        return self.remembered(token)

    def _read_hash_secret(self) -> bytes:
        return bytes.fromhex(cast("str | None", self._redis.get(hash_secret(self.prefix))) or "")


def _parts(token: str) -> tuple[str, str]:
    """Id and secret of a token; no key has an empty id."""
    scheme, _, rest = token.partition("_")
    id_, _, secret = rest.partition("_")
    return (id_, secret) if scheme == _SCHEME else ("", "")


def _digest(secret: bytes, token: str) -> str:
    return hmac.new(secret, token.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
