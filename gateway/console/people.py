"""People who may log in to the console: name, role and the hash of a password, in Redis."""

import hashlib
import json
import re
import threading
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, cast

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from redis.client import Pipeline

from gateway.keys import GatewayKeys, known_fields
from worker.errors import ConfigurationError
from worker.store.connection import store_errors
from worker.store.text_client import TextClient

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 200
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Role(StrEnum):
    """What a person may do. Each role may do all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def may(self, role: "Role") -> bool:
        """Whether this role includes another."""
        order = list(Role)
        return order.index(self) >= order.index(role)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may log in.

    Attributes:
        name: lower case, for login, history and audit.
        role: what the person may do.
        password_hash: argon2id with its parameters.
        created_at: RFC 3339.
        ended: how often all sessions of the person were ended.
    """

    name: str
    role: Role
    password_hash: str = field(repr=False)
    created_at: str
    ended: int = 0

    @property
    def login_version(self) -> str:
        """Changes with the password: sessions of another version have ended."""
        return hashlib.sha256(f"{self.password_hash}{self.ended}".encode()).hexdigest()[:16]

    def document(self) -> dict[str, str]:
        """What admins may know of the person."""
        return {"name": self.name, "role": self.role.value, "created_at": self.created_at}

    @classmethod
    def from_json(cls, text: str) -> "Person":
        """A person as stored."""
        known = known_fields(cls, text)
        return cls(**known | {"role": Role(known["role"])})


class People:
    """The people in Redis.

    Args:
        redis: decodes replies.
        prefix: before every key in Redis.
        hasher: of passwords; by default as RFC 9106 advises for little memory.
    """

    def __init__(
        self, redis: TextClient, prefix: str, hasher: PasswordHasher | None = None
    ) -> None:
        self._redis = redis
        self._key = GatewayKeys(prefix).people
        self._hasher = hasher or PasswordHasher()
        # One hash at a time: each takes 64 MiB, and anybody may try to log in.
        self._hashing = threading.Lock()

    def all(self) -> list[Person]:
        """All people by name."""
        raw = self._redis.hgetall(self._key)
        return [Person.from_json(text) for _, text in sorted(raw.items())]

    def find(self, name: str) -> Person | None:
        """A person by name."""
        text = self._redis.hget(self._key, name)
        return Person.from_json(text) if text else None

    def add(self, name: str, role: Role, password: str, created_at: str) -> Person:
        """Add a person.

        Raises:
            ConfigurationError: the name is taken or malformed, or the password is too short.
        """
        if not _NAME.fullmatch(name):
            problem = "a name has 1 to 64 of a-z, 0-9, dot, dash and underscore, such as anna.k"
            raise ConfigurationError([problem])
        person = Person(name, role, self._hash(password), created_at)
        if not self._redis.hsetnx(self._key, name, json.dumps(asdict(person))):
            raise ConfigurationError(
                [f"There is a person {name} already; see `leasewire people list`."]
            )
        return person

    def set_role(self, name: str, role: Role) -> bool:
        """Change the role, at once for open sessions too; False: there is no such person."""
        return self._change(name, role=role)

    def set_password(self, name: str, password: str) -> bool:
        """Change the password and end the person's sessions; False: there is no such person.

        Raises:
            ConfigurationError: the password is too short.
        """
        return self._change(name, password_hash=self._hash(password))

    def end_sessions(self, name: str) -> bool:
        """End the person's sessions; False: there is no such person."""
        person = self.find(name)
        return person is not None and self._change(name, ended=person.ended + 1)

    def remove(self, name: str) -> bool:
        """Remove a person and end their sessions; False: there is no such person."""
        return bool(self._redis.hdel(self._key, name))

    def check(self, name: str, password: str) -> Person | None:
        """The person with this name and password; takes as long when there is no such person."""
        person = self.find(name)
        known = person.password_hash if person else self._of_nobody
        with self._hashing:
            try:
                self._hasher.verify(known, password[: LONGEST_PASSWORD + 1])
            except VerificationError:
                return None
        return person

    @cached_property
    def _of_nobody(self) -> str:
        return self._hasher.hash("")

    def _hash(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            problem = f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
            raise ConfigurationError([problem])
        with self._hashing:
            return self._hasher.hash(password)

    def _change(self, name: str, **changes: Any) -> bool:  # noqa: ANN401 - fields of Person
        """Change a person, unless somebody removes them meanwhile: that would bring them back."""

        def write(pipe: Pipeline) -> bool:
            text = cast("str | None", pipe.hget(self._key, name))
            pipe.multi()
            if text is not None:
                changed = replace(Person.from_json(text), **changes)
                pipe.hset(self._key, name, json.dumps(asdict(changed)))
            return text is not None

        with store_errors():
            transaction: Any = self._redis.transaction  # its types forget what a callable returns
            return bool(transaction(write, self._key, value_from_callable=True))
