"""DHCP option 82: the ids that an access node adds to what a device asks.

A circuit id names a port, a remote id mostly the node. RouterOS has them as hex digits, a BSS as
text, and a row in lease form has both as one value, such as `eth 0/3+olt-7`.
"""

import re
from typing import Final

from worker.core.rows.normal import agent_id

BETWEEN: Final = "+"
"""Stands in what both ids are joined to, and in no MAC."""
_BYTES: Final = re.compile(r"0x((?:[0-9A-Fa-f]{2})+)")
# `|` stands between the parts of a waiter's name (`worker/store/lua/_claims.lua`)
_TEXT: Final = re.compile(r"[ -*,-{}~]+")
MOST_BYTES: Final = 251
"""Of both ids: the option has 255, and each id takes two more for its number and its length."""


def hex_of(agent_id: str) -> str:
    """Return the hex digits of an id of an event, which is text, or `0x` and digits."""
    found = _BYTES.fullmatch(agent_id)
    return found[1].lower() if found else agent_id.encode("utf-8", "surrogateescape").hex()


def joined(circuit: str, remote: str) -> str:
    """Return both ids as one value for people too; empty without any.

    Each is as a router shows it; empty: any.
    """
    circuit, remote = agent_id(circuit), agent_id(remote)
    return f"{_spelled(circuit)}{BETWEEN}{_spelled(remote)}" if circuit or remote else ""


def spelled_ids(ids: str) -> tuple[str, str]:
    """Return the circuit id and the remote id of `joined` as an event may have them."""
    circuit, _, remote = ids.partition(BETWEEN)
    return circuit, remote


def parted(ids: str) -> tuple[str, str]:
    """Return the hex digits of the circuit id and the remote id: `joined` reversed."""
    circuit, remote = spelled_ids(ids)
    return hex_of(circuit), hex_of(remote)


def _spelled(digits: str) -> str:
    """The text of an id; `0x` and its digits where that could be taken for something else."""
    text = bytes.fromhex(digits).decode("latin-1")
    return (
        text
        if not digits or (_TEXT.fullmatch(text) and not _BYTES.fullmatch(text))
        else f"0x{digits}"
    )
