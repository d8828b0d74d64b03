"""What a router holds, as read. A row is good for the read that gave it, and no longer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Identity(NamedTuple):
    """The fields by which a row is known again, and of which RouterOS allows no duplicates."""

    mac: str
    address: str
    server: str


def identity_of(fields: Mapping[str, str]) -> Identity:
    """The identity that stands in fields by RouterOS's names."""
    return Identity(fields["mac-address"], fields["address"], fields["server"])


@dataclass(frozen=True, slots=True)
class Lease:
    """One row of `/ip/dhcp-server/lease`.

    Attributes:
        id: RouterOS's `.id`, such as `*1A`; never stored.
        fields: RouterOS's names to values in the normal form of `worker/routeros/menus.py`
            (MAC upper case with colons, `yes`/`no`, server `all` where RouterOS leaves the key
            out, `""` or the default where a key is absent).
        comment: as the router keeps it; bytes that are not UTF-8 are surrogate-escaped.
        dynamic: made by the router itself.
        disabled: switched off by hand; such a row leaves RouterOS's MAC index.
        radius: handed out by RADIUS: never ours to touch.
    """

    id: str
    fields: Mapping[str, str]
    comment: str = ""
    dynamic: bool = False
    disabled: bool = False
    radius: bool = False

    @property
    def mac(self) -> str:
        """The MAC address that the row matches on."""
        return self.fields["mac-address"]

    @property
    def address(self) -> str:
        """An IPv4 address, `0.0.0.0`, or the name of a pool."""
        return self.fields["address"]

    @property
    def server(self) -> str:
        """A DHCP server's name, or `all`."""
        return self.fields["server"]

    @property
    def name(self) -> str:
        """The row in words for a person, without the part of the MAC that tells devices apart."""
        kind = "dynamic row" if self.dynamic else "row"
        comment = f", comment {self.comment!r}" if self.comment else ""
        return f"{kind} {self.address} ({self.mac[:8]}:**:**:** on {self.server}{comment})"
