"""The policy that a person applied to a router: its digest, and how it differs from another."""

import dataclasses
import hashlib
import json
from typing import Any, Final, NamedTuple, Self

from worker.core.policy.policy import RouterPolicy

_DEFAULTS: Final = {
    field.name: field.default_factory()
    if field.default_factory is not dataclasses.MISSING
    else field.default
    for field in dataclasses.fields(RouterPolicy)
}


class Change(NamedTuple):
    """One field of a policy that changes; values as JSON texts."""

    field: str
    was: str
    now: str


class AppliedPolicy(NamedTuple):
    """A policy as stored.

    Attributes:
        digest: of its content: policies with equal digests write the same.
        fields: as compact JSON without the defaults, so that a version of Leasewire with more
            fields computes the same digest.
        by: who applied it.
        at_ms: when, by the store's clock.
    """

    digest: str
    fields: str
    by: str = ""
    at_ms: int = 0

    @classmethod
    def of(cls, policy: RouterPolicy, by: str = "", at_ms: int = 0) -> Self:
        """Return the applied form of a policy of the inventory."""
        values = {name: getattr(policy, name) for name in _DEFAULTS}
        given = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
        text = json.dumps(given, sort_keys=True, separators=(",", ":"), default=_plain)
        return cls(hashlib.sha256(text.encode()).hexdigest()[:16], text, by, at_ms)

    def to_text(self) -> str:
        """Return one line, the digest first: `acquire.lua` compares it."""
        return f"{self.digest}|{json.dumps([self.fields, self.by, self.at_ms])}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        digest, _, rest = text.partition("|")
        return cls(digest, *json.loads(rest))

    @property
    def observes(self) -> bool:
        """Whether it is in observe mode."""
        return _text(json.loads(self.fields), "mode") == '"observe"'

    def changes_to(self, new: Self) -> list[Change]:
        """Return the fields that differ, by name."""
        before, after = json.loads(self.fields), json.loads(new.fields)
        found = []
        for name in sorted(before.keys() | after.keys()):
            was, now = (_text(fields, name) for fields in (before, after))
            if was != now:
                found.append(Change(name, was, now))
        return found


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, _DEFAULTS.get(name))
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    """Return a value that JSON lacks as one that it has, in a fixed order."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
