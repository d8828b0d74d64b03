"""A service's own rows of `/ipv6/dhcp-server/binding`, and whose device asks for a binding.

RouterOS knows a DHCPv6 client by its DUID and IAID alone. A BSS rarely knows these, so they are
learned from the dynamic binding of the device with the service's MAC address.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Final, Literal, NamedTuple

IS_PREFIX: Final = "pd"
IS_ADDRESS: Final = "na"
IAS: Final = (IS_PREFIX, IS_ADDRESS)
_ON_ETHERNET: Final = re.compile(r"0x(?:00030001|00010001[0-9a-f]{8})([0-9a-f]{12})")
"""DUID-LL (3), and DUID-LLT (1) with its time, of hardware type 1; RFC 8415."""
_HOST_BITS: Final = (1 << 64) - 1
_EUI: Final = 0xFFFE
_LOCAL_BIT: Final = 1 << 41


class OwnBinding(NamedTuple):
    """A binding of a service.

    Attributes:
        ia: `pd`: a delegated prefix, `na`: an address of the device itself.
        address: the prefix, such as `2001:db8::/56`; an address as a /128. In normal form.
        duid: of the client, such as `0x00030001…`; empty: to be learned.
        iaid: of the client, decimal; empty: to be learned.
        mac: of the device whose DUID or IAID is learned; empty: both are stated.
        rate: its rate limit; None: left to others, as in the following.
        lists: comma separated, the address lists that its prefix joins while it is bound.
        options: names of DHCPv6 options, comma separated.
        life_time: in normal form.
    """

    ia: Literal["pd", "na"]
    address: str
    server: str = "all"
    duid: str = ""
    iaid: str = ""
    mac: str = ""
    rate: str | None = None
    lists: str | None = None
    options: str | None = None
    life_time: str | None = None

    @property
    def client(self) -> tuple[str, str]:
        """DUID and IAID, each empty until it is learned."""
        return self.duid, self.iaid

    @property
    def place(self) -> tuple[str, ...]:
        """What tells its row from others, as `BindingRow.place`."""
        return self.ia, self.address, *self.client

    @property
    def is_known(self) -> bool:
        """Whether it is known which client it is for, so that its row can exist."""
        return bool(self.duid and self.iaid)


def binding_fields(binding: OwnBinding) -> dict[str, str]:
    """Return the fields of the binding's row that are ours, in normal form."""
    left_open = {
        "rate-limit": binding.rate,
        "address-lists": binding.lists,
        "dhcp-option": binding.options,
        "life-time": binding.life_time,
    }
    return {
        "address": binding.address,
        "duid": binding.duid,
        "iaid": binding.iaid,
        "server": binding.server,
        **({"ia-type": IS_ADDRESS} if binding.ia == IS_ADDRESS else {}),
        **{name: value for name, value in left_open.items() if value is not None},
    }


def are_written(wanted: Sequence[OwnBinding], written: Sequence[OwnBinding]) -> bool:
    """Return whether bindings are written as wanted, whichever client was learned or was not."""
    return len(wanted) == len(written) and all(
        _forget(there, binding) == binding for binding, there in zip(wanted, written, strict=True)
    )


def _forget(written: OwnBinding, wanted: OwnBinding) -> OwnBinding:
    """The binding without what was learned."""
    return written._replace(
        duid=written.duid if wanted.duid else "", iaid=written.iaid if wanted.iaid else ""
    )


def mac_in_duid(duid: str) -> str:
    """Return the MAC address in a DUID of the forms LL and LLT; empty: there is none."""
    match = _ON_ETHERNET.fullmatch(duid)
    return "" if match is None else _as_mac(int(match[1], 16))


def mac_in_link_local(address: str) -> str:
    """Return the MAC address that a link-local address was made from (EUI-64); empty: none."""
    try:
        host = IPv6Address(address.partition("%")[0])
    except ValueError:
        return ""
    bits = int(host) & _HOST_BITS
    if not host.is_link_local or bits >> 24 & 0xFFFF != _EUI:
        return ""
    return _as_mac(((bits >> 40 << 24) | (bits & 0xFFFFFF)) ^ _LOCAL_BIT)


def _as_mac(number: int) -> str:
    digits = f"{number:012X}"
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
