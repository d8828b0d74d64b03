"""The rows of a router, as read, and our tag in their comments.

A row is valid only for the read that returned it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final, Literal, NamedTuple

MenuPath = Literal[
    "/ip/dhcp-server/lease",
    "/ip/dhcp-server/option",
    "/ip/firewall/address-list",
    "/ipv6/dhcp-server/binding",
    "/ipv6/firewall/address-list",
    "/queue/simple",
]
LEASES: Final = "/ip/dhcp-server/lease"
OPTIONS: Final = "/ip/dhcp-server/option"
ADDRESS_LISTS: Final = "/ip/firewall/address-list"
BINDINGS: Final = "/ipv6/dhcp-server/binding"
ADDRESS_LISTS6: Final = "/ipv6/firewall/address-list"
"""Holds prefixes; a single address is a /128."""
QUEUES: Final = "/queue/simple"
ANY_SERVER: Final = "all"
"""RouterOS's name for all DHCP servers of a router."""
NO_MAC: Final = "00:00:00:00:00:00"
"""A row with it does not match by MAC address."""
NO_DEVICE: Final = frozenset({NO_MAC, ""})
"""What a row for no device in particular has in place of one."""
NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a field's value, no socket is bound to it
"""A row with it gives an address of its server's pool."""

OPTION_82: Final = "option-82"
"""Field of the lease form with both ids of option 82 (`worker/core/rows/option82.py`)."""
DEVICE_FIELDS: Final[Mapping[str, str]] = {
    "mac-address": "mac",
    OPTION_82: "option-82",
    "name": "name",
}
"""What a router knows a device by, in lease form: its MAC, the ids that its access node adds, or
the name that it logs in with. The first that a row states counts. With the words of claims."""

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_is_ipv4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch


def is_host_address(address: str) -> bool:
    """Return whether a field `address` is a single address: not `0.0.0.0`, not a pool."""
    return address != NO_ADDRESS and _is_ipv4(address) is not None


def scopes_meet(a: str, b: str) -> bool:
    """Return whether claims of one key with these scopes exclude each other."""
    return a == b or ANY_SERVER in (a, b)


def device_field(fields: Mapping[str, str]) -> str:
    """Return which field of a row in lease form names its device."""
    if fields.get("mac-address", "") not in NO_DEVICE:
        return "mac-address"
    if fields.get(OPTION_82):
        return OPTION_82
    return next((name for name in DEVICE_FIELDS if name in fields), "name")


def device_of(fields: Mapping[str, str]) -> str:
    """Return the MAC, the ids or the name of the device in a row in lease form."""
    return fields.get(device_field(fields), "")


class Identity(NamedTuple):
    """The fields that identify a lease and that RouterOS allows once."""

    device: str
    address: str
    server: str


def identity_of(fields: Mapping[str, str]) -> Identity:
    """Return the identity in the fields of a row."""
    return Identity(device_of(fields), fields["address"], fields["server"])


class ListPlace(NamedTuple):
    """An address, or an IPv6 prefix, in an address list; RouterOS allows one row for each."""

    list: str
    address: str


def list_menu(place: ListPlace) -> MenuPath:
    """Return the menu of a place in an address list: IPv4 and IPv6 have one each."""
    return ADDRESS_LISTS6 if ":" in place.address else ADDRESS_LISTS


class RowKey(NamedTuple):
    """Names a row of a router while its read is valid."""

    menu: MenuPath
    id: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a menu that we write.

    Attributes:
        id: RouterOS's `.id`, such as `*1A`; never stored.
        fields: RouterOS's names to values in the normal form of `worker/core/rows/menus.py`; where
            RouterOS leaves a key out, its default there, such as server `all`.
        comment: as the router keeps it; bytes that are not UTF-8 are surrogate-escaped.
        disabled: by hand; such a lease is not in RouterOS's MAC index.
    """

    menu: ClassVar[MenuPath]

    id: str
    fields: Mapping[str, str]
    comment: str = ""
    dynamic: bool = False
    disabled: bool = False
    key: RowKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find what every step asks for."""
        object.__setattr__(self, "key", RowKey(self.menu, self.id))

    def own_tag(self, installation: str) -> "Tag | None":
        """Return the tag of an installation on it; None: it has none, or the router made it."""
        tag = None if self.dynamic else parse_tag(self.comment)
        return tag if tag is not None and tag.installation == installation else None

    @property
    def read(self) -> dict[str, str]:
        """Its fields and its comment, as they were read."""
        return {**self.fields, "comment": self.comment}


@dataclass(frozen=True, slots=True)
class Lease(Row):
    """One entry, in lease form.

    Attributes:
        radius: made by RADIUS, so we never touch it.
        device: what names the device that the row is for; `NO_MAC` or empty: of any.
    """

    menu: ClassVar[MenuPath] = LEASES

    radius: bool = False
    device: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find what every step asks for."""
        object.__setattr__(self, "key", RowKey(LEASES, self.id))
        object.__setattr__(self, "device", device_of(self.fields))

    @property
    def identity(self) -> Identity:
        """What identifies it."""
        return Identity(self.device, self.fields["address"], self.fields["server"])

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
        """The row as text for a person, without the part of the MAC that identifies the device."""
        kind = "dynamic row" if self.dynamic else "row"
        comment = f", comment {self.comment!r}" if self.comment else ""
        device = self.device
        if device_field(self.fields) == "mac-address":
            device = f"{device[:8]}:**:**:**"
        return f"{kind} {self.address} ({device} on {self.server}{comment})"


@dataclass(frozen=True, slots=True)
class OptionRow(Row):
    """One row of `/ip/dhcp-server/option`, which leases name in their field `dhcp-option`."""

    menu: ClassVar[MenuPath] = OPTIONS

    @property
    def option(self) -> str:
        """Its name on the router."""
        return self.fields["name"]


@dataclass(frozen=True, slots=True)
class ListedAddress(Row):
    """One row of `/ip/firewall/address-list` or of its sister for IPv6."""

    @property
    def menu(self) -> MenuPath:  # type: ignore[override]
        """That of the family of its address."""
        return list_menu(self.place)

    @property
    def place(self) -> ListPlace:
        """The list and the address."""
        return ListPlace(self.fields["list"], self.fields["address"])

    @property
    def name(self) -> str:
        """The row as text for a person."""
        kind = "dynamic row" if self.dynamic else "row"
        comment = f" (comment {self.comment!r})" if self.comment else ""
        return f"{kind} {self.fields['address']} in address list {self.fields['list']}{comment}"


def client_name(client: tuple[str, str]) -> str:
    """Return a DHCPv6 client as text for a person; the end of its DUID may be a MAC address."""
    duid, iaid = client
    return f"DUID {duid[:-6]}******, IAID {iaid}"


@dataclass(frozen=True, slots=True)
class BindingRow(Row):
    """One row of `/ipv6/dhcp-server/binding`: the prefix, or the address, of a DHCPv6 client.

    Attributes:
        status: of RouterOS: `bound`, `offered` or `waiting`.
        client_address: the link-local address that the client sent from last; empty: not known.
        client_mac: MAC that answers for this address, of `/ipv6/neighbor`; empty: not known.
        last_seen_s: how long ago the client asked; None: never, or not known.
        expires_in_s: when it ends unless the client renews it; None: not known.
    """

    menu: ClassVar[MenuPath] = BINDINGS

    status: str = ""
    client_address: str = ""
    client_mac: str = ""
    last_seen_s: int | None = None
    expires_in_s: int | None = None
    radius: bool = False

    @property
    def address(self) -> str:
        """A prefix such as `2001:db8::/56`; a single address is a /128."""
        return self.fields["address"]

    @property
    def ia(self) -> str:
        """`pd`: a delegated prefix, `na`: an address of the client itself."""
        return self.fields["ia-type"]

    @property
    def server(self) -> str:
        """A DHCPv6 server's name, or `all`."""
        return self.fields["server"]

    @property
    def client(self) -> tuple[str, str]:
        """DUID and IAID: what RouterOS knows a client by."""
        return self.fields["duid"], self.fields["iaid"]

    @property
    def place(self) -> tuple[str, ...]:
        """What tells the row from others: kind, prefix and client."""
        return self.ia, self.address, *self.client

    @property
    def name(self) -> str:
        """The row as text for a person, without the part of the DUID that identifies the device."""
        kind = "dynamic binding" if self.dynamic else "binding"
        comment = f", comment {self.comment!r}" if self.comment else ""
        return f"{kind} {self.address} ({client_name(self.client)} on {self.server}{comment})"


_PREFIX: Final = "leasewire:"
_BETWEEN: Final = "/"
# As the service ids of the contract (`contracts/values.py`): any other character ends the tag.
_END: Final = "(?![A-Za-z0-9._:-])"
_TAG: Final = re.compile(
    rf"{_PREFIX}([^:\s]+):([A-Za-z0-9._:-]{{1,64}}){_END}(?:{_BETWEEN}([2-8]){_END})?\s?"
)


def member_id(service_id: str, number: str) -> str:
    """Return what names the rows of a device of a service: `SVC-1`, of a further one `SVC-1/2`.

    No service id has a slash.
    """
    return f"{service_id}{_BETWEEN}{number}" if number else service_id


def service_of_member(member: str) -> str:
    """Return the service of a `member_id`."""
    return member.partition(_BETWEEN)[0]


def number_of_member(member: str) -> str:
    """Return the number of the further device of a `member_id`; empty: it is of the first one."""
    return member.partition(_BETWEEN)[2]


class Tag(NamedTuple):
    """A tag at the start of a comment.

    Attributes:
        rest: the operators' text after the tag.
        number: of a further device of the service; empty: of its first one.
    """

    installation: str
    service_id: str
    rest: str
    number: str = ""

    @property
    def member(self) -> str:
        """Whose row it is: `member_id`."""
        return member_id(self.service_id, self.number)


def tag_text(installation: str, service_id: str) -> str:
    """Return the tag of a service's row: `leasewire:<installation>:<service>`.

    Of a further device `service_id` is its `member_id`.
    """
    return f"{_PREFIX}{installation}:{service_id}"


@lru_cache(maxsize=4096)  # each step of a round reads those of the whole batch
def parse_tag(comment: str) -> Tag | None:
    """Read the tag at the start of a comment; None where there is none.

    An installation id has no colon, a service id may have some. The tag ends where a service id
    ends, as people add text without a space.
    """
    match = _TAG.match(comment)
    rest = "" if match is None else comment[match.end() :]
    return None if match is None else Tag(match[1], match[2], rest, match[3] or "")


def comment_for(installation: str, service_id: str, rest: str = "") -> str:
    """Return a comment that starts with our tag, followed by `rest`."""
    tag = tag_text(installation, service_id)
    return f"{tag} {rest}" if rest else tag
