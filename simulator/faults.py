"""What can be made to go wrong, while the router runs.

One object a router; the same names go through Python (`testing`), the control socket and
the command's `--fault`. Counted faults (`int`) fire that many times and then are spent;
-1 fires for ever, 0 is off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

AT_ONCE, AT_RENEWAL, KEPT = "at-once", "at-renewal", "kept-until-expiry"
_MOMENTS = (AT_ONCE, AT_RENEWAL, KEPT)
_ALLOWED = ("allow", "refuse")
_LARGEST = 1e6
POSITIONS: Mapping[str, tuple[object, ...]] = {
    "tagged_order": ("fifo", "shuffle"),
    "stale_renewal": ("nak", "silent"),
    "zero_address_unique": (False, True),
    "disabled_address_unique": (True, False),
    "static_on_dynamic_address": _ALLOWED,
    "option_in_use_removal": _ALLOWED,
    "make_static_on_static": ("ignore", "refuse"),
    "beyond_session_limit": ("close", "silent"),
    "connection_ports": ("joined", "apart"),
    "lease_without_client": _ALLOWED,
    "double_binding": ("refuse", "allow"),
    "double_option_82": ("refuse", "allow"),
    # when a change on the row of a bound device acts (see `menus.lease_moments`)
    "rate_change": _MOMENTS,
    "rate_clear": _MOMENTS,
    "lists_change": _MOMENTS,
    "block_access": _MOMENTS,
    "disabling": _MOMENTS,
    "address_change": _MOMENTS,
    "mac_change": _MOMENTS,
    "removal": _MOMENTS,
}
"""The values of each switch; one that is not here is a number above zero."""


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
    """All faults of one router, off by default; power is not one of them.

    Attributes:
        latency_ms: a round trip: each reply leaves this long after its command came;
            replies to commands sent together wait together.
        service_ms: time that each write takes; one write at a time in the whole router.
        service_ms_by_command: the same for single commands, `{"/ip/…/print": 50}`; these
            may be reads too.
        trickle_bytes_per_s: limits the rate of replies; 0: no limit.
        hang_on_connect: connections are accepted and never answered, not even the login.
        hang_in_use: sessions, old and new ones, take commands and neither run nor answer them;
            a session of which a command was ignored stays silent when the fault is over.
        refuse_login: every login is refused, whatever the password.
        cut_replies: number of replies that are cut in the middle by a reset.
        lose_replies: number of writes that are done and answered with a reset.
        wrong_bodies: number of REST requests that are done and answered with a `200` and the
            rows of another menu (QCHR: 7.22.1, in the first seconds after a boot).
        wrong_bodies_after_boot: at each `power_on` and reboot, `wrong_bodies` becomes this.
        wrong_body_of: the menu whose rows those are; of a singleton its object, as a GET
            gives it.
        wrong_unauthorized: number of REST requests that are done and answered with the status
            401 of another request (QCHR: 7.21.5, after aborted requests).
        fault_command: the counted faults above meet only commands that end like this; empty
            is all.
        reset_after_commands: a session is reset when it sends one command more than this;
            0 is off.
        session_limit: sessions at most, in place of the version's own; None is the latter.
        denied_policies: policies that every user has lost, such as `write`.
        missing_menus: menus that the router does not have, with those below, such as `/ipv6`:
            a version 6 without that package.
        refuse_values: values that are refused, with the message.
        change_values: values that are stored otherwise than written.
    """

    latency_ms: float = 0
    service_ms: float = 0
    service_ms_by_command: dict[str, float] = field(default_factory=dict)
    trickle_bytes_per_s: int = 0
    hang_on_connect: bool = False
    hang_in_use: bool = False
    refuse_login: bool = False
    cut_replies: int = 0
    lose_replies: int = 0
    wrong_bodies: int = 0
    wrong_bodies_after_boot: int = 0
    wrong_body_of: str = "/user"
    wrong_unauthorized: int = 0
    fault_command: str = ""
    reset_after_commands: int = 0
    session_limit: int | None = None
    denied_policies: list[str] = field(default_factory=list)
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
    """What no source decides, with the documented or likelier behaviour as default.

    Attributes:
        tagged_order: `fifo`, or `shuffle`: commands with tags that are in flight together
            on one connection run in random order (an untagged one waits for all before it
            and is waited for).
        shuffle_gather_ms: how long `shuffle` gathers commands before it starts.
        stale_renewal: what a client gets that renews an address the lease no longer has:
            `nak` (MAN) or `silent` (FN 7.24.4: it keeps it until expiry).
        zero_address_unique: whether two static leases may not both have 0.0.0.0.
        disabled_address_unique: whether a disabled lease's address still blocks another's.
        static_on_dynamic_address: `allow` or `refuse` a static lease on an address that a
            dynamic lease of another client holds.
        option_in_use_removal: `allow` (as for pools and servers, LAB) or `refuse`.
        make_static_on_static: `ignore` or `refuse`.
        beyond_session_limit: `close` (accepted, then closed) or `silent` (accepted, unserved).
        rest_limit_s: how long a REST request may take (MAN-REST: 60 s).
        connection_ports: `joined` (captures: `src-address=10.0.0.5:49152`) or `apart`
            (`src-address=10.0.0.5`, `src-port=49152`, as in trees of version 7).
        rate_change, rate_clear, lists_change: when another rate, none, or other lists act at a
            bound device: `at-once`, `at-renewal`, `kept-until-expiry`.
        block_access, disabling, address_change, mac_change, removal: when such a change of its
            row ends what a bound device has: queue, list rows, ARP row, and the row's
            `active-address`; the same three values.
        double_binding: `refuse` or `allow` a second static binding of a client or an address.
        double_option_82: `refuse` or `allow` a second static lease with the same ids of option 82
            on a DHCP server.
        lease_without_client: `allow` or `refuse` a lease with no MAC, client id or option 82.
    """

    tagged_order: str = "fifo"
    shuffle_gather_ms: float = 2
    stale_renewal: str = "nak"
    zero_address_unique: bool = False
    disabled_address_unique: bool = True
    static_on_dynamic_address: str = "allow"
    option_in_use_removal: str = "allow"
    make_static_on_static: str = "ignore"
    beyond_session_limit: str = "close"
    rest_limit_s: float = 60
    connection_ports: str = "joined"
    rate_change: str = AT_ONCE
    rate_clear: str = AT_ONCE
    lists_change: str = AT_ONCE
    block_access: str = KEPT
    disabling: str = KEPT
    address_change: str = KEPT
    mac_change: str = KEPT
    removal: str = AT_ONCE
    lease_without_client: str = "allow"
    double_binding: str = "refuse"
    double_option_82: str = "refuse"

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
