"""What a valid event may say and a router cannot hold stops no other service of the router."""

from tests import builders
from tests.small_installation import SmallInstallation, activated


def test_a_pool_named_like_an_address_is_refused_and_the_router_goes_on():
    with SmallInstallation(1) as small:
        odd = activated("SVC-X", 7)
        odd["data"]["service"]["address"] = {"mode": "pool", "pool": "300.1.1.1"}
        live = activated("SVC-1", 1)
        small.say(odd, live)
        small.drain()
        assert small.outcome(odd).startswith("rejected: invalid-event")
        assert small.outcome(live).startswith("applied")


def test_a_stored_pool_named_like_an_address_waits_and_the_router_goes_on():
    with SmallInstallation(1) as small:
        odd = activated("SVC-X", 7)
        odd["data"]["service"]["address"] = {"mode": "pool", "pool": "p"}
        small.say(odd)
        key = small.store.keys.record("SVC-X")
        small.client.set(key, small.client.get(key).replace('"pool":"p"', '"pool":"300.1.1.1"'))
        live = [activated("SVC-1", 1), builders.suspended("SVC-1", "block", revision=2)]
        small.say(*live)
        small.drain()
        assert small.outcome(live[0]).startswith("applied")
        assert small.rows("R1")[0]["block-access"] == "true"
        assert small.outcome(odd).startswith("waiting: waiting-for-router (not there: pool")
