"""The attributes that say what RADIUS gives a device, as User Manager has them: one text."""

from collections.abc import Mapping
from typing import Final

from worker.core.rows.rows import ListPlace

FRAMED_ADDRESS: Final = "Framed-IP-Address"
FRAMED_POOL: Final = "Framed-Pool"
RATE_LIMIT: Final = "Mikrotik-Rate-Limit"
ADDRESS_LIST: Final = "Mikrotik-Address-List"
OPTION_SET: Final = "Mikrotik-DHCP-Option-Set"


def pairs(text: str) -> dict[str, str]:
    """Return the attributes of a text `Name:value,Name:value`."""
    parts = (part.partition(":") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def listed_by(fields: Mapping[str, str] | None) -> frozenset[ListPlace]:
    """Return the row that an access router makes in an address list for a row in lease form.

    Its address is that of the row: of a pool the router takes the one that the device got.
    """
    held = pairs(fields.get("attributes", "")) if fields else {}
    if not fields or ADDRESS_LIST not in held:
        return frozenset()
    return frozenset({ListPlace(held[ADDRESS_LIST], fields["address"])})
