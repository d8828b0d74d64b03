"""`leasewire publish activated`, `… mac-changed` and the like: one event said by options.

Who calls it: the command line, by way of `publish.py`, which makes a command of each of `EVENTS`.
What must never enter it: rules of the contract, which is asked as for any other event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from inspect import Parameter, Signature
from typing import Annotated, Any, Final

import typer

SOURCE: Final = "urn:leasewire:cli"


class Mode(StrEnum):
    """How a service is suspended."""

    BLOCK = "block"
    WALLED_GARDEN = "walled_garden"
    THROTTLE = "throttle"


class Status(StrEnum):
    """Whether a service is suspended."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Option:
    """One option, and the place in the event that it fills.

    Attributes:
        flag: as it is typed.
        place: names from the event's top down, with dots.
        help: what it is.
        kind: what it is read as.
        default: `...` when it must be given, None when it may be left out.
        form: makes the value of the event from that of the option.
    """

    flag: str
    place: str
    help: str
    kind: Any = str
    default: Any = None
    form: Callable[[Any], object] = lambda value: value

    @property
    def name(self) -> str:
        """Name of the parameter: the flag without its dashes."""
        return self.flag.removeprefix("--").replace("-", "_")

    def parameter(self) -> Parameter:
        """The option as Typer reads it off a signature."""
        kind = self.kind if self.default is not None else self.kind | None
        metavar = None if self.kind in (Mode, Status) else self.name.upper()
        return Parameter(
            self.name,
            Parameter.KEYWORD_ONLY,
            annotation=Annotated[kind, typer.Option(self.flag, help=self.help, metavar=metavar)],
            default=Parameter.empty if self.default is ... else self.default,
        )


_COMMON: Final = (
    Option("--service", "data.service_id", "The service, as the BSS names it.", default=...),
    Option("--customer", "data.customer_id", "The customer's id."),
    Option("--revision", "data.revision", "The service's counter, where the source counts.", int),
    Option("--reason", "data.reason.code", "Why, in one word."),
    Option("--source", "source", "Who says it.", default=SOURCE),
    Option("--time", "time", "When it happened, like 2026-11-24T09:15:00Z; else now."),
    Option("--id", "id", "The event's id; else it follows from the event."),
)
_MAC: Final = "MAC address of the device, in any spelling."
_STATE: Final = (
    Option("--router", "data.service.access.router", "Its name in the inventory.", default=...),
    Option("--mac", "data.service.device.mac", _MAC, default=...),
    Option(
        "--address",
        "data.service.address",
        "Its IPv4 address.",
        form=lambda ipv4: {"mode": "static", "ipv4": ipv4},
    ),
    Option(
        "--pool",
        "data.service.address",
        "Instead of an address: any of this pool.",
        form=lambda pool: {"mode": "pool", "pool": pool},
    ),
    Option("--server", "data.service.access.dhcp_server", "DHCP server; else by policy."),
    Option("--label", "data.service.label", "For the router's comment, by policy."),
    Option("--dns", "data.service.dns_servers", "DNS server of its own; repeatable.", list[str]),
)
_MODE: Final = "How; else the router's policy decides."

EVENTS: Final[Mapping[str, tuple[str, Sequence[Option]]]] = {
    "activated": (
        """Say that a service may use the network; what is left out gets its default.

        Example: leasewire publish activated --service SVC-1001 --router tower-7 --mac
        00:00:5E:00:53:01 --address 198.51.100.10
        """,
        _STATE,
    ),
    "snapshot": (
        """Say how a service is now, in full; what is left out gets its default.

        Example: leasewire publish snapshot --service SVC-1001 --router tower-7 --mac
        00:00:5E:00:53:01 --address 198.51.100.10 --status suspended
        """,
        (
            *_STATE,
            Option("--status", "data.service.status", "As it is now.", Status, Status.ACTIVE),
            Option("--mode", "data.service.suspension.mode", _MODE, Mode),
        ),
    ),
    "mac-changed": (
        """Say that the device of a service has another MAC address.

        Example: leasewire publish mac-changed --service SVC-1001 --mac 00:00:5E:00:53:02
        """,
        (
            Option("--mac", "data.mac", _MAC, default=...),
            Option("--previous-mac", "data.previous_mac", "A cross-check, which only warns."),
        ),
    ),
    "suspended": (
        """Say that a service is suspended until it is resumed.

        Example: leasewire publish suspended --service SVC-1001 --mode block
        """,
        (
            Option("--mode", "data.suspension.mode", _MODE, Mode),
            Option("--reason-code", "data.suspension.reason_code", "Kept with the service."),
        ),
    ),
    "resumed": (
        """Say that a service is no longer suspended.

        Example: leasewire publish resumed --service SVC-1001 --reason payment_received
        """,
        (),
    ),
    "cancelled": (
        """Say that a service has ended; its MAC and its address are free at once.

        Example: leasewire publish cancelled --service SVC-1001 --reason customer_request
        """,
        (),
    ),
}


def event_of(name: str, given: Mapping[str, Any]) -> dict[str, object]:
    """Make the event that a command's options say.

    Raises:
        typer.BadParameter: two options fill the same place.
    """
    event: dict[str, Any] = {"type": f"leasewire.service.{name.replace('-', '_')}.v1"}
    if name == "activated":
        _put(event, "data.service.status", "active")
    filled: dict[str, str] = {}
    for option in (*EVENTS[name][1], *_COMMON):
        value = given[option.name]
        if value is None:
            continue
        other = filled.setdefault(option.place, option.flag)
        if other != option.flag:
            raise typer.BadParameter(f"give {other} or {option.flag}, not both")
        _put(event, option.place, option.form(value))
    return event


def _put(event: dict[str, Any], place: str, value: object) -> None:
    *above, last = place.split(".")
    for step in above:
        event = event.setdefault(step, {})
    event[last] = value


def command_of(
    name: str, send: Callable[..., None], own: Sequence[Parameter]
) -> Callable[..., None]:
    """Make the function of one event's command, for Typer to read its signature.

    Args:
        name: of the event, one of `EVENTS`.
        send: takes the event's name, the event and the values of `own`.
        own: parameters that every such command has besides.
    """
    text, options = EVENTS[name]

    def command(**given: Any) -> None:  # noqa: ANN401 - the signature below says
        others = {parameter.name: given.pop(parameter.name) for parameter in own}
        send(name, event_of(name, given), **others)

    fields = [option.parameter() for option in (*_COMMON[:1], *options, *_COMMON[1:])]
    command.__signature__ = Signature([*fields, *own])  # type: ignore[attr-defined]  # read by inspect
    command.__doc__ = text
    return command
