"""What must hold at each step, whoever was just interrupted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from redis.client import Pipeline

from tests.simulation.asked import Asked
from tests.simulation.forms import (
    ENTRIES,
    NO_ADDRESS,
    PLACEHOLDERS,
    ROWS,
    SECRETS,
    TAG,
    USERS,
    Row,
    in_one_form,
    is_on,
    member_of,
    service_of,
)
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.tasks import Violation

BINDINGS: Final = "/ipv6/dhcp-server/binding"
SESSIONS: Final = "/ppp/active"
OUR_MENUS: Final = (
    *ROWS,
    BINDINGS,
    "/ip/firewall/address-list",
    "/ipv6/firewall/address-list",
    "/queue/simple",
)
"""Where we write rows of services; rows of others may be there too."""
FINAL: Final = frozenset({"applied", "superseded", "duplicate", "rejected", "failed", "expired"})
NOT_YET: Final = frozenset({"accepted", "scheduled", "waiting"})


def is_placeholder(value: str) -> bool:
    """Whether a row with this device or address serves nobody."""
    return value == NO_ADDRESS or value.startswith(PLACEHOLDERS)


class RouterChecks:
    """The rows of one router: none of others is changed, none collide, each write has a reason.

    What a worker wrote that stood still meanwhile, and what landed late, needs none: it is found.

    Args:
        of: the router.
        asked: by the BSS so far.
        pool: begins the addresses that are assigned.

    Attributes:
        of: the router.
        leases: the static ones, entries and secrets, in one form, by menu and id.
        lost: services of which a working entry went.
    """

    def __init__(self, of: SimulatedRouter, asked: Asked, pool: str) -> None:
        self.of = of
        self._asked = asked
        self._pool = pool
        self._seen = 0
        self.leases: dict[tuple[str, str], Row] = {}
        self._holders: dict[tuple[str, ...], str] = {}
        self._once_ours: set[tuple[str, str]] = set()
        self._landed_late: set[tuple[str, str]] = set()
        self.lost: set[str] = set()

    def look(self) -> bool:
        """Check what was written since the last look; returns whether anything was.

        Raises:
            Violation: see above.
        """
        journal = self.of.router.journal
        if self._seen >= len(journal):
            return False
        while self._seen < len(journal):
            number, entry = self._seen, journal[self._seen]
            self._seen += 1
            menu = entry["command"].rpartition("/")[0]
            if number in self.of.unknown and entry["error"] is None and menu in OUR_MENUS:
                rows = f"{entry['before']} -> {entry['after']}"
                raise Violation(f"{self.of.name}: the next Redis does not know of {rows}")
            if entry["error"] is None and menu == SESSIONS:
                self._ended(entry, is_late=number in self.of.late)
            elif entry["error"] is None and menu in OUR_MENUS:
                self._written(menu, entry, is_late=number in self.of.late)
        return True

    def _written(self, menu: str, entry: Mapping[str, Any], *, is_late: bool) -> None:
        before, after = entry["before"], entry["after"]
        is_ours = entry["session"].startswith("api")
        row_id = (after or before or {}).get(".id", "")
        self._is_not_of_others(menu, entry, row_id, is_late=is_late)
        if is_ours and after is not None:
            self._once_ours.add((menu, row_id))
        for key in _keys(menu, before):
            if self._holders.get(key) == row_id:
                del self._holders[key]
        # these menus refuse no second row of an address
        lands_twice = menu in (ENTRIES, SECRETS, USERS) and is_late
        for key in _keys(menu, after):
            other = self._holders.setdefault(key, row_id)
            if other != row_id and not lands_twice:
                raise Violation(f"{self.of.name}: two rows have {key}: {other} and {row_id}")
        if menu not in ROWS:
            return
        self.leases.pop((menu, row_id), None)
        form = in_one_form(menu, after)
        if after is not None and not is_dynamic(after):
            self.leases[menu, row_id] = form
        if is_late and before is None:
            self._landed_late.add((menu, row_id))
        if is_ours and not is_late:
            self._has_reason(menu, in_one_form(menu, before), form)

    def _is_not_of_others(
        self, menu: str, entry: Mapping[str, Any], row_id: str, *, is_late: bool
    ) -> None:
        before, after, is_ours = entry["before"], entry["after"], entry["session"].startswith("api")
        is_foreign = before is not None and not service_of(before) and not is_dynamic(before)
        is_known = (menu, row_id) in self._once_ours or self._is_adopted(entry, is_late=is_late)
        if is_foreign and is_ours and not is_known:
            raise Violation(f"{self.of.name}: a row of others was changed: {before} -> {after}")

    def _is_adopted(self, entry: Mapping[str, Any], *, is_late: bool) -> bool:
        """Whether a row of others got the tag of a service that is to have it, and nothing else.

        When a tag lands late, newer events may have given the service something else.
        """
        before, after = entry["before"], entry["after"]
        if not before or not after or entry["session"] not in self.of.adopting:
            return False
        member, was = member_of(after), before.get("comment", "")
        tagged = {**before, "comment": f"{TAG}{member} {was}".rstrip()}
        form = in_one_form(entry["command"].rpartition("/")[0], before)
        given = (form["device"], form["address"])
        may_have = is_late or self._asked.may_have(member, self.of.name, *given)
        return tagged == after and may_have

    def _ended(self, entry: Mapping[str, Any], *, is_late: bool) -> None:
        """A session went: we end those of devices that an event of their service concerns.

        Also those of a row that landed late.
        """
        name = entry["before"]["name"]
        is_ours = entry["session"].startswith("api") and not is_late
        if is_ours and not self._asked.ends(name, self.of.name) and name not in self.of.late_names:
            raise Violation(f"{self.of.name}: the session of {name} was ended for nothing")

    def _has_reason(self, menu: str, before: Row, after: Row) -> None:
        member = member_of(before) or member_of(after)
        service = member.partition("/")[0]
        if not service:
            return
        if not after:
            self._removed(menu, member, before)
            return
        was, blocks = is_on(before, "block-access"), is_on(after, "block-access")
        if blocks and not was and not self._asked.blocking(service, self.of.name):
            raise self._violation(service, "was blocked, which nothing asks for")
        if blocks and not was and not self._asked.is_suspended(service, self.of.name):
            self._loses(service)  # else it was walled off before
        if was and not blocks and not self._asked.unblocking(service, self.of.name):
            raise self._violation(service, "was let in, which nothing asks for")
        device = after["device"]
        is_new = device != before.get("device") and not is_placeholder(device)
        if is_new and not self._asked.device(member, self.of.name, device):
            raise self._violation(member, f"got the device {device}, which nothing asks for")
        password = after.get("password")
        if password != before.get("password") and not self._asked.password(service, password):
            raise self._violation(service, f"got {password}, which nothing asks for")
        if after.get("address") != before.get("address"):
            self._readdressed(member, before.get("address", ""), after.get("address", ""))

    def _removed(self, menu: str, member: str, row: Row) -> None:
        if any(member_of(other) == member for other in self.leases.values()):
            return
        service, name = service_of(row), self.of.name
        ends_it = menu == ENTRIES and self._asked.blocking(service, name)  # it has no other way
        if not ends_it and not self._asked.removal(member, name):
            raise self._violation(member, f"stays, and its row was removed: {row}")
        # One that landed when its service was gone never worked; nor does that of a suspended one.
        is_late = (menu, row[".id"]) in self._landed_late and self._asked.is_over(service, name)
        # One whose device or address another service gets has to go (0034).
        is_needed = self._asked.another_may_have(member, name, row["device"], row["address"])
        if not is_late and not is_needed and not is_on(row, "block-access"):
            self._loses(service)

    def _readdressed(self, member: str, before: str, after: str) -> None:
        if is_placeholder(after):
            if not (before.startswith(self._pool) or self._asked.another_has(member, before)):
                raise self._violation(member, f"gave up {before}, which nobody else asks for")
        elif not (after.startswith(self._pool) or self._asked.address(member, self.of.name, after)):
            raise self._violation(member, f"got {after}, which nothing asks for")

    def _loses(self, service: str) -> None:
        name = self.of.name
        if self._asked.was_at(service, name) and not self._asked.moving(service, name):
            self.lost.add(service)

    def _violation(self, service: str, what: str) -> Violation:
        return Violation(f"{self.of.name}: {service} {what}")


def is_dynamic(row: Row) -> bool:
    """Whether the router made it."""
    return is_on(row, "dynamic")


def _keys(menu: str, row: Row | None) -> list[tuple[str, ...]]:
    """What no other static row of a menu may have."""
    if row is None or is_dynamic(row) or (is_on(row, "disabled") and menu not in (SECRETS, USERS)):
        return []
    if menu == BINDINGS:
        return [(menu, row.get("address", ""))]
    if menu not in ROWS:
        return []
    row = in_one_form(menu, row)
    device = (menu, row["device"], row.get("server", ""))
    address = row.get("address", "")
    return [device] if address == NO_ADDRESS else [device, (menu, address)]


class OutcomeChecks:
    """No outcome of an event goes back from a final one.

    One that failed is outstanding (0017): tried again, it may wait for something else.

    Args:
        feed: key of the stream of outcomes.
        asked: learns what was applied.
    """

    def __init__(self, feed: str, asked: Asked) -> None:
        self._feed = feed
        self._asked = asked
        self._last = "0-0"
        self.states: dict[str, str] = {}

    def forget(self) -> None:
        """Redis lost its end: what it said after that is not said."""
        self._last = "0-0"
        self.states.clear()
        self._asked.forget()

    def ask(self, pipe: Pipeline) -> None:
        """Read on."""
        pipe.xrange(self._feed, f"({self._last}")

    def look(self, answers: Iterator[Any]) -> None:
        """Check what was read.

        Raises:
            Violation: an outcome was final, and is no more.
        """
        for stream_id, said in next(answers):
            self._last = stream_id
            _, state, _, _, _, event, _, service, *more = json.loads(said["outcome"])
            before = self.states.get(event)
            tried_again = (before, state) == ("failed", "waiting")
            if before in FINAL and state in NOT_YET and not tried_again:
                raise Violation(f"event {event} was {before}, and now is {state}")
            self.states[event] = state
            if state in FINAL - {"failed"}:
                self._asked.note_done(service, event)
            if state == "applied":
                self._asked.note_applied(service, more[0] if more else "", event)
