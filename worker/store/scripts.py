"""Loads the Lua scripts: one file a script, shared parts by an `-- include:` line on top.

Each has the key table in front of it (`key.counters`, as `keys.py` names them).
"""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.commands.core import Script

from contracts.message import envelope
from worker.errors import StoreUnavailable
from worker.store.keys import Keys
from worker.store.lua_keys import lua_keys

_INCLUDE = "-- include:"
_ENVELOPE = re.compile(r"@(leasewire\.\w+) (\w+)@")

_ENDS = {
    "_services": "write_services",
    "_writes": "write",
    "_work_items": "list_queued",
    "_feed": "write_last_id",
}
"""What a script does when it has ended, by the part that it includes for it."""


@cache
def source(name: str) -> str:
    """The text of a script, after its shared parts, with the envelopes of its messages."""
    folder = files("worker.store") / "lua"
    text = (folder / f"{name}.lua").read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    if not first.startswith(_INCLUDE):
        return lua_keys(text) + text
    included = first.removeprefix(_INCLUDE).split()
    parts = [(folder / f"{part}.lua").read_text(encoding="utf-8") for part in included]
    ends = "".join(f"{end}()\n" for part, end in _ENDS.items() if part in included)
    if ends:
        rest = f"local function script()\n{rest}\nend\nlocal answer = script()\n{ends}return answer"
    whole = "\n".join([*parts, rest])
    whole = lua_keys(whole) + whole
    return _ENVELOPE.sub(lambda found: envelope(found[1], found[2]), whole)


class Scripts:
    """The scripts of one client, sent as EVALSHA, and loaded if the server does not have them."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._loaded: dict[str, Script] = {}

    def run(self, name: str, *args: Any, again: bool = False) -> Any:  # noqa: ANN401 - replies vary
        """Run one script; the head of its file describes arguments and reply.

        Args:
            name: the name of its file.
            args: its arguments.
            again: it may be sent twice, and is, once, if the connection is lost before the answer.
        """
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self._client.register_script(source(name))
        try:
            return script(keys=[self._prefix], args=args)
        except StoreUnavailable as error:
            if not again or not isinstance(error.__cause__, redis.ConnectionError):
                raise
            return script(keys=[self._prefix], args=args)


class StorePart:
    """A part of the store: reads by the client, and changes by scripts."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys
