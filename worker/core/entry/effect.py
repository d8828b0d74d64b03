"""From when a confirmed change takes effect at the device.

RouterOS pushes nothing to devices: a changed lease takes effect at the device's next request.
"""

from collections.abc import Collection
from typing import Any, Final

from worker.core.entry.entry import Entry
from worker.core.rows.normal import seconds
from worker.core.rows.rows import ADDRESS_LISTS, ANY_SERVER, MenuPath

AT_ONCE: Final = "at-once"
_LEASE: Final = "lease "
_SERVER: Final = "server "
_RENEWAL: Final = "at the device's next renewal, at the latest by the end of "


def effective_by(entry: Entry, registers: Collection[str], touched: Collection[MenuPath]) -> str:
    """Return from when an event takes effect, in short form; empty where nothing was written.

    Args:
        entry: on the router now.
        registers: that the event wrote.
        touched: menus that were written for the service.

    Returns:
        `at-once`, or the time until the device asks again: `lease TIME` with the lease's own time,
        `server NAME` for that of its DHCP server, which is `all` where any may serve it.
    """
    if not touched:
        return ""
    listed = ADDRESS_LISTS in touched
    if listed and (set(registers) == {"suspension"} or len(touched) == 1):
        return AT_ONCE
    fields = entry.fields or {}
    if fields.get("lease-time"):
        return _LEASE + fields["lease-time"]
    return _SERVER + fields.get("server", ANY_SERVER)


def describe(short: str) -> str:
    """Return a sentence for the short form of `effective_by`; an unknown form stays unchanged."""
    if short == AT_ONCE:
        return "at once, on the router"
    if short.startswith(_LEASE):
        return f"{_RENEWAL}its lease time of {short.removeprefix(_LEASE)}"
    if short.startswith(_SERVER):
        name = short.removeprefix(_SERVER)
        whose = "its DHCP server" if name == ANY_SERVER else f"DHCP server {name}"
        return f"{_RENEWAL}the lease time of {whose}"
    return short


def data_of(short: str, at_ms: int) -> dict[str, Any] | None:
    """Return the same for programs; None where the short form is empty or unknown.

    Args:
        short: of `effective_by`.
        at_ms: when the change was confirmed, in milliseconds since 1970.

    Returns:
        `kind`: `at-once`, `lease-time` (of the lease) or `server-lease-time` (of the DHCP server,
        named in `server` where it is one); `at_ms`, where the lease time is known: the latest
        moment at which it takes effect; `lease_time_s`.
    """
    kind, _, rest = short.partition(" ")
    if short == AT_ONCE:
        return {"kind": AT_ONCE, "at_ms": at_ms}
    if kind == _SERVER.strip():
        named = {} if rest == ANY_SERVER else {"server": rest}
        return {"kind": "server-lease-time"} | named
    if kind == _LEASE.strip():
        data: dict[str, Any] = {"kind": "lease-time"}
        lease_s = seconds(rest)
        if lease_s is not None:
            data |= {"at_ms": at_ms + lease_s * 1000, "lease_time_s": lease_s}
        return data
    return None
