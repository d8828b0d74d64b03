"""Console sessions: who is logged in, in Redis. A cookie holds the token, Redis only its hash."""

import hashlib
import json
import secrets
from typing import Any, Final, NamedTuple

from gateway.console.people import Person
from gateway.keys import GatewayKeys
from worker.store.connection import redis_now_ms
from worker.store.text_client import TextClient

IDLE_S: Final = 2 * 3600
"""A session ends when it was not used for this long."""
LONGEST_S: Final = 12 * 3600
"""A session ends after this time however much it is used: a shift."""
_MOST_MESSAGE: Final = 2000


class LoginSession(NamedTuple):
    """A session.

    Attributes:
        person: who is logged in, as of now.
        token_hash: names it in Redis.
        csrf: to be sent with every write.
        message: `kind text` to be shown once on the next page; empty: none.
    """

    person: Person
    token_hash: str
    csrf: str
    message: str


class LoginSessions:
    """The sessions in Redis."""

    def __init__(self, redis: TextClient, prefix: str) -> None:
        self._redis = redis
        self._keys = GatewayKeys(prefix)

    def begin(self, person: Person) -> str:
        """Begin a session; returns the token for the cookie."""
        token = secrets.token_urlsafe(32)
        key = self._keys.session(_hash(token))
        fields: dict[Any, Any] = {
            "name": person.name,
            "login_version": person.login_version,
            "csrf": secrets.token_urlsafe(32),
            "ends_ms": str(redis_now_ms(self._redis) + LONGEST_S * 1000),
        }
        with self._redis.pipeline() as pipe:
            pipe.hset(key, mapping=fields)
            pipe.expire(key, IDLE_S)
            pipe.execute()
        return token

    def find(self, token: str, *, in_use: bool = True) -> LoginSession | None:
        """The session of a token; None: there is none, or it has ended.

        Args:
            token: from the cookie.
            in_use: a person uses it now, so it is not idle.
        """
        token_hash = _hash(token)
        key = self._keys.session(token_hash)
        found = self._redis.hgetall(key)
        if "name" not in found:
            return None
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(self._keys.people, found["name"])
        pipe.time()
        text, (seconds, _) = pipe.execute()
        person = Person.from_json(text) if text else None
        left_s = int(found["ends_ms"]) // 1000 - seconds
        if person is None or person.login_version != found["login_version"] or left_s <= 0:
            self._redis.delete(key)
            return None
        if in_use:
            self._redis.expire(key, min(IDLE_S, left_s))
        return LoginSession(person, token_hash, found["csrf"], found.get("message", ""))

    def end(self, session: LoginSession) -> None:
        """Log out."""
        self._redis.delete(self._keys.session(session.token_hash))

    def leave_message(self, session: LoginSession, kind: str, text: str) -> None:
        """Show a message once on the next page.

        Args:
            session: whose.
            kind: `ok`, `warning` or `error`.
            text: a sentence or two.
        """
        key = self._keys.session(session.token_hash)
        message = json.dumps([kind, text[:_MOST_MESSAGE]])
        with self._redis.pipeline() as pipe:
            pipe.hset(key, "message", message)
            pipe.expire(key, IDLE_S, nx=True)  # the session may have ended meanwhile
            pipe.execute()

    def take_message(self, session: LoginSession) -> tuple[str, str] | None:
        """The message to be shown now; it is not shown again."""
        if not session.message:
            return None
        self._redis.hdel(self._keys.session(session.token_hash), "message")
        kind, text = json.loads(session.message)
        return kind, text


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
