"""Which DHCP options something on a router names, as words of the API and back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from worker.routeros.connection import Command

USER_PRINTS: Final[Sequence[Command]] = (
    ("/ip/dhcp-server/lease/print", "=.proplist=dhcp-option"),
    ("/ip/dhcp-server/network/print", "=.proplist=dhcp-option"),
    # whoever names a set, server, network or lease, names its options by it
    ("/ip/dhcp-server/option/sets/print", "=.proplist=options"),
)


def named_options(rows: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """The names in the rows that came for those prints."""
    lists = (row.get("dhcp-option", "") + "," + row.get("options", "") for row in rows)
    return frozenset(name for each in lists for name in each.split(",") if name)
