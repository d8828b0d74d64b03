"""`/user`, its groups and who is logged in; and the login itself."""

import hashlib
import hmac
from collections.abc import Iterator

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Computed, Menu
from simulator.router_state import Caller, RouterState
from simulator.state import Row, Values
from simulator.values import TIME, Enum, Ref, Words

USER = "/user"
GROUP = "/user/group"
_SESSION = "_session"  # a value that no field shows
# RR 7.21.5; rest-api only since REST exists
POLICIES = [
    "local",
    "telnet",
    "ssh",
    "ftp",
    "reboot",
    "read",
    "write",
    "policy",
    "test",
    "winbox",
    "password",
    "web",
    "sniff",
    "sensitive",
    "api",
    "romon",
    "rest-api",
]
_READ = "local telnet ssh reboot read test winbox password web sniff sensitive api romon rest-api"


class UserMenu(Menu):
    """Users; needs the policy of that name to write."""

    path = USER
    double = "failure: user with the same name already exists"  # QCHR
    named = True
    write_policy = "policy"
    fields = (
        Field("name", required=True),
        Field("group", Ref(GROUP), required=True),
        Field("address", default=""),
        Field("password", default="", secret=True),
        Field("inactivity-timeout", TIME, default="10m", since=(7, 16)),
        Field("inactivity-policy", Enum("none", "logout", "lockscreen"), "none", since=(7, 16)),
        state("last-logged-in"),
        state("expired", "false"),
        DISABLED,
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Have the one administrator."""
        own = {"name": router.options.user, "password": router.options.password}
        own["group"] = str(router.id_of(GROUP, "full"))
        self.rows(router).insert(self.fresh(router) | own)


class GroupMenu(Menu):
    """Groups: `add` negates what is not listed, `set` is cumulative (MAN)."""

    path = GROUP
    named = True
    write_policy = "policy"
    fields = (
        Field("name", required=True),
        Field("policy", Words((*POLICIES, *(f"!{policy}" for policy in POLICIES))), default=""),
        Field("skin", default="default"),
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Have read, write and full."""
        write = f"{_READ} write"
        for name, words in (("read", _READ), ("write", write), ("full", " ".join(POLICIES))):
            values = self.fresh(router) | {"name": name, "policy": ",".join(words.split())}
            self.check(router, None, values)
            self.rows(router).insert(values)

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Write the policy out in full, each policy or its `!`."""
        had = set() if row is None else policies(row.values["policy"])
        for word in values["policy"].split(","):
            if word.startswith("!"):
                had.discard(word[1:])
            elif word:
                had.add(word)
        known = [policy for policy in POLICIES if policy != "rest-api" or router.version >= (7, 1)]
        values["policy"] = ",".join(policy if policy in had else f"!{policy}" for policy in known)

    def check_removal(self, router: RouterState, row: Row) -> None:
        """Refuse while users are in it (LAB)."""
        if any(user.values["group"] == row.id for user in router.table(USER).rows.values()):
            raise RouterError(errors.GROUP_IN_USE)


class ActiveMenu(Computed):
    """Who is logged in (fields: RR); `remove` ends a session from 7.20 on."""

    def _end(self, request: Request) -> Result:
        for row in self.find(request, request.arguments.get("numbers")):
            session = request.router.sessions.get(row.values[_SESSION])
            if session is not None:
                session.reset()
        return Result()

    do_remove = _end
    do_request_logout = _end


def _active(router: RouterState) -> Iterator[Values]:
    """Ask the sessions; `via` is `api` for both API services (assumed)."""
    for session_id, caller in router.users_of.items():
        session = router.sessions[session_id]
        users = router.table(USER).having("name", caller.user)
        group = router.name_of(GROUP, users[0].values["group"]) if users else None
        # a REST login shows twice (LAB)
        ways = ("rest-api", "api") if session.service == "rest-api" else ("api",)
        for via in ways:
            yield {
                "when": session.since,
                "name": caller.user,
                "address": session.remote.rpartition(":")[0],
                "via": via,
                "group": group or "",
                "radius": "false",
                _SESSION: session_id,
            }


def policies(text: str) -> set[str]:
    """Give the policies that a group has."""
    return {word for word in text.split(",") if word and not word.startswith("!")}


def password_of(router: RouterState, name: str) -> str | None:
    """Give an enabled user's password; None when there is no such user."""
    for row in router.table(USER).having("name", name):
        if not row.disabled:
            return row.values["password"]
    return None


def log_in(router: RouterState, name: str, password: str, session: str, via: str) -> Caller | None:
    """Check a user's password, and the policy that the way in needs, `api` or `rest-api`.

    Returns:
        Who it is, with the rights of this moment (MAN-REST: changes of a group apply to later
        logins), or None.
    """
    held = password_of(router, name)
    if held is None or router.faults.refuse_login:
        return None
    if not hmac.compare_digest(held.encode("utf-8", "surrogateescape"), _bytes(password)):
        return None
    return caller_of(router, name, session, via)


def log_in_old(
    router: RouterState, name: str, response: str, challenge: bytes, session: str
) -> Caller | None:
    """Check the answer to a challenge, as before 6.43 (LIB).

    It is `00` and the MD5 of a zero byte, password and challenge, in hexadecimal.
    """
    held = password_of(router, name)
    if held is None or router.faults.refuse_login:
        return None
    digest = hashlib.md5(b"\0" + _bytes(held) + challenge).hexdigest()  # noqa: S324 - the old protocol
    return caller_of(router, name, session, "api") if response.lower() == f"00{digest}" else None


def caller_of(router: RouterState, name: str, session: str, via: str) -> Caller | None:
    """Give a user's rights, or None when the user may not come in this way."""
    for row in router.table(USER).having("name", name):
        group = router.table(GROUP).rows.get(row.values["group"])
        allowed = policies(group.values["policy"]) if group else set()
        if via in allowed and via not in router.faults.denied_policies:
            return Caller(session, name, frozenset(allowed))
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


MENUS = (
    GroupMenu(),
    UserMenu(),
    ActiveMenu("/user/active", "when name address via group radius", _active),
)
