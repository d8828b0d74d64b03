"""Who asks (the gate asks it before every route), and whether they may: each route's first thing.

What it raises is the answer; nothing is taken in before.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import structlog
from fastapi import Request
from redis.exceptions import RedisError

from contracts.names import Lane
from contracts.webhook_signature import SignatureRefused, verify
from gateway.api.api_keys import ApiKey, ApiKeys, Scope
from gateway.api.connections import most_connections
from gateway.api.limits import Rates
from gateway.api.problems import Refused

log = structlog.get_logger("gateway")

_SCHEME = "bearer"
_SHARE = 4
"""One in so many connections the requests of one key may hold that wait."""


class Access:
    """Lets requests in.

    Args:
        keys: the API keys.
        rates: of the keys.
        clock: gives the time, aware.
    """

    def __init__(self, keys: ApiKeys, rates: Rates, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._rates = rates
        self._clock = clock
        self._waiting: Counter[str] = Counter()

    async def identify(self, request: Request) -> ApiKey:
        """The key that a request shows, as Redis knew it within the last second.

        Raises:
            Refused: `unauthorized`.
            RedisError: keys cannot be looked up.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != _SCHEME or not token:
            raise Refused("unauthorized", "send `Authorization: Bearer` and an API key")
        token = token.strip()
        # Measured: a look at what is remembered takes some 3 µs, a hop to a thread 50.
        key = self._keys.remembered(token) or await asyncio.to_thread(self._found, token)
        if key is None:
            raise Refused("unauthorized", "this API key is not known here, or was revoked")
        return key

    def _found(self, token: str) -> ApiKey | None:
        key = self._keys.find(token)
        if key is not None:
            try:
                self._keys.note_use(key.id, self._clock())
            except RedisError as error:  # full, or its login may not: no reason to refuse
                log.warning("key.use_not_noted", key=key.id, reason=str(error))
        return key

    async def caller(self, request: Request, *scopes: Scope) -> ApiKey:
        """The key that the gate found; it has one of the scopes, where some are named.

        Raises:
            Refused: `scope-missing`.
        """
        key: ApiKey = request.state.key
        if scopes and not key.scopes & set(scopes):
            raise Refused("scope-missing", f"this needs a key with the scope {' or '.join(scopes)}")
        return key

    async def reader(self, request: Request, *scopes: Scope) -> ApiKey:
        """The same for a request that counts one against the key's rate.

        Raises:
            Refused: as `caller`, or `rate-limited`.
        """
        key = await self.caller(request, *scopes)
        self._rates.spend(key)
        return key

    @contextmanager
    def waiting(self, request: Request) -> Iterator[bool]:
        """Count a request that waits; whether it may: one key must not hold every connection."""
        key: ApiKey = request.state.key
        self._waiting[key.id] += 1
        try:
            yield self._waiting[key.id] <= most_connections() // _SHARE
        finally:
            self._waiting[key.id] -= 1
            if not self._waiting[key.id]:
                del self._waiting[key.id]

    def spend(self, key: ApiKey, events: int, lane: Lane) -> None:
        """Count events against a key's rate; see `Rates.spend`."""
        self._rates.spend(key, events, lane)

    def check_signature(self, key: ApiKey, headers: Mapping[str, str], body: bytes) -> str | None:
        """Check the signature of a request, where it must have one or says it has.

        Returns:
            The `webhook-id`; None for a request that is not signed and need not be.

        Raises:
            Refused: `bad-signature` or `bad-timestamp`.
        """
        if not key.signature_required and "webhook-signature" not in headers:
            return None
        try:
            return verify(key.signing_secret, headers, body, self._clock().timestamp())
        except SignatureRefused as error:
            raise Refused(error.code, error.message) from None
