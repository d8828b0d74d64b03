"""What decides when a change acts: stored and read back, and what is said of it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.effect.findings import check_lines, findings
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.filter_rules import FILTER

NAMES = st.frozensets(st.text(max_size=8), max_size=3)
FACTS = st.builds(
    EffectFacts,
    read_at_ms=st.integers(0, 2**45),
    version=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    fasttrack=st.booleans(),
    suspension=st.sampled_from(["none", "after-fasttrack", "first"]),
    layer2=NAMES,
    reconfigure=NAMES,
    reconfigure6=NAMES,
    ipv6=NAMES,
    lease_times_s=st.dictionaries(st.text(max_size=8), st.integers(0, 10**6), max_size=3),
    unread=NAMES,
    ipv6_filter=st.none()
    | st.builds(
        Ipv6Filter, st.booleans(), st.sampled_from(["none", "after-fasttrack", "first"]), st.text()
    ),
)


@given(FACTS)
def test_facts_survive_json(facts):
    assert EffectFacts.from_text(facts.to_text()) == facts


def test_facts_of_other_versions_can_be_read():
    assert EffectFacts.from_text("{}") == EffectFacts()
    newer = json.loads(EffectFacts(fasttrack=True).to_text()) | {"moon": "full"}
    assert EffectFacts.from_text(json.dumps(newer)) == EffectFacts(fasttrack=True)


POLICY = RouterPolicy("acme", suspend_list="suspended")
OPEN = EffectFacts(read_at_ms=1, fasttrack=True)


SAFE = EffectFacts(read_at_ms=1, suspension="first", ipv6_filter=Ipv6Filter(suspension="first"))


def kinds(facts, policy=POLICY):
    return [finding.kind for finding in findings(facts, policy)]


def test_before_a_full_read_nothing_is_said():
    assert kinds(replace(OPEN, read_at_ms=0)) == []


@pytest.mark.parametrize(
    ("facts", "policy", "found"),
    [
        (OPEN, POLICY, ["suspension-rule"]),
        (replace(OPEN, suspension="first"), POLICY, []),
        (
            replace(OPEN, suspension="first"),
            replace(POLICY, cut_connections="never"),
            ["fasttrack-defeats-suspension"],
        ),
        (replace(OPEN, suspension="after-fasttrack", ahead="rule 1"), POLICY, ["suspension-rule"]),
        (
            replace(OPEN, suspension="after-fasttrack", ahead="rule 1", ahead_is_fasttrack=True),
            POLICY,
            ["fasttrack-defeats-suspension"],
        ),
        # Where services are suspended without a list no rule is needed.
        (OPEN, RouterPolicy("acme"), []),
        (OPEN, POLICY.held_in("mac-server"), []),
        (OPEN, RouterPolicy("acme", throttle="64k/64k"), ["fasttrack-defeats-rates"]),
        (replace(OPEN, fasttrack=False), RouterPolicy("acme", throttle="64k/64k"), []),
        (replace(OPEN, ipv6=frozenset({"vlan1"})), RouterPolicy("acme"), ["ipv6-not-covered"]),
        (replace(OPEN, unread=frozenset({FILTER})), POLICY, []),
        # Of services with IPv6, rules of their own are needed, whatever suspends the others.
        (replace(OPEN, ipv6_filter=Ipv6Filter()), RouterPolicy("acme"), ["suspension-rule"]),
        (replace(OPEN, ipv6_filter=Ipv6Filter()), POLICY, ["suspension-rule"]),
        (SAFE, POLICY, []),
        (replace(SAFE, ipv6=frozenset({"vlan1"})), POLICY, []),
        (replace(SAFE, ipv6_filter=Ipv6Filter()), POLICY.held_in("mac-server"), []),
        (
            replace(SAFE, ipv6_filter=Ipv6Filter(fasttrack=True, suspension="first")),
            replace(POLICY, cut_connections="never"),
            ["fasttrack-defeats-suspension"],
        ),
        (
            replace(
                SAFE,
                ipv6_filter=Ipv6Filter(
                    suspension="after-fasttrack", ahead="rule 1", ahead_is_fasttrack=True
                ),
            ),
            POLICY,
            ["fasttrack-defeats-suspension"],
        ),
    ],
)
def test_what_is_found(facts, policy, found):
    assert kinds(facts, policy) == found


def test_both_families_are_in_one_finding():
    (finding,) = findings(replace(OPEN, ipv6_filter=Ipv6Filter()), POLICY)
    assert "no firewall rules drop all packets from and to address list suspended" in finding.detail
    assert "no IPv6 firewall rules drop all packets" in finding.detail


def test_a_menu_that_was_not_read_is_named_in_the_check():
    (line,) = check_lines(replace(OPEN, unread=frozenset({FILTER})), POLICY)
    assert (line.level, line.what) == ("warn", "effect")
    assert FILTER in line.detail
