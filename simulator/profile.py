"""A profile: what `leasewire selftest` found on a router, as a router is to behave.

Only version, board and the values of switches count; the answers beside them are for people.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.faults import Switches
from simulator.schema import parse_version

KIND = "leasewire-selftest"
FORMAT = 1
_KEYS = frozenset(
    {
        *("report", "format", "leasewire", "routeros", "board", "architecture", "wire", "date"),
        *("answers", "switches"),
    }
)
_LARGEST = 256 * 1024
_LONGEST_BOARD = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """What a report says of how its router behaves.

    Attributes:
        version: RouterOS's.
        board: as `options.RouterOptions` has it.
        switches: those whose value was found.
    """

    version: str
    board: str
    switches: dict[str, object]


def read_profile(path: Path) -> Profile:
    """Read a report.

    Raises:
        ValueError: it is none, or of another kind; the message names the file.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        return _profile(_read(data))
    except ValueError as error:
        msg = f"profile {path}: {error}"
        raise ValueError(msg) from None


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > _LARGEST:
        msg = f"larger than {_LARGEST // 1024} KiB"
        raise ValueError(msg)
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        msg = "it is no JSON"
        raise ValueError(msg) from None
    if not isinstance(report, dict) or report.get("report") != KIND:
        msg = "it is no report of `leasewire selftest`"
        raise ValueError(msg)
    if report.get("format") != FORMAT:
        msg = f"format {str(report.get('format'))[:20]} is not known; this simulator reads {FORMAT}"
        raise ValueError(msg)
    unknown = sorted(report.keys() - _KEYS)
    if unknown:
        msg = f"unknown key {', '.join(unknown)[:100]}; there are: {', '.join(sorted(_KEYS))}"
        raise ValueError(msg)
    return report


def _profile(report: dict[str, Any]) -> Profile:
    version, board = _text(report, "routeros"), _text(report, "board")
    try:
        parse_version(version)
    except ValueError:
        msg = f"RouterOS {version} cannot be simulated; correct `routeros`, as in 7.18.2"
        raise ValueError(msg) from None
    switches = report.get("switches")
    if not isinstance(switches, dict):
        msg = "`switches` must be an object of switches and their values"
        raise ValueError(msg)  # noqa: TRY004 - the file is wrong, not the code
    Switches().change(**switches)
    board = "chr" if board.upper().startswith("CHR") else board
    return Profile(version, board, switches)


def _text(report: dict[str, Any], key: str) -> str:
    value = report.get(key)
    if not isinstance(value, str) or not value or len(value) > _LONGEST_BOARD:
        msg = f"`{key}` must be a text of at most {_LONGEST_BOARD} characters"
        raise ValueError(msg)
    return value
