"""`leasewire publish activated`, `… mac-changed` and the like: one event said by options."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from inspect import Parameter, Signature
from typing import Annotated, Any, Final

import typer

from contracts import Problem
from leasewire.actor import actor_of

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
        metavar = None if self.kind in (Mode, Status, bool) else self.name.upper()
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
    Option("--actor", "actor", "Who acts; else the user of this system. Kept in the history."),
)
_WHEN: Final = Option(
    "--effective-at", "data.effective_at", "When it is to happen, like 2026-12-01T00:00:00Z."
)
_MAC: Final = "MAC address of the device, in any spelling."
_ROUTER: Final = "Its name in the inventory."
_SERVER: Final = "DHCP server; else by policy."
_MODE: Final = "How; else the router's policy decides."
_CHECK: Final = "A cross-check, which only warns."


def _address(place: str) -> tuple[Option, Option]:
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
            "Instead of an address: any of this pool.",
            form=lambda pool: {"mode": "pool", "pool": pool},
        ),
    )


def _dhcp_options(given: Sequence[str]) -> list[object]:
    """Read `42=c6336435`; what is not of this form is left for the contract to name."""
    parts = [text.partition("=") for text in given]
    return [{"code": int(c) if c.isdecimal() else c, "hex": h} for c, _, h in parts]


def _none(flag: str, place: str, help_: str) -> Option:
    return Option(flag, place, help_, bool, form=lambda _: [])


_STATE: Final = (
    Option("--router", "data.service.access.router", _ROUTER, default=...),
    Option("--mac", "data.service.device.mac", _MAC, default=...),
    *_address("data.service.address"),
    Option("--server", "data.service.access.dhcp_server", _SERVER),
    Option("--serial", "data.service.device.serial", "Serial number of the device."),
    Option("--plan", "data.service.plan.code", "Its plan, by the code of the catalogue."),
    Option("--label", "data.service.label", "For the router's comment, by policy."),
    Option("--dns", "data.service.dns_servers", "DNS server of its own; repeatable.", list[str]),
    _WHEN,
)

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
            Option("--previous-mac", "data.previous_mac", _CHECK),
            _WHEN,
        ),
    ),
    "device-swapped": (
        """Say that a service has another device; what is left out of it becomes none.

        Example: leasewire publish device-swapped --service SVC-1001 --mac 00:00:5E:00:53:03
        --serial HX9876
        """,
        (
            Option("--mac", "data.device.mac", _MAC, default=...),
            Option("--serial", "data.device.serial", "Its serial number."),
            Option("--circuit-id", "data.device.circuit_id", "DHCP option 82, circuit id."),
            Option("--remote-id", "data.device.remote_id", "DHCP option 82, remote id."),
            Option("--previous-mac", "data.previous_device.mac", _CHECK),
            _WHEN,
        ),
    ),
    "address-changed": (
        """Say that a service has another address, or one of a pool.

        Example: leasewire publish address-changed --service SVC-1001 --address 198.51.100.20
        """,
        (*_address("data.address"), _WHEN),
    ),
    "dns-changed": (
        """Say which DNS servers the device of a service is to ask: these, in this order.

        Example: leasewire publish dns-changed --service SVC-1001 --dns 198.51.100.53
        """,
        (
            Option("--dns", "data.dns_servers", "DNS server; repeatable.", list[str]),
            _none("--none", "data.dns_servers", "None of its own: those of the router."),
            _WHEN,
        ),
    ),
    "options-changed": (
        """Say which DHCP options the device of a service is to be given: these and no others.

        Example: leasewire publish options-changed --service SVC-1001 --option 42=c6336435
        """,
        (
            Option(
                "--option",
                "data.options",
                "Code and bytes, like 42=c6336435; repeatable.",
                list[str],
                form=_dhcp_options,
            ),
            _none("--none", "data.options", "None."),
            _WHEN,
        ),
    ),
    "plan-changed": (
        """Say that a customer has another plan.

        Example: leasewire publish plan-changed --service SVC-1001 --plan HOME-100
        --effective-at 2026-12-01T00:00:00Z
        """,
        (
            Option("--plan", "data.plan.code", "By the code of the catalogue.", default=...),
            Option("--down-kbps", "data.plan.down_kbps", "Rate to the customer, kbit/s.", int),
            Option("--up-kbps", "data.plan.up_kbps", "Rate from the customer, kbit/s.", int),
            Option("--previous-plan", "data.previous_plan_code", _CHECK),
            _WHEN,
        ),
    ),
    "moved": (
        """Say that a service is at another router; without an address it keeps its own.

        What it leaves on the old one is cleaned, when that can be reached.

        Example: leasewire publish moved --service SVC-1001 --router tower-9 --address
        198.51.100.130
        """,
        (
            Option("--router", "data.access.router", _ROUTER, default=...),
            Option("--server", "data.access.dhcp_server", _SERVER),
            *_address("data.address"),
            Option("--previous-router", "data.previous_access.router", _CHECK),
            _WHEN,
        ),
    ),
    "suspended": (
        """Say that a service is suspended until it is resumed.

        Example: leasewire publish suspended --service SVC-1001 --mode block
        """,
        (
            Option("--mode", "data.suspension.mode", _MODE, Mode),
            Option("--reason-code", "data.suspension.reason_code", "Kept with the service."),
            _WHEN,
        ),
    ),
    "resumed": (
        """Say that a service is no longer suspended.

        Example: leasewire publish resumed --service SVC-1001 --reason payment_received
        """,
        (_WHEN,),
    ),
    "cancelled": (
        """Say that a service has ended; its MAC and its address are free at once.

        Example: leasewire publish cancelled --service SVC-1001 --reason customer_request
        """,
        (_WHEN,),
    ),
    "schedule-withdrawn": (
        """Say that scheduled events of a service do not happen, even before they come.

        Example: leasewire publish schedule-withdrawn --service SVC-1001 --event
        0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a04
        """,
        (
            Option(
                "--event", "data.withdraws", "Id of the event; repeatable.", list[str], default=...
            ),
        ),
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
    if event["source"] == SOURCE:
        event.setdefault("actor", actor_of(None))
    return event


def flag_of(name: str, event: Mapping[str, Any], problem: Problem) -> str:
    """The option that filled the place of a problem, with what was given; empty: none did."""
    place = problem.pointer.removeprefix("/").replace("/", ".")
    for option in (*EVENTS[name][1], *_COMMON):
        if place != option.place and not place.startswith(f"{option.place}."):
            continue
        value: Any = event
        for step in place.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            flags = {"pool": "--pool", "ipv4": "--address"}
            return f"{flags.get(place.rpartition('.')[2], option.flag)} {value!r}"
    return ""


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
