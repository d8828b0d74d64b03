"""How much memory there is here: for the limit of the embedded Valkey."""

import os
from pathlib import Path
from typing import Final

_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")
_FILES: Final = {"": "memory.max", "memory": "memory.limit_in_bytes"}
"""Controllers of a line of `/proc/self/cgroup` -> the file of a limit: version 2, and 1."""


def memory_here(own_groups: Path = _OWN_GROUPS, groups: Path = _GROUPS) -> int:
    """Bytes that a process started here may use: the host's, or fewer by a limit of its cgroups.

    Args:
        own_groups: as Linux writes `/proc/self/cgroup`.
        groups: where the cgroups are.
    """
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return host
    return min([host, *(limit for line in lines for limit in _limits(line, groups))])


def _limits(line: str, groups: Path) -> list[int]:
    """The limits of one line's group, and of those that it is in: each of them holds."""
    _, controllers, path = line.split(":", 2)
    found = []
    for name in _FILES.keys() & set(controllers.split(",")):
        root = groups / name
        # In a container the path is the host's, and what is mounted is the container's own.
        group = (root / path.strip("/")).resolve()
        for at in (group, *group.parents):
            if at.is_relative_to(root):
                found += _number(at / _FILES[name])
        found += _number(root / _FILES[name])
    return found


def _number(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [int(text)] if text.isdecimal() else []  # else: max
