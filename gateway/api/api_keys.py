"""API keys: who may publish and read what. Redis keeps only a keyed hash of each.

A key is `lw_<id>_<secret>`. The id is not secret and names the key in lists and logs. The signing
secret is stored in plain text: both sides compute with it.
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
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from contracts.envelope import Source
from contracts.webhook_signature import new_secret
from gateway.api.problems import Refused
from gateway.keys import GatewayKeys, known_fields
from worker.errors import ConfigurationError
from worker.store.audit import AuditEntry, add_entry
from worker.store.connection import redis_now_ms
from worker.store.text_client import TextClient


class KeyScope(StrEnum):
    """What a key may do."""

    PUBLISH = "publish"
    READ = "read"
    OPS = "ops"
    OVERRIDE = "override"


DEFAULT_RATE: Final = 200.0
"""Events a second: enough for a small ISP, too little for a runaway loop."""
LEAST_RATE: Final = 0.1
FRESH_S: Final = 1.0
"""How long a key is cached: a revoked key is refused a second later."""

_SCHEME: Final = "lw"
_LONGEST_NAME: Final = 100
_NAMED_SOURCES: Final = 5


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        id: of the key.
        name: its owner's display name.
        digest: keyed hash of its secret, hex.
        sources: the sources that it publishes for and reads.
        scopes: `publish`; `read` events and services of its sources; `ops`: read all sources,
            settle dead letters and approvals; `override`: publish for sources that may override
            services of other sources.
        rate: events and requests a second, in each gateway process.
        signature_required: requests that publish must be signed.
        signing_secret: `whsec_…`; stored in every key, shown once.
        created_at: RFC 3339.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    sources: frozenset[str]
    scopes: frozenset[KeyScope]
    rate: float = DEFAULT_RATE
    signature_required: bool = False
    signing_secret: str = field(default="", repr=False)
    created_at: str = ""

    @property
    def actor(self) -> str:
        """The actor in histories."""
        return f"key {self.id} ({self.name})"

    def sources_to_read(self, source: str | None, *, all_: bool = False) -> list[str]:
        """The sources that a request reads: the one that it names, else all of the key.

        Args:
            source: that it names, if any.
            all_: the key may read every source.

        Raises:
            Refused: `source-not-allowed`.
        """
        if source is None:
            return sorted(self.sources)
        if source not in self.sources and not all_:
            raise Refused("source-not-allowed", f"this {self.not_its_source()}")
        return [source]

    def not_its_source(self) -> str:
        """Why an event of another source is refused, with up to five sources that the key has."""
        first = sorted(self.sources)[:_NAMED_SOURCES]
        more = ", …" if len(self.sources) > _NAMED_SOURCES else ""
        return f"is not a source of this key; it has {', '.join(first) or 'none'}{more}"

    def document(self) -> dict[str, Any]:
        """What everybody may know of it."""
        return {
            "id": self.id,
            "name": self.name,
            "sources": sorted(self.sources),
            "scopes": sorted(scope.value for scope in self.scopes),
            "rate": self.rate,
            "signed": self.signature_required,
            "created_at": self.created_at,
        }

    def to_json(self) -> str:
        """For Redis."""
        return json.dumps(
            asdict(self) | {"sources": sorted(self.sources), "scopes": [*self.scopes]}
        )

    @classmethod
    def from_json(cls, text: str) -> "ApiKey":
        """The reverse of `to_json`."""
        known = known_fields(cls, text)
        known["sources"] = frozenset(known["sources"])
        known["scopes"] = frozenset(map(KeyScope, known["scopes"]))
        return cls(**known)


class NewKey(NamedTuple):
    """A new key: `token` can never be shown again."""

    key: ApiKey
    token: str


class _Cached(NamedTuple):
    """A key, the secret of its hash, and when both were read (monotonic seconds)."""

    key: ApiKey
    hash_secret: bytes
    at: float


class ApiKeys:
    """The keys in Redis."""

    def __init__(
        self, redis: TextClient, prefix: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._keys = GatewayKeys(prefix)
        self._redis = redis
        self._clock = clock
        self._use_recorded: dict[str, str] = {}
        self._cache: dict[str, _Cached] = {}

    def create(  # noqa: PLR0913 - a key has as many sides
        self,
        name: str,
        sources: Iterable[str],
        scopes: Iterable[KeyScope],
        *,
        created_at: str,
        actor: str,
        rate: float = DEFAULT_RATE,
        signature_required: bool = False,
    ) -> NewKey:
        """Make a key from the fields of `ApiKey`; `actor`: the person.

        Raises:
            ConfigurationError: it has no source or scope, or a source is no URI.
            StoreUnavailable: it was not stored.
        """
        sources, scopes = frozenset(sources), frozenset(scopes)
        _check(name, sources, scopes)
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        self._redis.set(self._keys.hash_secret, secrets.token_hex(32), nx=True)
        key = ApiKey(
            id=id_,
            name=name,
            digest=_digest(self._read_hash_secret(), secret),
            sources=sources,
            scopes=scopes,
            rate=rate,
            signature_required=signature_required,
            signing_secret=new_secret(),
            created_at=created_at,
        )
        detail = f"{name}: {', '.join([*sorted(key.scopes), *sorted(key.sources)])}"
        entry = AuditEntry(redis_now_ms(self._redis), actor, "key.created", id_, detail)
        with self._redis.pipeline() as pipe:
            pipe.hset(self._keys.api_keys, id_, key.to_json())
            add_entry(pipe, self._keys.audit, entry)
            pipe.execute()
        return NewKey(key, f"{_SCHEME}_{id_}_{secret}")

    def all(self) -> list[ApiKey]:
        """All keys, oldest first."""
        raw = self._redis.hgetall(self._keys.api_keys)
        return sorted(map(ApiKey.from_json, raw.values()), key=lambda key: key.created_at)

    def revoke(self, id_: str, actor: str) -> bool:
        """Delete a key; False: there is none with this id. `actor`: the person."""
        text = self._redis.hget(self._keys.api_keys, id_)
        if text is None or not self._redis.hdel(self._keys.api_keys, id_):
            return False
        name = ApiKey.from_json(text).name
        entry = AuditEntry(redis_now_ms(self._redis), actor, "key.revoked", id_, name)
        with self._redis.pipeline() as pipe:
            pipe.hdel(self._keys.api_keys_used, id_)
            add_entry(pipe, self._keys.audit, entry)
            pipe.execute()
        return True

    def used(self) -> dict[str, str]:
        """Key id -> the hour when it was last used, in UTC; without keys that never were."""
        return self._redis.hgetall(self._keys.api_keys_used)

    def record_use(self, id_: str, now: datetime) -> None:
        """Record that a key is used: one write an hour for each gateway.

        Raises:
            StoreUnavailable: it was not recorded, and is not tried again within the hour.
        """
        hour = f"{now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
        if self._use_recorded.get(id_) != hour:
            self._use_recorded[id_] = hour
            self._redis.hset(self._keys.api_keys_used, id_, hour)

    def cached(self, token: str) -> ApiKey | None:
        """The key of a token, if it was read in the last second; does not ask Redis."""
        id_, secret = _parts(token)
        cached = self._cache.get(id_)
        if cached is None or self._clock() - cached.at >= FRESH_S:
            return None
        digest = _digest(cached.hash_secret, secret)
        return cached.key if hmac.compare_digest(cached.key.digest, digest) else None

    def find(self, token: str) -> ApiKey | None:
        """Read the key of a token from Redis; None: it is not a valid key.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        id_, _ = _parts(token)
        self._cache.pop(id_, None)
        text = self._redis.hget(self._keys.api_keys, id_)
        if text is not None:
            hash_secret = self._read_hash_secret()
            self._cache[id_] = _Cached(ApiKey.from_json(text), hash_secret, self._clock())
        return self.cached(token)

    def _read_hash_secret(self) -> bytes:
        return bytes.fromhex(self._redis.get(self._keys.hash_secret) or "")


def _check(name: str, sources: frozenset[str], scopes: frozenset[KeyScope]) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise ConfigurationError([f"a key has a name of 1 to {_LONGEST_NAME} characters"])
    if not scopes:
        raise ConfigurationError(["a key has a scope: publish, read, ops or override"])
    if not sources and scopes != {KeyScope.OPS}:
        raise ConfigurationError(["a key has a source; one with the scope ops alone needs none"])
    for source in sources:
        try:
            TypeAdapter[str](Source).validate_python(source)
        except ValidationError:
            problem = f"source {source}: write a URI, such as urn:isp:bss:example"
            raise ConfigurationError([problem]) from None


def _parts(token: str) -> tuple[str, str]:
    """Id and secret of a token; no key has an empty id."""
    scheme, _, rest = token.partition("_")
    id_, _, secret = rest.partition("_")
    return (id_, secret) if scheme == _SCHEME else ("", "")


def _digest(secret: bytes, token: str) -> str:
    return hmac.new(secret, token.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
