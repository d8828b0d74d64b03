"""Which arguments each command has, by RouterOS version: from recorded trees of real routers.

`data/routeros-schema.json` says where it comes from. Versions without a recorded tree take
the nearest older one (7.1 to 7.8 take 7.9.2; version 6 that less what is known to be
missing): *assumed*, and listed so in README.md.
"""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

Version = tuple[int, ...]

# HLP, WIKI: on 7.9 and, as far as documentation shows, not on 6.48
_NOT_ON_6 = {
    "/ip/dhcp-server/lease": {"parent-queue", "queue-type", "routes"},
    "/ip/dhcp-server/option": {"force"},  # since 7.1rc5 (HLP)
    "/ip/service": {"vrf"},
}
_MENUS_NOT_ON_6 = {"/ip/dhcp-server/matcher"}  # since 7.4 (WIKI)


def parse_version(text: str) -> Version:
    """Read `7.18.2`.

    Raises:
        ValueError: no version, or one that no source says anything of.
    """
    version = tuple(int(part) for part in text.split("."))
    if len(version) not in (2, 3) or version[0] not in (6, 7):
        msg = f"no RouterOS version that can be simulated: {text}"
        raise ValueError(msg)
    return version


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    source = files(__package__) / "data" / "routeros-schema.json"
    data: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return data


def recorded_versions() -> list[str]:
    """List the versions that a real router's tree was recorded of."""
    return list(_data()["_about"]["versions"])


def every_argument(menu: str) -> list[str]:
    """List what `set` of a menu takes in any recorded version, but for `numbers`."""
    found: dict[str, None] = {}
    for commands in _data()["menus"][menu].values():
        if isinstance(commands, dict):
            found |= dict.fromkeys(commands.get("set", "").split())
    found.pop("numbers", None)
    return list(found)


@lru_cache
def schema_of(version: Version) -> "Schema":
    """Give a version's schema, one for all routers of that version."""
    return Schema(version)


class Schema:
    """The commands and arguments of one version."""

    def __init__(self, version: Version) -> None:
        self.version = version
        known = [(parse_version(text), text) for text in recorded_versions()]
        self.recorded = max([pair for pair in known if pair[0] <= version] or known[:1])[1]
        self._menus: dict[str, dict[str, frozenset[str]] | None] = {}

    def knows(self, menu: str) -> bool:
        """Say whether the recorded trees speak of this menu at all."""
        return menu in _data()["menus"]

    def has(self, menu: str) -> bool:
        """Say whether this version has the menu."""
        return self._commands(menu) is not None

    def commands(self, menu: str) -> frozenset[str]:
        """Give the menu's commands; empty where the trees do not know it."""
        return frozenset(self._commands(menu) or ())

    def arguments(self, menu: str, command: str) -> frozenset[str]:
        """Give a command's arguments; empty where it does not exist."""
        return (self._commands(menu) or {}).get(command, frozenset())

    def menus(self) -> list[str]:
        """List the menus that this version has in the recorded trees."""
        return [menu for menu in _data()["menus"] if self.has(menu)]

    def _commands(self, menu: str) -> dict[str, frozenset[str]] | None:
        if menu not in self._menus:
            self._menus[menu] = self._read(menu)
        return self._menus[menu]

    def _read(self, menu: str) -> dict[str, frozenset[str]] | None:
        by_version = _data()["menus"].get(menu, {})
        commands = by_version.get(self.recorded)
        if isinstance(commands, str):
            commands = by_version[commands.removeprefix("same as ")]
        old = self.version < (7,)
        if commands is None or (old and menu in _MENUS_NOT_ON_6):
            return None
        left_out = _NOT_ON_6.get(menu, set()) if old else set()
        return {
            command: frozenset(self._words(commands, words)) - left_out
            for command, words in commands.items()
            if command != "_sub"
        }

    def _words(self, commands: dict[str, str], words: str) -> list[str]:
        if words == "=set":
            words = commands["set"]
        found: list[str] = []
        for word in words.split():
            if word == "@print":
                found += _data()["print_sets"][self.recorded]["print"]
            elif word == "@print1":
                found += _data()["print_sets"][self.recorded]["print1"]
            else:
                found.append(word.removeprefix("+"))
        return found
