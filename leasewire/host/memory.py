"""The memory of this host or cgroup, for the limit of the embedded Valkey."""

import os
from pathlib import Path
from typing import Final

_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")
_FILES: Final = {"": "memory.max", "memory": "memory.limit_in_bytes"}
"""Controller in `/proc/self/cgroup` -> file of its memory limit: cgroup version 2, and 1."""


def memory_here(own_groups: Path = _OWN_GROUPS, groups: Path = _GROUPS) -> int:
    """Bytes that a process may use here: the host's memory, or a lower limit of its cgroups.

    Args:
        own_groups: a file like `/proc/self/cgroup`.
        groups: where cgroups are mounted.
    """
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return host
    return min([host, *(limit for line in lines for limit in _limits(line, groups))])


def _limits(line: str, groups: Path) -> list[int]:
    """The limits of the cgroup of one line and of its parents."""
    _, controllers, path = line.split(":", 2)
    found = []
    for name in _FILES.keys() & set(controllers.split(",")):
        root = groups / name
        # In a container the path is the host's, but the mounted tree is the container's.
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
