"""Pastes a RouterOS script into a simulated router, line by line: add, set, sign and move."""

import re
from contextlib import suppress

from simulator.control import ControlError

_GUARDED = re.compile(r":do \{(.*)\} on-error=\{\}")
_FIND = re.compile(r'\[find comment=("(?:\\.|[^"\\])*"|\S+)\]')
_PICK = re.compile(r"\[:pick \[/ip[v6]* firewall filter find dynamic=no\] (\d+)\]")
_BY_ACTION = re.compile(r"\[find action=(\S+) dynamic=no\] ")
_WORD = re.compile(r'(?:([A-Za-z0-9-]+)=)?("(?:\\.|[^"\\])*"|\S+)')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_VERBS = {"add", "set", "sign", "move"}


def paste(router, script):
    """Every line as a person's; ControlError in the router's words where it refuses one."""
    for line in script.splitlines():
        guarded = _GUARDED.fullmatch(line)
        if guarded:
            with suppress(ControlError):
                _run(router, guarded[1])
        elif line and not line.startswith("#"):
            _run(router, line)


def _run(router, line):
    message = line.removeprefix("/").split(" ")
    at = next(i for i, word in enumerate(message) if word in _VERBS)
    menu, verb, rest = "/" + "/".join(message[:at]), message[at], " ".join(message[at + 1 :])
    by_action = _BY_ACTION.match(rest)
    if by_action:
        for row in router.rows(menu):
            if row.get("action") == by_action[1] and row.get("dynamic") != "true":
                given = _WORD.findall(rest[by_action.end() :])
                router.set_row(menu, row[".id"], {name: _plain(value) for name, value in given})
        return
    found = _FIND.match(rest)
    if found:
        comment = _plain(found[1])
        (row,) = [row for row in router.rows(menu) if row.get("comment") == comment]
        place = int(_PICK.fullmatch(rest[found.end() :].strip())[1])
        static = [row for row in router.rows(menu) if row.get("dynamic") != "true"]
        arguments = {".id": row[".id"], "destination": static[place][".id"]}
    else:
        given = [(name, _plain(value)) for name, value in _WORD.findall(rest)]
        arguments = {name or "numbers": value for name, value in given}
    router.run(f"{menu}/{verb}", arguments)


def _plain(value):
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), value[1:-1])
