"""From when a change acts that was written and read back. Who calls it: `endings.py`.

RouterOS tells devices nothing: a lease that was changed acts when its device asks the next time.
"""

from collections.abc import Collection
from typing import Final

from worker.core.entry import ANY_SERVER, Entry
from worker.core.rows import ADDRESS_LISTS, MenuPath

AT_ONCE: Final = "at the router at once"


def effective_by(entry: Entry, registers: Collection[str], touched: Collection[MenuPath]) -> str:
    """One sentence on an event; empty where nothing was written.

    Args:
        entry: what the router holds now.
        registers: what the event wrote.
        touched: the menus that were written for the service.
    """
    if not touched:
        return ""
    listed = ADDRESS_LISTS in touched
    if listed and (set(registers) == {"suspension"} or len(touched) == 1):
        return AT_ONCE
    return f"from the device's next renewal, at the latest by {_lease_time(entry)}"


def _lease_time(entry: Entry) -> str:
    fields = entry.fields or {}
    if fields.get("lease-time"):
        return f"the end of its lease time of {fields['lease-time']}"
    server = fields.get("server", ANY_SERVER)
    whose = "its DHCP server" if server == ANY_SERVER else f"DHCP server {server}"
    return f"the end of the lease time of {whose}"
