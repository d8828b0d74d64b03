"""Two services may not have prefixes that overlap on one router; who waits goes on by itself."""

import pytest

from tests import builders
from tests.bindings import duid
from tests.full_read.ipv6 import BINDINGS, with_server6
from tests.small_installation import SmallInstallation
from worker.convergence.full_read import read_fully
from worker.core.rows.prefixes import prefix_key

pytestmark = [pytest.mark.redis, pytest.mark.router]


def active(number, prefix, revision=1, router="R1"):
    block = {"prefix": {"mode": "static", "ipv6": prefix}, "duid": duid(number), "iaid": 1}
    given = {"router": router, "server": None, "mac": builders.mac(number), "ipv6": block}
    address = builders.ipv4(100 + number)
    return builders.activated(f"SVC-{number}", ipv4=address, revision=revision, **given)


@pytest.fixture
def here():
    with SmallInstallation(2) as small:
        for router in small.r.values():
            with_server6(router)
        yield small


def prefixes(here, router="R1"):
    return {row["comment"][-5:]: row["address"] for row in here.r[router].rows(BINDINGS)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2001:db8:1::/48", "2001:db8:1:ff00::/56"),
        ("2001:db8:1:ff00::/56", "2001:db8:1::/48"),
        ("2001:db8:1:ff00::/56", "2001:db8:1:ff00::/56"),
    ],
)
def test_who_overlaps_waits_for_the_holder(here, first, second):
    waits = active(2, second)
    here.say(active(1, first), waits)
    here.drain()
    assert prefixes(here) == {"SVC-1": first}
    assert f"prefix:{first} is held by service SVC-1 (active)" in here.outcome(waits)
    (held,) = here.store.claims.at("R1", [prefix_key(second)])
    assert (held.text, held.waiters) == (f"prefix:{first}", ("SVC-2",))
    elsewhere = active(3, second, router="R2")
    here.say(elsewhere)
    here.drain()
    assert prefixes(here, "R2") == {"SVC-3": second}

    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert prefixes(here) == {"SVC-2": second}
    assert here.outcome(waits).startswith("applied")


def test_prefixes_that_change_hands_in_one_batch_go_over(here):
    wide, left, right = "2001:db8:1::/48", "2001:db8:1::/56", "2001:db8:1:ff00::/56"
    here.say(active(1, wide))
    here.drain()
    here.say(active(1, left, 2), active(2, right))
    here.drain()
    assert prefixes(here) == {"SVC-1": left, "SVC-2": right}
    here.say(active(2, "2001:db8:2::/48", 2), active(1, wide, 3))
    here.drain()
    assert prefixes(here) == {"SVC-1": wide, "SVC-2": "2001:db8:2::/48"}


def test_a_full_read_names_the_holder_too(here):
    here.say(active(1, "2001:db8:1::/48"), active(2, "2001:db8:1:ff00::/56"))
    here.drain()
    session = here.sessions.open("R1")
    found = read_fully(here.store, session, "R1", here.policies["R1"])
    here.sessions.give_back("R1", session)
    assert found.plan.waiting["SVC-2"].detail == "prefix:2001:db8:1::/48 is held by service SVC-1"
