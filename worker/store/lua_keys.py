"""The key table for scripts, and the kinds of its keys.

Who calls it: `scripts.py` puts what a script uses of `key` in front of it; `store.py` looks
whether the keys that stand in Redis are ours.
"""

import re
from collections.abc import Collection
from typing import Any, Final, get_type_hints

from contracts import names
from worker.store.keys import STRANGERS, JournalKeys, Keys

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
        return "{ " + ", ".join(f"{name} = {_lua(each)}" for name, each in fields) + " }"
    before, any_name, after = str(value).partition(_ANY)
    parts = ["KEYS[1]", f"'{before}'"]
    parts += ["name"] if any_name else []
    parts += [f"'{after}'"] if after else []
    return " .. ".join(parts)


def kinds_of_keys(keys: Keys, routers: Collection[str], sources: Collection[str]) -> dict[str, str]:
    """Key -> its kind as Redis's TYPE says it, of all keys that the inventory alone names."""
    found: dict[str, str] = {}

    def add(value: Any, hint: Any) -> None:  # noqa: ANN401 - as `_lua`
        if isinstance(value, tuple):
            for each, kind in zip(value, _hints(type(value)).values(), strict=True):
                add(each, kind)
        else:
            found[value] = hint.__metadata__[0]

    for name, member in vars(Keys).items():
        if isinstance(member, property):
            add(getattr(keys, name), _hints(member.fget)["return"])
    made = [
        *((Keys.router, each) for each in routers),
        *((Keys.queue, names.QUEUE_ROUTERS), (Keys.feed, STRANGERS)),
        *((of, each) for each in sources for of in (Keys.source, Keys.conflicts, Keys.losses)),
        *((Keys.refused, each) for each in sources),
        *((Keys.feed, f"{lane}:{each}") for each in sources for lane in ("live", "bulk")),
    ]
    for of, each in made:
        add(of(keys, each), _hints(of)["return"])
    for lane in names.LANES:
        add(keys.journal(lane), JournalKeys)
    return found


def _hints(of: Any) -> dict[str, Any]:  # noqa: ANN401 - a function or a class
    return get_type_hints(of, include_extras=True)
