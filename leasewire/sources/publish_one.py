"""`leasewire publish activated`, `… mac-changed` and the like: one event from options."""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, Final

import typer

from contracts.errors import Problem
from leasewire.answer import Answer
from leasewire.context import actor_of
from leasewire.sources.event_options import (
    MAC,
    Mode,
    Option,
    Status,
    address_options,
    device_options,
    dhcp_options,
    ipv6_options,
    login_options,
    none_option,
)

SOURCE: Final = "urn:leasewire:cli"


_COMMON: Final = (
    Option("--service", "data.service_id", "The BSS's id of the service.", default=...),
    Option("--customer", "data.customer_id", "The customer's id."),
    Option(
        "--revision",
        "data.revision",
        "The service's revision, if the source counts revisions.",
        int,
    ),
    Option("--reason", "data.reason.code", "A code for the reason."),
    Option("--source", "source", "The source.", default=SOURCE),
    Option("--time", "time", "When it happened, such as 2026-11-24T09:15:00Z. Default: now."),
    Option("--id", "id", "The event's id. Default: derived from the event."),
    Option("--actor", "actor", "Who acts; kept in the history. Default: the user of this system."),
)
_WHEN: Final = Option(
    "--effective-at", "data.effective_at", "When it takes effect, such as 2026-12-01T00:00:00Z."
)
_NUMBER: Final = "Number of the further device: 2 to 8; the first device is 1."
_ROUTER: Final = "Name of the router in the inventory."
_SERVER: Final = "DHCP server. Default: by policy."
_MODE: Final = "How it is suspended. Default: by policy."
_CHECK: Final = "Cross-check; a difference only warns."


_STATE: Final = (
    Option("--router", "data.service.access.router", _ROUTER, default=...),
    *device_options("data.service.device"),
    *login_options("data.service.ppp"),
    *address_options("data.service.address"),
    *ipv6_options("data.service.ipv6"),
    Option("--server", "data.service.access.dhcp_server", _SERVER),
    Option("--plan", "data.service.plan.code", "Code of its plan."),
    Option("--label", "data.service.label", "Label for the router's comment, by policy."),
    Option("--dns", "data.service.dns_servers", "DNS server; repeatable.", list[str]),
    _WHEN,
)

EVENTS: Final[Mapping[str, tuple[str, Sequence[Option]]]] = {
    "activated": (
        """Publish that a service was activated; omitted values get their defaults.

        Example: leasewire publish activated --service SVC-1001 --router tower-7 --mac
        00:00:5E:00:53:01 --address 198.51.100.10
        """,
        _STATE,
    ),
    "snapshot": (
        """Publish the full state of a service; omitted values get their defaults.

        Example: leasewire publish snapshot --service SVC-1001 --router tower-7 --mac
        00:00:5E:00:53:01 --address 198.51.100.10 --status suspended
        """,
        (
            *_STATE,
            Option("--status", "data.service.status", "Its status now.", Status, "active"),
            Option("--mode", "data.service.suspension.mode", _MODE, Mode),
        ),
    ),
    "mac-changed": (
        """Publish that the device of a service has another MAC address.

        Example: leasewire publish mac-changed --service SVC-1001 --mac 00:00:5E:00:53:02
        """,
        (
            Option("--mac", "data.mac", MAC, default=...),
            Option("--previous-mac", "data.previous_mac", _CHECK),
            _WHEN,
        ),
    ),
    "ppp-changed": (
        """Publish that a service logs in by PPPoE with another name or password: give both.

        Example: leasewire publish ppp-changed --service SVC-1001 --ppp-name ada@isp.example
        --ppp-password-file password
        """,
        (*login_options("data.ppp", needed=True), _WHEN),
    ),
    "device-swapped": (
        """Publish that a service has another device; omitted values are cleared.

        Example: leasewire publish device-swapped --service SVC-1001 --mac 00:00:5E:00:53:03
        --serial HX9876
        """,
        (
            *device_options("data.device"),
            Option("--previous-mac", "data.previous_device.mac", _CHECK),
            *ipv6_options("data.ipv6"),
            _WHEN,
        ),
    ),
    "device-added": (
        """Publish that a service has a further device, or another one in place of that number.

        Example: leasewire publish device-added --service SVC-1001 --number 2 --mac
        00:00:5E:00:53:05 --address 198.51.100.20
        """,
        (
            Option("--number", "data.device.number", _NUMBER, int, default=...),
            *device_options("data.device"),
            *address_options("data.device.address")[:2],
            _WHEN,
        ),
    ),
    "device-removed": (
        """Publish that a further device of a service is no more.

        Example: leasewire publish device-removed --service SVC-1001 --number 2
        """,
        (Option("--number", "data.number", _NUMBER, int, default=...), _WHEN),
    ),
    "address-changed": (
        """Publish that a service has another address or IPv6 prefix, fixed or of a pool.

        Example: leasewire publish address-changed --service SVC-1001 --address 198.51.100.20
        """,
        (*address_options("data.address"), *ipv6_options("data.ipv6"), _WHEN),
    ),
    "dns-changed": (
        """Publish the DNS servers of a service, in this order.

        Example: leasewire publish dns-changed --service SVC-1001 --dns 198.51.100.53
        """,
        (
            Option("--dns", "data.dns_servers", "DNS server; repeatable.", list[str]),
            none_option("--none", "data.dns_servers", "No DNS servers: use those of the router."),
            _WHEN,
        ),
    ),
    "options-changed": (
        """Publish the DHCP options of a service: these and no others.

        Example: leasewire publish options-changed --service SVC-1001 --option 42=c6336435
        """,
        (
            Option(
                "--option",
                "data.options",
                "Code and bytes, such as 42=c6336435; repeatable.",
                list[str],
                form=dhcp_options,
            ),
            none_option("--none", "data.options", "No options."),
            _WHEN,
        ),
    ),
    "plan-changed": (
        """Publish that a customer has another plan.

        Example: leasewire publish plan-changed --service SVC-1001 --plan HOME-100
        --effective-at 2026-12-01T00:00:00Z
        """,
        (
            Option("--plan", "data.plan.code", "Code of the plan.", default=...),
            Option("--down-kbps", "data.plan.down_kbps", "Rate to the customer, kbit/s.", int),
            Option("--up-kbps", "data.plan.up_kbps", "Rate from the customer, kbit/s.", int),
            Option("--previous-plan", "data.previous_plan_code", _CHECK),
            _WHEN,
        ),
    ),
    "moved": (
        """Publish that a service moved to another router; it keeps its address unless given.

        Its rows on the old router are removed once that can be reached.

        Example: leasewire publish moved --service SVC-1001 --router tower-9 --address
        198.51.100.130
        """,
        (
            Option("--router", "data.access.router", _ROUTER, default=...),
            Option("--server", "data.access.dhcp_server", _SERVER),
            *address_options("data.address"),
            *ipv6_options("data.ipv6"),
            Option("--previous-router", "data.previous_access.router", _CHECK),
            _WHEN,
        ),
    ),
    "suspended": (
        """Publish that a service is suspended until it is resumed.

        Example: leasewire publish suspended --service SVC-1001 --mode block
        """,
        (
            Option("--mode", "data.suspension.mode", _MODE, Mode),
            Option("--reason-code", "data.suspension.reason_code", "Kept with the service."),
            _WHEN,
        ),
    ),
    "resumed": (
        """Publish that a service is no longer suspended.

        Example: leasewire publish resumed --service SVC-1001 --reason payment_received
        """,
        (_WHEN,),
    ),
    "cancelled": (
        """Publish that a service has ended; its MAC and its address are free at once.

        Example: leasewire publish cancelled --service SVC-1001 --reason customer_request
        """,
        (_WHEN,),
    ),
    "schedule-withdrawn": (
        """Withdraw scheduled events of a service, even before they arrive.

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
    """Make the event from the options of a command.

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
        event.setdefault("actor", actor_of(""))
    return event


def flag_of(name: str, event: Mapping[str, Any], problem: Problem) -> str:
    """Return the option at the place of a problem, with its value, or else an empty text.

    For a missing value, return the options that would give it.
    """
    place = problem.pointer.removeprefix("/").replace("/", ".")
    if problem.code == "missing":
        fill = [o.flag for o in EVENTS[name][1] if f"{o.place}.".startswith(f"{place}.")]
        return " or ".join(fill)
    for option in (*EVENTS[name][1], *_COMMON):
        if place != option.place and not place.startswith(f"{option.place}."):
            continue
        value: Any = event
        part: Any = {}
        for step in place.split("."):
            part, value = value, value.get(step) if isinstance(value, Mapping) else None
        if option.place.endswith(".password"):
            return option.flag
        if isinstance(value, str | int):
            last = place.rpartition(".")[2]
            pool = "assigned-pool" if part.get("mode") == "assigned" else "pool"
            pool = "assigned-ipv6-pool" if ".prefix." in place else pool
            flags = {"pool": f"--{pool}", "ipv4": "--address", "ipv6": "--ipv6-prefix"}
            return f"{flags.get(last, option.flag)} {value!r}"
    return ""


def _put(event: dict[str, Any], place: str, value: object) -> None:
    *above, last = place.split(".")
    for step in above:
        event = event.setdefault(step, {})
    event[last] = value


def command_of(
    name: str, send: Callable[..., Answer], own: Sequence[Parameter]
) -> Callable[..., Answer]:
    """Make the function of one event's command, for Typer to read its signature.

    Args:
        name: of the event, one of `EVENTS`.
        send: takes the event's name, the event and the values of `own`; returns an `Answer`.
        own: the other parameters of every such command.
    """
    text, options = EVENTS[name]

    def command(**given: Any) -> Answer:  # noqa: ANN401 - the signature below says
        others = {parameter.name: given.pop(parameter.name) for parameter in own}
        return send(name, event_of(name, given), **others)

    fields = [option.parameter() for option in (*_COMMON[:1], *options, *_COMMON[1:])]
    command.__signature__ = Signature([*fields, *own], return_annotation=Answer)  # type: ignore[attr-defined]  # read by inspect
    command.__doc__ = text
    return command
