"""The key table for scripts, and the kinds of its keys."""

import re
from collections.abc import Collection
from typing import Any, Final, get_type_hints

from contracts import names
from worker.store.keys import UNKNOWN_SOURCES, Key, KeyByName, Keys, feed_name

_ANY: Final = "\0"
_USED: Final = re.compile(r"\bkey\.(\w+)")


def lua_keys(script: str) -> str:
    """Lua's table `key` with what a script uses of `Keys`, such as `key.router(name).due`.

    The prefix is KEYS[1].
    """
    texts, made = [], []
    for name in sorted(set(_USED.findall(script))):
        value = getattr(Keys(""), name)
        if callable(value):
            made.append(f"function key.{name}(name) return {_lua(value(_ANY))} end")
        else:
            texts.append(f"  {name} = {_lua(value)},")
    return "\n".join(["local key = {", *texts, "}", *made, ""])


def _lua(value: Any) -> str:  # noqa: ANN401 - a text, or a tuple of them with names
    if isinstance(value, tuple):
        fields = zip(value._fields, value, strict=True)  # type: ignore[attr-defined]
        return "{ " + ", ".join(f"{name} = {_lua(field)}" for name, field in fields) + " }"
    before, any_name, after = str(value).partition(_ANY)
    parts = ["KEYS[1]", f"'{before}'"]
    parts += ["name"] if any_name else []
    parts += [f"'{after}'"] if after else []
    return " .. ".join(parts)


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
