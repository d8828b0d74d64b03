"""Changes of devices that log in: which end a session, on which rung they stand, when they act."""

import pytest

from tests.core.test_effect_means import record
from worker.core.effect.acting import judge
from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.facts import EffectFacts
from worker.core.effect.means import given_up, means_of, sessions_to_end
from worker.core.effect.reading import EffectReading
from worker.core.effect.rungs import RouterEffect, rung_of
from worker.core.entry.entry import Entry, placeholder
from worker.core.policy.policy import SESSION_ENDS, RouterPolicy
from worker.core.rows.observed import SeenRow
from worker.core.rows.operations import Set
from worker.core.rows.rows import Identity, Lease, ListPlace

ADDRESS, OTHER = "10.0.0.1", "10.0.0.2"
POLICY = RouterPolicy("acme")
OFF = {"block-access": "yes"}
SEAL = "sealed:00000000:"


def row(**more):
    place = {"name": "ada", "address": ADDRESS, "server": "all", "block-access": "no"}
    return {**place, "password": SEAL + "old", "profile": "gold", **more}


@pytest.mark.parametrize(
    ("fields", "register", "policy", "device"),
    [
        ({"profile": "silver"}, "plan", SESSION_ENDS, "ada"),
        ({"profile": "silver"}, "plan", SESSION_ENDS - {"rate"}, ""),
        ({"password": SEAL + "new"}, "ppp", {"login"}, "ada"),
        # sealed by another key: it may be the same
        ({"password": "sealed:11111111:old"}, "ppp", SESSION_ENDS, ""),
        ({"name": "bob"}, "ppp", {"login"}, "ada"),
        ({"address": OTHER}, "address", {"address"}, "ada"),
        ({"remote-ipv6-prefix": "2001:db8::/64"}, "ipv6", {"prefix"}, "ada"),
        # another policy, or what was edited by hand: no event did it
        ({"profile": "silver"}, None, SESSION_ENDS, ""),
        # by a list or a queue: the row is as it was
        ({}, "plan", SESSION_ENDS, ""),
    ],
)
def test_a_session_ends_for_a_change_that_it_would_not_follow(fields, register, policy, device):
    policy = RouterPolicy("acme", end_sessions=frozenset(policy))
    before = record(row(**{"remote-ipv6-prefix": ""}), *([register] if register else []))
    wanted = {**row(**{"remote-ipv6-prefix": ""}), **fields}
    ends = sessions_to_end(before, "R1", Entry("SVC-1", wanted), policy)
    assert ends == ({device} if device else set())


def ending(before, entry, policy=POLICY, sent=None, found=()):
    return set(sessions_to_end(before, "R1", entry, policy, sent=sent, found=found))


def test_a_session_ends_with_its_row_and_not_before_there_was_one():
    gone = Entry("SVC-1", None)
    assert ending(record(row()), gone) == {"ada"}
    kept = RouterPolicy("acme", end_sessions=SESSION_ENDS - {"cancelled"})
    assert ending(record(row()), gone, kept) == set()
    assert ending(record(None, "lifecycle"), Entry("SVC-1", row())) == set()
    assert ending(record(row(), "plan", seen_ms=0), gone) == set()


def test_a_session_that_began_by_a_row_which_was_never_confirmed_ends_too():
    sent = [Identity("bob", "", ""), Identity("", "2001:db8::/56", "all")]
    wanted = Entry("SVC-1", row(profile="silver"))
    assert ending(record(None, "plan"), wanted, sent=sent) == {"bob"}
    assert ending(record(row(), "plan"), wanted, sent=sent) == {"ada", "bob"}
    assert ending(record(row(), "plan"), Entry("SVC-1", row()), sent=sent) == {"bob"}
    assert ending(record(row()), Entry("SVC-1", None), sent=sent) == {"ada", "bob"}
    # put right what was edited by hand: no event did it
    assert ending(record(row()), wanted, sent=sent) == set()


def test_of_a_row_that_was_never_confirmed_counts_what_the_pass_found():
    wanted, new = Entry("SVC-1", row(service="pppoe")), record(None, "lifecycle")
    assert ending(new, wanted, found=[{"password": SEAL + "older", "comment": "Ada"}]) == {"ada"}
    assert ending(new, wanted, found=[{"name": "bob"}]) == {"bob"}
    assert ending(new, wanted, found=[{"service": "any", "comment": "Ada"}]) == set()
    listed = record(None, "lifecycle", "suspension")
    assert ending(listed, wanted, found=[{"service": "any"}]) == set()
    assert ending(new, Entry("SVC-1", None), found=[{"comment": ""}, row()]) == {"ada"}
    assert ending(record(None), wanted, found=[{"profile": "silver"}]) == set(), "no event did it"
    confirmed = record({**row(), "service": "pppoe"}, "lifecycle")
    assert ending(confirmed, wanted, found=[{"profile": "silver"}]) == set(), "edited by hand"
    late = {"sent": (), "found": [row(name="bob")]}
    assert ending(confirmed, wanted, **late) == {"bob"}, "landed late"
    assert ending(record(row()), wanted, **late) == set(), "no event did it"
    policy = RouterPolicy("acme", end_sessions=SESSION_ENDS - {"rate"})
    assert ending(new, wanted, policy, found=[{"profile": "silver"}]) == set()


def test_the_first_plan_ends_a_session_and_a_profile_that_becomes_ours_none():
    before = {name: value for name, value in row().items() if name != "profile"}
    assert ending(record(before, "plan"), Entry("SVC-1", row())) == {"ada"}
    assert ending(record(before, "mac"), Entry("SVC-1", row())) == set()


def test_a_row_that_had_to_leave_its_address_or_name_was_of_a_session():
    def changed(*changes, pool=False):
        entry = Entry("SVC-1", row(address="0.0.0.0" if pool else ADDRESS))  # noqa: S104
        sets = [Set(0, "SVC-1", "*1", fields, {"name": "ada"}) for fields in changes]
        return given_up(entry, sets)

    nowhere = {"address": "0.0.0.0"}  # noqa: S104 - a field's value
    nobody = {"name": placeholder({"name": ""}, "SVC-1")}
    assert changed(nowhere) == changed(nobody) == [{"name": "ada"}]
    assert changed(nowhere, {"address": ADDRESS}) == []
    assert changed({"address": ADDRESS}, {"password": "new"}) == []
    assert changed(nowhere, pool=True) == [], "the router gives it an address of a pool"


@pytest.mark.parametrize(
    ("kind", "traits", "rung"),
    [
        ("activated", [], "next-session"),
        ("rate", [], "session-end"),
        ("rate", ["own-queue"], "own-queue"),
        ("suspended", ["listed"], "address-list"),
        ("suspended", [], "session-end"),
        ("cancelled", [], "session-end"),
        ("login", [], "next-session"),
    ],
)
def test_the_rung_is_that_of_the_policy(kind, traits, rung):
    policy = RouterPolicy("acme", end_sessions=SESSION_ENDS - {"login"})
    facts = EffectFacts(layer2=frozenset({"all"}), reconfigure=frozenset({"all"}))
    effect = RouterEffect(facts, means_of(policy, facts))
    assert rung_of(kind, row(), effect, traits) == rung
    assert effect.of(kind, row(), traits).lease_time_s is None


def session(address=ADDRESS, uptime_s=0):
    return SeenRow(Lease("*1", row()), "bound", "ada", address, last_seen_s=uptime_s)


@pytest.mark.parametrize(
    ("kind", "fields", "held", "reason"),
    [
        ("activated", {}, [session()], ""),
        ("activated", {}, [], "device-offline"),
        ("login", {}, [session(uptime_s=60)], "older-session"),
        ("rate", {}, [session(uptime_s=9)], ""),
        ("rate", {}, [session(uptime_s=10)], "older-session"),
        ("address", {}, [session(OTHER)], "other-address"),
        ("pool", {"address": "0.0.0.0"}, [session(OTHER)], ""),  # noqa: S104 - a field's value
        ("suspended", OFF, [session()], "session-goes-on"),
        ("suspended", OFF, [], ""),
        ("suspended", {"profile": "walled"}, [session(uptime_s=60)], "older-session"),
        ("resumed", {}, [session()], ""),
        ("cancelled", {}, [session()], "session-goes-on"),
        ("cancelled", {}, [], ""),
        ("moved-away", {}, [], ""),
    ],
)
def test_a_session_shows_whether_a_change_acts(kind, fields, held, reason):
    change = AppliedChange(kinds=(kind,), row=row(**fields), applied_ms=1_000)
    verdict = judge(change, EffectReading(leases=held), EffectFacts(), 11_000)
    assert (verdict.acting, verdict.reason) == (not reason, reason)


def test_a_list_suspends_whatever_the_session():
    listed = frozenset({ListPlace("suspended", ADDRESS)})
    change = AppliedChange(kinds=("resumed",), row=row(), listed=listed, applied_ms=1_000)
    reading = EffectReading(leases=[session(uptime_s=60)], listed=frozenset())
    assert judge(change, reading, EffectFacts(), 11_000).acting
    still = EffectReading(leases=[session(uptime_s=60)], listed=listed)
    assert judge(change, still, EffectFacts(), 11_000).reason == "still-listed"
