"""The gateway's key table: its keys in Redis with their kinds and lifetimes.

Made as the workers' in `worker/store/keys.py`. Nothing else may spell these keys.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from worker.store.key_groups import Hash, SortedSet, String
from worker.store.keys import Key, Keys


class HookKeys(NamedTuple):
    """Webhooks of BSS systems. No lifetimes: an entry goes when it is done, a ticket never.

    Attributes:
        inbox: id -> webhook as it came, JSON.
        inbox_due: id -> when to process it (ms).
        inbox_bytes: how many bytes the inbox holds, approximately.
        wanted: `hook|service` -> {stamp, since, attempts, …}: services to reread.
        wanted_due: `hook|service` -> when to reread it (ms).
        reading: `hook|service` -> token of the process that rereads it.
        tickets: `hook|service` -> the last ticket.
    """

    inbox: Hash
    inbox_due: SortedSet
    inbox_bytes: String
    wanted: Hash
    wanted_due: SortedSet
    reading: Hash
    tickets: Hash


class TargetKeys(NamedTuple):
    """Delivery of outcomes to one target.

    No lifetimes unless said: a target that is removed from the configuration and comes back
    continues where it was.

    Attributes:
        cursor: up to where the feed was delivered, set aside or failed.
        holder: with a time limit: token of the process that delivers to the target.
        state: `delivered`, `last_at`, `failing_since`, `message`, `next_at`.
        aside: id -> outcome that the target refused, JSON; bounded, for three days.
        aside_due: id -> when to retry it (ms).
        dead: id -> outcome that could not be delivered, JSON; bounded.
        dead_by_time: id -> when it failed (ms).
    """

    cursor: String
    holder: String
    state: Hash
    aside: Hash
    aside_due: SortedSet
    dead: Hash
    dead_by_time: SortedSet


@dataclass(frozen=True, slots=True)
class GatewayKeys(Keys):
    """Builds the gateway's keys under one prefix."""

    api_keys = Key("hash", "gateway:keys")
    """Key id -> API key as JSON; until it is revoked."""
    api_keys_used = Key("hash", "gateway:keys:used")
    """Key id -> the hour when it was last used; as long as the key."""
    people = Key("hash", "gateway:people")
    """Name -> person as JSON, with the hash of a password; until the person is removed."""
    hash_secret = Key("string", "gateway:hash-secret")
    """64 hex characters, the secret under which API keys are hashed. No lifetime."""
    probe = Key("string", "gateway:probe")
    """Written to find out whether Redis takes writes. Lives a second."""

    def session(self, token_hash: str) -> Hash:
        """A console session: name, login_version, csrf, ends_ms, message. Two hours from use."""
        return f"{self.prefix}gateway:session:{token_hash}"

    @property
    def hooks(self) -> HookKeys:
        """Of webhooks that come in."""
        return HookKeys(*_named(f"{self.prefix}hooks:", HookKeys))

    def target(self, name: str) -> TargetKeys:
        """Of a target of outcome webhooks."""
        return TargetKeys(*_named(f"{self.prefix}webhook:{name}:", TargetKeys))


def _named(base: str, kind: type[HookKeys | TargetKeys]) -> list[str]:
    """`inbox_due` -> `inbox:due`, `dead_by_time` -> `dead:by-time`."""
    return [base + field.replace("_", ":", 1).replace("_", "-") for field in kind._fields]


def known_fields(kind: type[Any], text: str) -> dict[str, Any]:
    """The fields of a dataclass in stored JSON; those of a newer version are dropped."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in json.loads(text).items() if name in names}
