"""What can be made to go wrong, while the router runs.

One object a router; the same names go through Python (`testing`), the control socket and
the command's `--fault`. Counted faults (`int`) fire that many times and then are spent;
-1 fires for ever, 0 is off.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args, get_type_hints

AT_ONCE: Final = "at-once"
AT_RENEWAL: Final = "at-renewal"
KEPT: Final = "kept-until-expiry"
_Moment = Literal["at-once", "at-renewal", "kept-until-expiry"]
_Allowed = Literal["allow", "refuse"]
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class ValueFault:
    """One value that this router treats in its own way.

    Attributes:
        menu: `/ip/dhcp-server/lease`.
        field: `address`.
        value: as written by the client; `*` is any.
        text: the refusal with the router's message, or the value that is stored instead.
    """

    menu: str
    field: str
    value: str
    text: str

    def meets(self, menu: str, arguments: dict[str, str]) -> bool:
        """Say whether a write carries this value."""
        held = arguments.get(self.field)
        return menu == self.menu and held is not None and self.value in ("*", held)


@dataclass(slots=True)
class Faults:
    """All faults of one router, off by default; power is not one of them."""

    latency_ms: float = 0  # each reply leaves so long after its command came
    service_ms: float = 0  # time of each write; one write at a time in the whole router
    # the same for single commands, `{"/ip/…/print": 50}`; these may be reads, too
    service_ms_by_command: dict[str, float] = field(default_factory=dict)
    trickle_bytes_per_s: int = 0  # limits the rate of replies; 0: no limit
    hang_on_connect: bool = False  # connections are accepted and never answered
    # sessions take commands and neither run nor answer them; they stay silent afterwards
    hang_in_use: bool = False
    refuse_login: bool = False
    cut_replies: int = 0  # replies that are cut in the middle by a reset
    lose_replies: int = 0  # writes that are done and answered with a reset
    # REST requests that are done and answered with a `200` and the rows of another menu (QCHR:
    # 7.22.1, in the first seconds after a boot); at each `power_on` and reboot it becomes this
    wrong_bodies: int = 0
    wrong_bodies_after_boot: int = 0
    wrong_body_of: str = "/user"  # that menu; of a singleton its object, as a GET gives it
    # REST requests that are done and answered with another request's 401 (QCHR: 7.21.5)
    wrong_unauthorized: int = 0
    fault_command: str = ""  # the counted faults above meet only commands that end like this
    reset_after_commands: int = 0  # a session is reset at the command after this many; 0 is off
    session_limit: int | None = None  # in place of the version's own
    denied_policies: list[str] = field(default_factory=list)  # that all users lose
    # menus that the router does not have, with those below: `/ipv6`, a version 6 without it
    missing_menus: list[str] = field(default_factory=list)
    refuse_values: list[ValueFault] = field(default_factory=list)
    change_values: list[ValueFault] = field(default_factory=list)

    def change(self, **changes: Any) -> None:  # noqa: ANN401 - values come from JSON too
        """Set some faults by name; value faults may be given as mappings.

        Raises:
            ValueError: there is no fault of that name.
        """
        _check_names(self, "fault", changes)
        for name, value in changes.items():
            if name in ("refuse_values", "change_values"):
                value = [v if isinstance(v, ValueFault) else ValueFault(**v) for v in value]  # noqa: PLW2901 - the same value, parsed
            setattr(self, name, value)

    def fires(self, name: str, command: str) -> bool:
        """Use up one of a counted fault, if it is on and meets the command."""
        left: int = getattr(self, name)
        if not left or not command.endswith(self.fault_command):
            return False
        if left > 0:
            setattr(self, name, left - 1)
        return True


@dataclass(slots=True)
class Switches:
    """What no source decides, with the documented or likelier behaviour as default."""

    # `shuffle`: tagged commands in flight together on a connection run in random order; an
    # untagged one waits for all before it and is waited for
    tagged_order: Literal["fifo", "shuffle"] = "fifo"
    shuffle_gather_ms: float = 2  # so long commands are gathered before they are shuffled
    # to a client that renews an address which its lease no longer has (MAN; FN 7.24.4)
    stale_renewal: Literal["nak", "silent"] = "nak"
    zero_address_unique: bool = False  # whether two static leases may not both have 0.0.0.0
    disabled_address_unique: bool = True  # whether a disabled lease's address blocks another's
    static_on_dynamic_address: _Allowed = "allow"  # an address that another client holds
    option_in_use_removal: _Allowed = "allow"  # as for pools and servers (LAB)
    make_static_on_static: Literal["ignore", "refuse"] = "ignore"
    # `close`: accepted, then closed; `silent`: accepted, unserved
    beyond_session_limit: Literal["close", "silent"] = "close"
    rest_limit_s: float = 60  # how long a REST request may take (MAN-REST)
    # `src-address=10.0.0.5:49152` (captures), or `src-address`, `src-port` (trees of version 7)
    connection_ports: Literal["joined", "apart"] = "joined"
    # when another rate, none, or other lists act at a bound device (see `menus.held`)
    rate_change: _Moment = AT_ONCE
    rate_clear: _Moment = AT_ONCE
    lists_change: _Moment = AT_ONCE
    # when such a change of its row ends what a bound device has: queue, list rows, ARP row
    block_access: _Moment = KEPT
    disabling: _Moment = KEPT
    address_change: _Moment = KEPT
    mac_change: _Moment = KEPT
    removal: _Moment = AT_ONCE
    lease_without_client: _Allowed = "allow"  # with no MAC, client id or option 82
    double_binding: _Allowed = "refuse"  # a second static one of a client or an address
    double_option_82: _Allowed = "refuse"  # a second static lease with the same ids on a server

    def change(self, **changes: Any) -> None:  # noqa: ANN401 - values come from JSON too
        """Set some switches by name.

        Raises:
            ValueError: there is no switch of that name, or it has no such value.
        """
        _check_names(self, "switch", changes)
        for name, value in changes.items():
            if not _is_position(name, value):
                if name in POSITIONS:
                    *first, last = (str(position).lower() for position in POSITIONS[name])
                    values = f"{', '.join(first)} or {last}"
                else:
                    values = "a number above zero"
                msg = f"switch {name}: {value!r} is not {values}"
                raise ValueError(msg)
            setattr(self, name, value)


POSITIONS = {
    name: (False, True) if kind is bool else get_args(kind)
    for name, kind in get_type_hints(Switches).items()
    if kind is not float
}
"""The values of each switch; one that is not here is a number above zero."""


def _is_position(name: str, value: object) -> bool:
    if name in POSITIONS:
        return any(value == known and type(value) is type(known) for known in POSITIONS[name])
    return isinstance(value, int | float) and type(value) is not bool and 0 < value < _LARGEST


def _check_names(of: "Faults | Switches", word: str, changes: Iterable[str]) -> None:
    names = {field.name for field in fields(of)}
    for name in changes:
        if name not in names:
            msg = f"no {word} named {name}; there are: {', '.join(sorted(names))}"
            raise ValueError(msg)
