"""Services of PPPoE on a router: their secrets, their sessions, and what others have there."""

import pytest

from contracts.identity import event_key
from tests import builders
from tests.converge.test_late_rows import LEASE_MS, Late, recheck
from tests.ppp import (
    ACTIVE,
    LISTS,
    SECRET,
    activated,
    block,
    login,
    ppp_changed,
)
from tests.small_installation import LEASES
from tests.store.passing_time import let_pass
from tests.waiting import eventually
from worker.core.entry.wanted import kind_of
from worker.store.routers import Routers

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def here(logged_in):
    return logged_in


def changed(number, name, revision=2, **data):
    return builders.event(name, f"SVC-{number}", revision=revision, **data)


def plan(number, code, revision=2):
    return changed(number, "plan_changed", revision, plan={"code": code})


def log_in(here, number, password=None):
    name, known = login(number).values()
    return here.r["R1"].ppp_login(name, password or known, redials=True)["address"]


def test_a_service_has_a_secret_that_its_device_logs_in_with(here):
    event = here.apply(activated(1, plan={"code": "gold"}, label="Ada"))
    row = here.secret(1)
    shown = {name: row[name] for name in ("name", "password", "profile", "service", "comment")}
    assert shown == {
        **login(1),
        "profile": "p-gold",
        "service": "pppoe",
        "comment": "leasewire:acme:SVC-1 Ada",
    }
    assert here.outcome(event) == "applied"
    assert here.read() == ["not-acting-yet: device-offline"]
    assert log_in(here, 1) == builders.ipv4(1)
    here.age(2)
    assert here.read() == ["acting"]
    again = here.apply(activated(1, plan={"code": "gold"}, label="Ada", revision=2))
    assert here.outcome(again) == "applied: already-current"
    assert here.read() == []


@pytest.mark.parametrize(
    ("number", "event", "field", "value"),
    [
        (11, plan(11, "silver"), "profile", "p-silver"),
        (12, ppp_changed(12, password="new"), "password", "new"),
        (
            13,
            changed(13, "address_changed", address={"mode": "static", "ipv4": builders.ipv4(213)}),
            "remote-address",
            builders.ipv4(213),
        ),
    ],
)
def test_a_change_ends_the_session_so_that_it_acts(here, number, event, field, value):
    here.apply(activated(number, plan={"code": "gold"}))
    other = login(99)
    if not any(row["name"] == other["name"] for row in here.r["R1"].rows(SECRET)):
        here.r["R1"].add_row(SECRET, other)
    here.r["R1"].ppp_login(*other.values())
    log_in(here, number)
    here.pass_time(60)
    (before,) = here.sessions_of(number)
    event = here.apply(event)
    assert here.secret(number)[field] == value
    if field == "password":  # it logs in with the old one, and is refused
        assert here.sessions_of(number) == []
        log_in(here, number, "new")
    eventually(lambda: here.sessions_of(number), "it is back")
    assert here.sessions_of(number)[0]["session-id"] != before["session-id"]
    (found,) = here.store.views.outcomes([event_key(event["source"], event["id"])])
    assert found.effective_by == "session-end"
    here.age(2)
    assert "acting" in here.read()
    theirs = [row for row in here.r["R1"].rows(ACTIVE) if row["name"] == other["name"]]
    assert len(theirs) == 1, "the session of others goes on"


def test_a_blocked_service_is_disabled_and_its_session_ended(here):
    here.apply(activated(2))
    log_in(here, 2)
    here.pass_time(60)
    here.apply(builders.suspended("SVC-2", "block", revision=2))
    assert here.secret(2)["disabled"] == "true"
    assert here.sessions_of(2) == []
    assert here.read()[-1] == "acting"
    here.apply(builders.resumed("SVC-2", revision=3))
    assert here.secret(2)["disabled"] == "false"
    assert log_in(here, 2) == builders.ipv4(2)


def test_a_service_in_the_walled_garden_keeps_its_session(here):
    here.apply(activated(3))
    log_in(here, 3)
    (before,) = here.sessions_of(3)
    here.apply(builders.suspended("SVC-3", revision=2))
    assert here.sessions_of(3)[0]["session-id"] == before["session-id"]
    listed = [row["address"] for row in here.r["R1"].rows(LISTS) if row["list"] == "suspended"]
    assert builders.ipv4(3) in listed
    here.apply(builders.cancelled("SVC-3", revision=3))
    assert (here.secret(3), here.sessions_of(3)) == (None, [])


def test_what_was_edited_by_hand_is_put_right_and_ends_no_session(here):
    here.apply(activated(4, plan={"code": "gold"}))
    log_in(here, 4)
    (before,) = here.sessions_of(4)
    row = here.secret(4)
    edited = {"password": "by hand", "profile": "default", "disabled": "yes"}
    here.r["R1"].set_row(SECRET, row[".id"], edited)
    here.store.routers.add_work("R1", ["SVC-4"])
    here.drain()
    assert here.secret(4) == row
    assert here.sessions_of(4)[0]["session-id"] == before["session-id"]


def test_a_secret_of_others_is_left_alone_and_its_name_is_waited_for(here):
    row_id = here.r["R1"].add_row(SECRET, {**login(5), "password": "theirs"})
    event = here.seal(activated(5))
    here.say(event)
    here.drain()
    assert here.outcome(event).startswith("waiting: foreign-row")
    here.r["R1"].remove_row(SECRET, row_id)
    here.store.routers.add_work("R1", ["SVC-5"])
    here.drain()
    assert here.secret(5)["password"] == login(5)["password"]


def test_two_services_cannot_have_one_name(here):
    here.apply(activated(6))
    second = here.seal(activated(7, ppp=login(6)))
    here.say(second)
    here.drain()
    assert "name:user6@isp is held by service SVC-6" in here.outcome(second)


@pytest.mark.parametrize(
    ("number", "fields", "why"),
    [
        (21, {"plan": {"code": "bronze"}}, "waiting: unknown-plan"),
        (22, {"ppp": None}, "waiting: no-device"),
    ],
)
def test_what_is_missing_is_said(here, number, fields, why):
    event = activated(number, **fields)
    if "ppp" in fields:
        event["data"]["service"] |= {"device": {"mac": builders.mac(number)}}
        del event["data"]["service"]["ppp"]
    event = here.seal(event)
    here.say(event)
    here.drain()
    assert here.outcome(event).startswith(why)


def test_a_profile_that_is_not_there_is_waited_for(here):
    here.r["R1"].remove_row("/ppp/profile", "p-silver")
    event = here.seal(activated(8, plan={"code": "silver"}))
    here.say(event)
    here.drain()
    assert "profile 'p-silver'" in here.outcome(event)
    here.r["R1"].add_row("/ppp/profile", {"name": "p-silver"})
    here.store.routers.add_work("R1", ["SVC-8"])
    here.drain()
    assert here.secret(8)["profile"] == "p-silver"


class Killed(BaseException):
    """A worker dies."""


def leave_unconfirmed(here, monkeypatch, event):
    """Have an event written, and the worker die before it confirms that."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Routers, "conclude", killed)
        here.say(here.seal(event))
        with pytest.raises(Killed):
            here.converge.run("R1")
    here.client.delete(here.block("R1").lock)  # its time limit is over
    here.load()


@pytest.mark.parametrize(
    ("number", "unconfirmed", "event"),
    [
        (31, None, plan(31, "silver", 3)),
        (32, None, builders.suspended("SVC-32", "block", revision=3)),
        (33, None, builders.cancelled("SVC-33", revision=3)),
        (34, ppp_changed(34, password="new"), ppp_changed(34, revision=3)),
        (35, ppp_changed(35, name="other35@isp"), ppp_changed(35, revision=3)),
    ],
)
def test_a_session_ends_that_began_by_a_row_which_was_never_confirmed(
    here, monkeypatch, number, unconfirmed, event
):
    first = activated(number, plan={"code": "gold"})
    if unconfirmed is not None:
        here.apply(first)
    leave_unconfirmed(here, monkeypatch, unconfirmed or first)
    row = here.secret(number)
    assert here.r["R1"].ppp_login(row["name"], row["password"])
    here.apply(event)
    assert row["name"] not in {each["name"] for each in here.r["R1"].rows(ACTIVE)}


def test_a_profile_that_was_never_confirmed_goes_with_its_plan(here, monkeypatch):
    """Where no plan names one it is left to others: this one is of none of them."""
    here.apply(activated(38), activated(39))
    leave_unconfirmed(here, monkeypatch, plan(38, "gold"))
    leave_unconfirmed(here, monkeypatch, plan(38, "silver", 3))
    assert here.secret(38)["profile"] == "p-silver"
    here.r["R1"].set_row(SECRET, here.secret(39)[".id"], {"profile": "p-gold"})
    here.apply(
        changed(38, "snapshot", revision=4, service=block(38)),
        changed(39, "snapshot", service=block(39, ppp=login(39, "new"))),
    )
    assert here.secret(38)["profile"] == "default"
    assert here.secret(39)["profile"] == "p-gold"


def test_the_first_plan_of_a_service_ends_its_session(here):
    here.apply(activated(36))
    assert here.secret(36)["profile"] == "default"
    row = here.secret(36)
    assert here.r["R1"].ppp_login(row["name"], row["password"])
    here.apply(plan(36, "gold"))
    assert here.secret(36)["profile"] == "p-gold"
    assert here.sessions_of(36) == []


def test_a_snapshot_ends_the_session_if_it_changes_the_secret(here):
    here.apply(activated(37, plan={"code": "gold"}))
    log_in(here, 37)
    (before,) = here.sessions_of(37)
    again = {"service": block(37, plan={"code": "gold"})}
    here.apply(changed(37, "snapshot", **again))
    assert here.sessions_of(37) == [before]
    again["service"]["address"]["ipv4"] = builders.ipv4(237)
    here.apply(changed(37, "snapshot", revision=3, **again))
    assert here.secret(37)["remote-address"] == builders.ipv4(237)
    assert before["session-id"] not in {row["session-id"] for row in here.sessions_of(37)}


def test_the_second_look_at_a_cancelled_service_ends_no_session_of_who_has_its_name_now(
    here, monkeypatch
):
    here.apply(activated(40))
    leave_unconfirmed(here, monkeypatch, builders.cancelled("SVC-40", revision=2))
    here.apply(activated(41, ppp=login(40)))
    log_in(here, 40)
    (session,) = here.sessions_of(40)
    recheck(here)
    assert here.client.hgetall(here.block("R1").inflight) == {}
    assert here.sessions_of(40) == [session]


def test_the_session_of_a_cancelled_service_ends_if_its_secret_landed_late(here):
    late = Late(here, LEASES, kind_of(here.policies["R1"]), here.sealer)
    here.say(here.seal(activated(42)))
    with late.stalls():
        here.converge.run("R1")
    let_pass(here.store, LEASE_MS)
    here.apply(builders.cancelled("SVC-42", revision=2))
    late.land()
    assert here.r["R1"].ppp_login(*login(42).values())
    recheck(here)
    assert here.secret(42) is None
    assert here.sessions_of(42) == []


def test_no_session_goes_on_with_an_address_that_another_service_gets(here):
    """Its own new one is refused for good; its secret gave the old one up for the other."""
    here.apply(activated(43))
    assert here.r["R1"].ppp_login(*login(43).values())
    refused = {"field": "remote-address", "value": builders.ipv4(143), "text": "invalid value"}
    here.r["R1"].set_faults(refuse_values=[{"menu": SECRET, **refused}])
    moved = {"mode": "static", "ipv4": builders.ipv4(143)}
    here.say(changed(43, "address_changed", address=moved))
    taken = block(44)
    taken["address"]["ipv4"] = builders.ipv4(43)
    here.apply(builders.event("activated", "SVC-44", revision=1, service=taken))
    here.r["R1"].clear_faults()
    assert here.secret(43)["remote-address"] == "0.0.0.0"  # noqa: S104 - a field's value
    assert here.sessions_of(43) == []
    assert here.secret(44)["remote-address"] == builders.ipv4(43)
