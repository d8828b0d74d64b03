"""Pings a device from its router and looks into the router's log: words of the API and back."""

from collections.abc import Sequence
from typing import Final

from worker.core.diagnosis.verification import Probe
from worker.routeros.connection import Command, Reply

PINGS: Final = 3
_LINES: Final = 5


def probe_commands(address: str) -> list[Command]:
    """A few pings, and the DHCP lines of the log (a thousand lines at most: its default)."""
    return [
        ("/ping", f"=address={address}", f"=count={PINGS}"),
        ("/log/print", "=.proplist=.id,time,topics,message", "?topics=dhcp,info"),
    ]


def probed(replies: Sequence[Reply], mac: str) -> Probe:
    """What came for those."""
    ping, log = replies
    last = ping.rows[-1] if ping.rows else {}
    lines = [
        f"{row.get('time', '')} {row.get('message', '')}".strip()
        for row in log.rows
        if mac in row.get("message", "").upper()
    ]
    return Probe(
        sent=_number(last.get("sent", "")),
        received=_number(last.get("received", "")),
        refusal="; ".join(ping.traps),
        log=None if log.traps else tuple(lines[-_LINES:]),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
