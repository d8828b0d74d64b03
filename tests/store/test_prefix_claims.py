"""Claims of prefixes: what overlaps excludes, at any lengths, in scripts and in Python alike."""

from ipaddress import IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.claims_model import Claims as Model
from tests.store.claims_model import keys_meet
from tests.store.test_claims_machine import Router, generation_of
from worker.core.entry.entry import Claim
from worker.core.rows.prefixes import ClaimKeys, claim_text, prefix_key

pytestmark = pytest.mark.redis

FIRST = int(IPv6Network("2001:db8::/32")[0])


@st.composite
def keys(draw):
    """Prefixes with few bits set, so that many lie in each other; /128 is an address."""
    length = draw(st.sampled_from([*range(33, 65), 128]))
    bits = draw(st.frozensets(st.sampled_from([*range(32, 64), 127]), max_size=2))
    first = FIRST | sum(1 << (127 - bit) for bit in bits if bit < length)
    return prefix_key(str(IPv6Network((first, length))))


@settings(max_examples=150)
@given(known=st.lists(keys(), max_size=12), key=keys())
def test_the_keys_that_one_meets_are_those_that_overlap(known, key):
    claim_keys = ClaimKeys(known[::2])
    for late in known[1::2]:
        claim_keys.add(late)
    met = list(claim_keys.met_by(key))
    assert len(met) == len(set(met))
    assert set(met) == {other for other in known if keys_meet(key, other)}


@settings(max_examples=60)
@given(wanted=st.lists(st.frozensets(keys(), max_size=3), min_size=2, max_size=8))
def test_who_overlaps_waits(valkey_server, wanted):
    with valkey_server.client() as client:
        router, model = Router(client), Model()
        for n, found in enumerate(wanted):
            claims = frozenset(Claim(key, "all") for key in found)
            assert router.commit(f"S{n}", 0, claims)
            model.want(f"S{n}", claims)
        assert router.claims() == (model.is_held, {})
        waiting = {key: who for key, who in model.waiting.items() if who}
        assert router.waiting() == waiting
        for key in {key for found in wanted for key in found}:
            shown = router.store.claims.at("R1", [key])
            assert {claim.key for claim in shown} == {
                held for held, _ in model.is_held if keys_meet(key, held)
            }
            assert all(set(claim.waiters) == waiting.get(claim.key, set()) for claim in shown)


def claim(prefix):
    return frozenset({Claim(prefix_key(prefix), "all")})


def test_a_prefix_over_very_many_waits_for_some_and_gets_it_when_all_let_go(client):
    router = Router(client)
    wants = {f"S{n:02}": claim(f"2001:db8:0:{n:x}00::/56") for n in range(15)}
    wants["WIDE"] = claim("2001:db8::/44")
    for service, wanted in wants.items():
        assert router.commit(service, 0, wanted)
    assert len(router.waiting()) == 10
    finish(router, wants)
    for service in sorted(wants)[:15]:
        wants[service] = frozenset()
        assert router.commit(service, generation_of(router.store, service), frozenset())
        finish(router, wants)
    assert router.claims() == ({(prefix_key("2001:db8::/44"), "all"): "WIDE"}, {})
    assert router.waiting() == {}


def finish(router, wants):
    """One pass; who is refused is postponed."""
    for item in router.store.routers.acquire("R1", "aa", 500).work_items:
        router.conclude(item, not router.ask(item, wants.get(item.service_id, frozenset())), "aa")
    router.store.routers.next_batch("R1", "aa", 0)


def test_a_claim_moves_to_a_service_that_wants_a_prefix_inside_it(client):
    router, wants = Router(client), {"A": claim("2001:db8::/48")}
    wants |= {"B": claim("2001:db8:0:100::/56"), "C": claim("2001:db8:0:200::/56")}
    for service, wanted in wants.items():
        assert router.commit(service, 0, wanted)
    finish(router, wants)
    (held,) = router.store.claims.at("R1", [prefix_key("2001:db8:0:100::/56")])
    assert (held.text, held.holder, held.waiters) == ("prefix:2001:db8::/48", "A", ("B", "C"))
    assert router.due() == set()
    to = router.store.records.read(["B"])["B"]
    moved = router.store.claims.move(held, to, wants["B"], by="me", at_ms=1)
    assert moved.moved
    assert router.claims() == ({(prefix_key("2001:db8:0:100::/56"), "all"): "B"}, {})
    assert router.due() == {"A", "B", "C"}  # what C wants is free now
    work_item = next(
        item
        for item in router.store.routers.acquire("R1", "aa", 500).work_items
        if item.service_id == "A"
    )
    assert router.ask(work_item, wants["A"]) == [(prefix_key("2001:db8:0:100::/56"), "B")]


def test_claims_read_as_people_write_them():
    assert claim_text(prefix_key("2001:db8:1:100::/56")) == "prefix:2001:db8:1:100::/56"
    assert claim_text(prefix_key("2001:db8::5")) == "address:2001:db8::5"
    assert claim_text("mac:AA") == "mac:AA"
