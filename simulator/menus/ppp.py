"""`/ppp`: secrets, profiles, and the sessions of those who logged in.

A changed secret or profile changes no running session (UISP ends the session after every edit).
Defaults: ANS, TF.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from simulator.command import Request
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.ip import POOL, spans
from simulator.menus.made_rows import MARK, QUEUE, Made, keep_in_step
from simulator.rates import queue_fields
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import IP, ZERO_IP, Enum, IpOrPool, Number, Ref
from simulator.values6 import PREFIX6

SECRET = "/ppp/secret"  # noqa: S105 - a menu
PROFILE = "/ppp/profile"
ACTIVE = "/ppp/active"
LIST = "/ip/firewall/address-list"
# UISP: uisp-ros-plugin#31
DUPLICATE_SECRET = "failure: secret with the same name already exists"  # noqa: S105 - a message
# assumed: the same with the other word
DUPLICATE_PROFILE = "failure: profile with the same name already exists"
_MOST_BYTES = 2**64 - 1
# RR: an argument of `print` from here on. Assumed: without it passwords are not shown.
_ASKED_FOR_SINCE = (7, 21)
_SERVICES = ("any", "async", "pptp", "pppoe", "l2tp", "ovpn", "sstp")
_PRINT = frozenset({"count-only", "detail", "from", "without-paging", "follow", "show-sensitive"})
_DEFAULT_NAMES = ("default", "default-encryption")


class SecretMenu(Menu):
    """Who may log in; the password is shown to users with the policy `sensitive`."""

    path = SECRET
    double = DUPLICATE_SECRET
    named = True
    indexed = ("comment", "remote-address")
    fields = (
        Field("name", required=True),
        Field("service", Enum(*_SERVICES), default="any"),
        Field("caller-id", default=""),
        Field("password", default=""),
        Field("profile", Ref(PROFILE), default="default"),
        Field("local-address", IP),
        Field("remote-address", IP),
        Field("remote-ipv6-prefix", PREFIX6),
        Field("routes", default=""),
        Field("ipv6-routes", default=""),
        Field("limit-bytes-in", Number(0, _MOST_BYTES), default="0"),
        Field("limit-bytes-out", Number(0, _MOST_BYTES), default="0"),
        state("last-logged-out", "jan/01/1970 00:00:00"),
        state("last-caller-id", ""),
        state("last-disconnect-reason", ""),
        DISABLED,
        COMMENT,
    )

    def allowed(self, router: RouterState, command: str) -> frozenset[str]:
        """Take `show-sensitive` from 7.21 on."""
        if command in ("print", "getall", "listen"):
            old = router.version < _ASKED_FOR_SINCE
            return _PRINT - {"show-sensitive"} if old else _PRINT
        return super().allowed(router, command)

    def fresh(self, router: RouterState) -> Values:
        """Refer to the profile by its id."""
        return {**super().fresh(router), "profile": router.id_of(PROFILE, "default") or "default"}

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:
        """Leave passwords out for those who may not see them, or did not ask for them."""
        router = request.router
        asked = router.version < _ASKED_FOR_SINCE or "show-sensitive" in request.arguments
        may = "sensitive" in request.caller.policies
        if asked and may and "sensitive" not in router.faults.denied_policies:
            return rows
        return [Row(row.id, {**row.values, "password": ""}, row.times) for row in rows]


class ProfileMenu(Menu):
    """What a session gets beside what its secret says."""

    path = PROFILE
    double = DUPLICATE_PROFILE
    named = True
    fields = (
        Field("name", required=True),
        Field("local-address", IpOrPool(""), hidden=""),
        Field("remote-address", IpOrPool(""), hidden=""),
        Field("remote-ipv6-prefix-pool", hidden=""),
        Field("dhcpv6-pd-pool", hidden=""),
        Field("session-timeout", hidden=""),
        Field("idle-timeout", hidden=""),
        Field("use-compression", default="default"),
        Field("use-encryption", default="default"),
        Field("only-one", default="default"),
        Field("change-tcp-mss", default="default"),
        Field("address-list", default=""),
        Field("rate-limit", hidden=""),
        Field("parent-queue", hidden=""),
        Field("queue-type", hidden=""),
        Field("insert-queue-before", hidden=""),
        Field("dns-server", hidden=""),
        Field("on-up", default=""),
        Field("on-down", default=""),
        state("default", "false"),
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Have the two that cannot be removed."""
        for name in _DEFAULT_NAMES:
            self.rows(router).insert({**self.fresh(router), "name": name, "default": "true"})

    def check_removal(self, router: RouterState, row: Row) -> None:
        """Keep those that are always there (text: assumed)."""
        if row.values["default"] == "true":
            raise RouterError("failure: can not remove default profile")


class ActiveMenu(Menu):
    """Running sessions: `remove` ends one."""

    path = ACTIVE
    indexed = ("name", "address")
    commands = frozenset({"print", "get", "remove"})
    fields = (
        *(state(name) for name in ("name", "service", "caller-id", "address", "uptime")),
        state("encoding", ""),
        state("session-id"),
        state("limit-bytes-in", "0"),
        state("limit-bytes-out", "0"),
        state("radius", "false"),
        state("comment"),
    )

    def booted(self, router: RouterState, table: Table) -> None:
        """End all sessions."""
        for row in list(table.rows.values()):
            end_session(router, row, "reboot")

    def removed(self, router: RouterState, row: Row) -> None:
        """End a session on request (reason: assumed)."""
        _after_end(router, row, "nas-request")


def begin_session(
    router: RouterState, name: str, password: str, *, service: str, caller_id: str
) -> Row | None:
    """Let a client log in, whose MAC is its caller id; None: it is refused."""
    secret = next(iter(router.table(SECRET).having("name", name)), None)
    held = {} if secret is None else secret.values
    services, callers = ("any", service), ("", caller_id)
    refused = secret is None or secret.disabled or held["password"] != password
    if refused or held["service"] not in services or held["caller-id"] not in callers:
        router.log(f"{service},ppp,error", f"<{caller_id}>: user {name} authentication failed")
        return None
    profile = router.menus[PROFILE].rows(router).rows.get(held["profile"])
    of_profile = {} if profile is None else profile.values
    address = held.get("remote-address", ZERO_IP)
    if address == ZERO_IP:
        address = _address_of(router, of_profile.get("remote-address", ""))
    table = router.table(ACTIVE)
    fresh = {**router.menus[ACTIVE].fresh(router), "session-id": f"0x81{table.next_id:06x}"}
    about = {"name": name, "service": service, "caller-id": caller_id, "address": address}
    row = table.insert({**fresh, **about, "comment": held.get("comment", "")})
    row.times["uptime"] = router.now()
    keep_in_step(router, (QUEUE, LIST), None, list(_made_by(row, of_profile)))
    router.log(f"{service},ppp,info,account", f"{name} logged in, {address} from {caller_id}")
    return row


def end_session(router: RouterState, row: Row, reason: str) -> None:
    """End a session, as its client or a restart does."""
    router.table(ACTIVE).delete(row)
    _after_end(router, row, reason)


def _after_end(router: RouterState, row: Row, reason: str) -> None:
    name = row.values["name"]
    keep_in_step(router, (QUEUE, LIST), _mark(row), [])
    for secret in router.table(SECRET).having("name", name):
        last = {"last-logged-out": router.date(), "last-disconnect-reason": reason}
        last["last-caller-id"] = row.values["caller-id"]
        router.table(SECRET).update(secret, {**secret.values, **last})
    router.log("ppp,info,account", f"{name} logged out")
    router.ppp_ended(name)


def _mark(row: Row) -> str:
    return f"ppp {row.id}"


def _made_by(row: Row, profile: Values) -> Iterator[Made]:
    """What a session makes by its profile: a queue and a row in an address list."""
    name, address, mark = row.values["name"], row.values["address"], _mark(row)
    if rate := profile.get("rate-limit", ""):
        interface = f"<{row.values['service']}-{name}>"
        yield QUEUE, {"name": interface, "target": interface, MARK: mark, **queue_fields(rate)}
    if profile.get("address-list", "") and address:
        yield LIST, {"list": profile["address-list"], "address": address, MARK: mark}


def _address_of(router: RouterState, of_profile: str) -> str:
    """The first free address of a pool, or the one that a profile gives to all."""
    for pool in router.table(POOL).having("name", of_profile):
        for number in (number for span in spans(pool.values["ranges"]) for number in span):
            address = str(IPv4Address(number))
            if not router.table(ACTIVE).having("address", address):
                return address
        return ""
    return of_profile


MENUS = (ProfileMenu(), SecretMenu(), ActiveMenu())
