"""The texts of the Lua scripts: one file a script, with what it names of the shared parts.

They name keys as `keys.py` does: `key.counters`.
"""

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any, Final, get_type_hints

from contracts import names
from contracts.message import envelope
from worker.core.service.outcome import feed_name
from worker.store.keys import UNKNOWN_SOURCES, Key, KeyByName, Keys

_PARTS: Final = (
    *("_time", "_many", "_writes", "_router", "_work_items", "_notified", "_notify", "_claims"),
    *("_in_flight", "_services", "_feed", "_dead_letters", "_sources", "_brake", "_pools"),
    *("_fleet", "_take", "_audit"),
)
"""Shared parts; each may use those before it."""
_ENDS: Final = {
    "_services": "write_services",
    "_writes": "write",
    "_work_items": "list_queued",
}
"""What a script does when it has ended, if it uses this part."""
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_MADE = re.compile(r"^local (?:function (\w+)|([A-Z_]+) =)", re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*", re.MULTILINE)
_WORD = re.compile(r"\w+")
_ENVELOPE = re.compile(r"@(leasewire\.\w+) (\w+)@")


@cache
def source(name: str) -> str:
    """The text of a script, inside of what it uses of the shared parts.

    Redis makes each function anew whenever a script is called. So there are no others, and each
    part is around those that follow: a function takes what is outside of its part at once, but
    searches for what it uses inside of it.
    """
    text = _read(name)
    used = _words(text)
    for part in reversed(_PARTS):
        shared = _read(part)
        if used.isdisjoint(name for names in _MADE.findall(shared) for name in names):
            continue
        inside = f"(function()\n{text}\nend)()\n"
        if end := _ENDS.get(part):
            used.add(end)
            text = f"{_used_of(shared, used)}local answer = {inside}{end}()\nreturn answer"
        else:
            text = f"{_used_of(shared, used)}return {inside}"
    return _ENVELOPE.sub(lambda found: envelope(found[1], found[2]), _with_keys(text))


def _read(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def _used_of(part: str, used: set[str]) -> str:
    """A shared part without the functions that nobody names.

    `used`: the words of what follows; those of what is kept are added.
    """
    kept, end = [], len(part)
    for found in reversed([*_FUNCTION.finditer(part)]):
        rest = part[found.end() : end]
        used |= _words(rest)
        kept.append(rest)
        if found[1] in used:
            used |= _words(found[0])
            kept.append(found[0])
        end = found.start()
    used |= _words(part[:end])
    return part[:end] + "".join(reversed(kept))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(_COMMENT.sub("", text)))


_ANY: Final = "\0"
_EACH_KEY: Final = "pairs(key."
_KEY: Final = re.compile(r"\bkey\.(\w+)(?:\.(\w+))?")


def _with_keys(script: str) -> str:
    """Put what `Keys` says in place of the names of keys, such as `key.router(name).due`.

    The prefix is KEYS[1]. Of a group a script gets the keys that it names; all if it goes through
    them.
    """
    made, used = dict[str, str](), None if _EACH_KEY in script else _words(script)

    def put(found: re.Match[str]) -> str:
        name, field = found.groups()
        value = getattr(Keys(""), name)
        if not callable(value):
            return _lua(getattr(value, field) if field else value, used)
        made[name] = f"local function key_{name}(name) return {_lua(value(_ANY), used)} end\n"
        return f"key_{name}"

    text = _KEY.sub(put, script)
    return "".join(made[name] for name in sorted(made)) + text


def _lua(value: Any, used: set[str] | None) -> str:  # noqa: ANN401 - a text, or a tuple of them with names
    if isinstance(value, tuple):
        fields = zip(value._fields, value, strict=True)  # type: ignore[attr-defined]
        keys = [
            f"{name} = {_lua(field, used)}"
            for name, field in fields
            if used is None or name in used
        ]
        return f"{{ {', '.join(keys)} }}"
    before, any_name, after = str(value).partition(_ANY)
    parts = ["KEYS[1]", f"'{before}'"]
    parts += ["name"] if any_name else []
    parts += [f"'{after}'"] if after else []
    return f"({' .. '.join(parts)})"


def kinds_of_keys(keys: Keys, routers: Collection[str], sources: Collection[str]) -> dict[str, str]:
    """Key -> its kind as Redis's TYPE gives it, of all keys that the inventory determines."""
    found: dict[str, str] = {}

    def add(value: Any) -> None:  # noqa: ANN401 - a tuple of keys
        hints = get_type_hints(type(value), include_extras=True)
        found.update(
            {key: kind.__metadata__[0] for key, kind in zip(value, hints.values(), strict=True)}
        )

    for name, member in vars(Keys).items():
        if isinstance(member, Key) and not isinstance(member, KeyByName):
            found[getattr(keys, name)] = member.kind
    found[keys.queue(names.QUEUE_ROUTERS)] = "list"
    found[keys.feed(UNKNOWN_SOURCES)] = "stream"
    for group in (keys.fleet, keys.reports, *map(keys.journal, names.LANES)):
        add(group)
    for router in routers:
        add(keys.router(router))
    for source in sources:
        add(keys.losses(source))
        found |= {keys.source(source): "hash", keys.conflicts(source): "hash"}
        found |= {keys.refused(source): "hash"}
        found |= {keys.feed(feed_name(source, bulk=bulk)): "stream" for bulk in (False, True)}
    return found
