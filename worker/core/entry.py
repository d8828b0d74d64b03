"""What a router must hold for a service: the fields of its row, or absence; and the claims."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Entry:
    """The wanted state of one service on one router.

    Attributes:
        service_id: whose entry it is.
        fields: RouterOS names to normal-form values of every field that the policy manages
            (`mac-address`, `address`, `server`, `block-access`, …); None means absent.
        label: text to put behind our tag when a row is made; never compared.
    """

    service_id: str
    fields: Mapping[str, str] | None
    label: str = ""

    @property
    def digest(self) -> str:
        """Names this content: equal digests, equal entries."""
        return digest_of(self.fields)


def digest_of(fields: Mapping[str, str] | None) -> str:
    """A short hash over fields; `absent` for None."""
    if fields is None:
        return "absent"
    text = json.dumps(sorted(fields.items()), separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Claim(NamedTuple):
    """The sole right of one service to a MAC address or an IPv4 address on one router.

    Attributes:
        key: `mac:AA:BB:CC:DD:EE:FF` or `address:198.51.100.10`.
        scope: the DHCP server of a MAC; `all` meets every server, and is the scope of addresses.
    """

    key: str
    scope: str
