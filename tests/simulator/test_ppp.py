"""`/ppp`: secrets, profiles, and sessions that clients begin and operators end."""

import pytest

from simulator.testing import running
from tests.waiting import eventually

SECRET, PROFILE, ACTIVE = "/ppp/secret", "/ppp/profile", "/ppp/active"
NAME, PASSWORD = "ada@isp", "p w=1"


@pytest.fixture(params=["7.20.8", "7.21.5"])
def sim(request):
    with running(version=request.param, seed_guide=True) as sim:
        sim.router.add_row("/ip/pool", {"name": "ppp", "ranges": "198.51.100.1-198.51.100.2"})
        gold = {"name": "gold", "rate-limit": "5M/20M", "remote-address": "ppp"}
        sim.router.add_row(PROFILE, {**gold, "address-list": "golden"})
        yield sim


@pytest.fixture
def router(sim):
    return sim.router


def secret(router, **fields):
    return router.add_row(SECRET, {"name": NAME, "password": PASSWORD, "profile": "gold", **fields})


def test_a_client_gets_what_secret_and_profile_say(router):
    row_id = secret(router)
    first = router.ppp_login(NAME, PASSWORD)
    router.set_row(SECRET, row_id, {"remote-address": "198.51.100.77"})
    second = router.ppp_login(NAME, PASSWORD)
    assert (first["address"], second["address"]) == ("198.51.100.1", "198.51.100.77")
    listed = {row["address"] for row in router.rows("/ip/firewall/address-list")}
    assert listed == {"198.51.100.1", "198.51.100.77"}
    queue = router.rows("/queue/simple")[0]
    assert (queue["target"], queue["max-limit"]) == (f"<pppoe-{NAME}>", "5000000/20000000")
    router.ppp_logout(NAME)
    assert router.rows(ACTIVE) == router.rows("/queue/simple") == []
    assert router.rows(SECRET)[0]["last-disconnect-reason"] == "peer-request"


@pytest.mark.parametrize(
    "refusing",
    [
        {"password": "another"},
        {"disabled": "yes"},
        {"service": "l2tp"},
        {"caller-id": "00:00:5E:00:53:99"},
    ],
)
def test_a_client_that_the_secret_does_not_mean_is_refused(router, refusing):
    secret(router, **refusing)
    assert router.ppp_login(NAME, PASSWORD)["address"] == ""
    assert router.rows(ACTIVE) == []


def test_a_running_session_follows_no_change_until_it_is_ended(router):
    row_id = secret(router)
    router.ppp_login(NAME, PASSWORD, redials=True)
    router.skip(60)
    router.set_row(SECRET, row_id, {"remote-address": "198.51.100.77", "profile": "default"})
    (session,) = router.rows(ACTIVE)
    assert (session["address"], session["uptime"]) == ("198.51.100.1", "1m")
    router.run(f"{ACTIVE}/remove", {".id": session[".id"]})
    eventually(lambda: len(router.rows(ACTIVE)) == 1, "it is back")
    assert router.rows(ACTIVE)[0]["address"] == "198.51.100.77"
    assert router.rows("/queue/simple") == []
    router.set_row(SECRET, row_id, {"disabled": "yes"})
    router.run(f"{ACTIVE}/remove", {".id": router.rows(ACTIVE)[0][".id"]})
    eventually(lambda: "failed" in router.rows("/log")[-1]["message"], "it tried")
    assert router.rows(ACTIVE) == []


def test_names_are_unique_and_references_must_be_there(router):
    secret(router)
    for fields, text in (
        ({}, "secret with the same name already exists"),
        ({"name": "b", "profile": "none"}, "input does not match any value of profile"),
        ({"name": "b", "remote-address": "ppp"}, "invalid value for argument remote-address"),
    ):
        with pytest.raises(Exception, match=text):
            secret(router, **fields)


@pytest.mark.router
def test_passwords_are_shown_to_those_who_may_see_them_and_ask(request, sim, router, connect):
    secret(router)
    new = request.node.callspec.params["sim"] == "7.21.5"
    raw = connect(sim)

    def shown(*more):
        answer = raw.talk(f"{SECRET}/print", "=.proplist=password", *more)
        return next(words[1] for words in answer if words[0] == "!re")

    asking = ["=show-sensitive="] if new else []
    assert shown(*asking) == f"=password={PASSWORD}"
    assert shown() == ("=password=" if new else f"=password={PASSWORD}")
    router.set_faults(denied_policies=["sensitive"])
    assert shown(*asking) == "=password="
