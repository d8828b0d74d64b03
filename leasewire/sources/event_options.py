"""The options of `leasewire publish EVENT`, and their places in an event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from leasewire.given_files import password_in

Mode = Literal["block", "walled_garden", "throttle"]
"""How a service is suspended."""
Status = Literal["active", "suspended"]
"""Whether a service is suspended."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, and its place in the event.

    Attributes:
        flag: the option as typed.
        place: path in the event, with dots.
        help: the help text.
        kind: type of its value.
        default: `...` if it is required, None if it is optional.
        form: turns the value of the option into that of the event.
    """

    flag: str
    place: str
    help: str
    kind: Any = str
    default: Any = None
    form: Callable[[Any], object] = lambda value: value

    @property
    def name(self) -> str:
        """Name of the parameter: the flag without dashes."""
        return self.flag.removeprefix("--").replace("-", "_")

    def parameter(self) -> Parameter:
        """The option as a parameter of a function, for Typer."""
        kind = self.kind if self.default is not None else self.kind | None
        metavar = None if self.kind in (Mode, Status, bool) else self.name.upper()
        return Parameter(
            self.name,
            Parameter.KEYWORD_ONLY,
            annotation=Annotated[kind, typer.Option(self.flag, help=self.help, metavar=metavar)],
            default=Parameter.empty if self.default is ... else self.default,
        )


_IDS: Final = "DHCP option 82: text, or 0x and hex digits"
MAC: Final = "MAC address of the device, in any spelling."


def device_options(place: str) -> tuple[Option, ...]:
    """The options of the part `device` at a place."""
    return (
        Option("--mac", f"{place}.mac", MAC),
        Option("--circuit-id", f"{place}.circuit_id", f"Circuit id, {_IDS}."),
        Option("--remote-id", f"{place}.remote_id", f"Remote id, {_IDS}."),
        Option("--serial", f"{place}.serial", "Its serial number."),
    )


def address_options(place: str) -> tuple[Option, ...]:
    """The options that fill the part `address` at a place."""
    return (
        Option(
            "--address",
            place,
            "Its IPv4 address.",
            form=lambda ipv4: {"mode": "static", "ipv4": ipv4},
        ),
        Option(
            "--pool",
            place,
            "Any address of this pool, instead of --address.",
            form=lambda pool: {"mode": "pool", "pool": pool},
        ),
        Option(
            "--assigned-pool",
            place,
            "Leasewire assigns one of this pool of the inventory, instead of --address.",
            form=lambda pool: {"mode": "assigned", "pool": pool},
        ),
    )


def ipv6_options(place: str) -> tuple[Option, ...]:
    """The options of the part `ipv6` at a place."""
    return (
        Option(
            "--ipv6-prefix",
            f"{place}.prefix",
            "Its IPv6 prefix, such as 2001:db8:1:100::/56.",
            form=lambda prefix: {"mode": "static", "ipv6": prefix},
        ),
        Option(
            "--assigned-ipv6-pool",
            f"{place}.prefix",
            "Leasewire assigns a prefix of this pool of the inventory, instead of --ipv6-prefix.",
            form=lambda pool: {"mode": "assigned", "pool": pool},
        ),
        Option("--ipv6-address", f"{place}.address", "Its IPv6 address, besides the prefix."),
        Option("--duid", f"{place}.duid", "DUID of its DHCPv6 client. Default: learned."),
        Option("--iaid", f"{place}.iaid", "IAID of its DHCPv6 client. Default: learned.", int),
    )


def login_options(place: str, *, needed: bool = False) -> tuple[Option, ...]:
    """The options of the part `ppp` at a place; its password is never on the command line."""
    default = ... if needed else None
    instead = "" if needed else ", instead of --mac"
    return (
        Option(
            "--ppp-name",
            f"{place}.name",
            f"Name with which it logs in by PPPoE{instead}.",
            default=default,
        ),
        Option(
            "--ppp-password-file",
            f"{place}.password",
            "File whose first line is its password; - is standard input.",
            Path,
            default=default,
            form=password_in,
        ),
    )


def dhcp_options(given: Sequence[str]) -> list[object]:
    """Read `42=c6336435`; the contract reports values of another form."""
    parts = [text.partition("=") for text in given]
    return [{"code": int(c) if c.isdecimal() else c, "hex": h} for c, _, h in parts]


def none_option(flag: str, place: str, help_: str) -> Option:
    """An option that fills a place with an empty list."""
    return Option(flag, place, help_, bool, form=lambda _: [])
