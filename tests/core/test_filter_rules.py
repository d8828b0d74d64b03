"""The judge of rule order against a firewall that runs packet after packet."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.rows.filter_rules import (
    DIRECTIONS,
    judge_suspension,
    rules_ahead,
    walled_garden_list,
)

UP = {"src-address-list": "suspended", "dst-address-list": "!suspended-garden"}
DOWN = {"dst-address-list": "suspended", "src-address-list": "!suspended-garden"}
LISTS = ["suspended", "suspended-garden", "others"]
OURS = [{"chain": "forward", "action": "drop", **matchers} for matchers in (UP, DOWN)]
FASTTRACK = {"chain": "forward", "action": "fasttrack-connection"}

IN_A_CHAIN = [
    {"chain": "forward", "action": "jump", "jump-target": "a"},
    {"chain": "forward", "action": "jump", "jump-target": "a", "protocol": "tcp"},
    {"chain": "a", "action": "return", "protocol": "tcp"},
    *({**each, "chain": "a"} for each in OURS),
]


def rule(action, **fields):
    return {"chain": "forward", "action": action} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }


MATCHED = st.sampled_from(["", *LISTS, *(f"!{name}" for name in LISTS)])
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "chain": st.sampled_from(["forward", "forward", "a", "b", "input"]),
            "action": st.sampled_from(
                [
                    *("accept", "drop", "drop", "reject", "fasttrack-connection", "passthrough"),
                    *("jump", "return", "log", "tarpit"),
                ]
            ),
            "jump-target": st.sampled_from(["a", "b", "nowhere"]),
        },
        optional={
            "src-address-list": MATCHED,
            "dst-address-list": MATCHED,
            "protocol": st.sampled_from(["", "tcp"]),
            "connection-state": st.sampled_from(["established", "new"]),
            "disabled": st.sampled_from(["true", "false"]),
            "invalid": st.just("true"),
            "comment": st.just("theirs"),
        },
    )
    | st.sampled_from([*OURS, *IN_A_CHAIN]),
    max_size=8,
)


SUBSETS = [
    frozenset(name for name, inside in zip(LISTS, bits, strict=True) if inside)
    for bits in product((0, 1), repeat=len(LISTS))
]


def packets(rules):
    """Packets of suspended customers that are neither from nor to the walled garden."""
    garden = walled_garden_list("suspended", rules)
    for src, dst in product(SUBSETS, SUBSETS):
        up = "suspended" in src and garden not in dst
        down = "suspended" in dst and garden not in src
        if up or down:
            for protocol, state in product(("tcp", "udp"), ("new", "established")):
                yield {"src": src, "dst": dst, "protocol": protocol, "connection-state": state}


def fits(rule, packet):
    for name, value in rule.items():
        if name in ("disabled", "invalid") and value == "true":
            return False
        if not value:
            continue
        if name.endswith("-address-list"):
            inside = value.removeprefix("!") in packet[name[:3]]
            if inside == value.startswith("!"):
                return False
        if name in ("protocol", "connection-state") and packet[name] != value:
            return False
    return True


def fate(rules, packet, chain="forward", depth=0):
    """`dropped`, `past` or `on`: what a chain does to a packet."""
    if depth > len(rules):
        return "past"
    for candidate in rules:
        if candidate["chain"] != chain or not fits(candidate, packet):
            continue
        match candidate["action"]:
            case "drop" | "reject":
                return "dropped"
            case "accept" | "fasttrack-connection":
                return "past"
            case "return":
                return "on" if depth else "past"
            case "jump":
                ends = fate(rules, packet, candidate["jump-target"], depth + 1)
                if ends != "on":
                    return ends
    return "on" if depth else "past"


def got_past(rules):
    return [packet for packet in packets(rules) if fate(rules, packet) != "dropped"]


@given(RULES)
def test_first_means_that_no_packet_of_a_suspended_customer_gets_past(rules):
    if judge_suspension(rules, "suspended").place == "first":
        assert got_past(rules) == []


@given(RULES)
def test_our_rules_before_all_others_are_first(rules):
    assert judge_suspension([*OURS, *rules], "suspended").place == "first"


@given(RULES)
def test_where_no_rule_before_ours_is_named_nothing_gets_past(rules):
    both = [*rules, *(dict(ours) for ours in OURS)]
    ahead = [
        list(rules_ahead(both, ours, "suspended", direction))
        for ours, direction in zip(both[-2:], DIRECTIONS, strict=True)
    ]
    if walled_garden_list("suspended", both) == "suspended-garden" and ahead == [[], []]:
        assert got_past(both) == []
        assert judge_suspension(both, "suspended").place == "first"


@pytest.mark.parametrize(
    ("rules", "place", "ahead"),
    [
        ([], "none", ""),
        (OURS, "first", ""),
        (OURS[:1], "none", ""),
        ([FASTTRACK, *OURS], "after-fasttrack", "rule 0 (chain=forward action=fasttrack"),
        ([*OURS, FASTTRACK], "first", ""),
        ([{**FASTTRACK, "disabled": "true"}, *OURS], "first", ""),
        (
            [rule("accept", connection_state="established,related"), FASTTRACK, *OURS],
            "after-fasttrack",
            "rule 1 (chain=forward action=fasttrack",
        ),
        ([rule("accept", comment="all"), *OURS], "after-fasttrack", "comment 'all'"),
        # It spares suspended customers only if it does so in both directions.
        ([{**FASTTRACK, "src-address-list": "!suspended"}, *OURS], "after-fasttrack", "rule 0"),
        (
            [
                FASTTRACK | dict.fromkeys(("src-address-list", "dst-address-list"), "!suspended"),
                *OURS,
            ],
            "first",
            "",
        ),
        ([rule("accept", dst_address_list="suspended-garden"), *OURS], "after-fasttrack", "rule 0"),
        (
            [
                rule("drop", **{k.replace("-", "_"): v for k, v in UP.items()}, protocol="tcp"),
                OURS[1],
            ],
            "none",
            "",
        ),
        ([{**each, "disabled": "yes"} for each in OURS], "none", ""),
        # Rules of others do as well, with a list of their own for what stays open.
        (
            [
                rule("reject", src_address_list="suspended", dst_address_list="!portal"),
                rule("drop", dst_address_list="suspended", src_address_list="!portal"),
            ],
            "first",
            "",
        ),
        ([rule("jump", jump_target="hotspot"), *OURS], "first", ""),
        (
            [rule("jump", jump_target="c"), {"chain": "c", "action": "accept"}, *OURS],
            "after-fasttrack",
            "rule 1 (chain=c action=accept",
        ),
        (IN_A_CHAIN[:1] + IN_A_CHAIN[3:], "first", ""),
        (IN_A_CHAIN[1:2] + IN_A_CHAIN[3:], "none", ""),
        (IN_A_CHAIN[:1] + IN_A_CHAIN[2:], "none", ""),
        ([{"chain": "forward"}, *OURS], "after-fasttrack", "action=accept"),
        ([rule("jump", jump_target="forward"), *OURS], "after-fasttrack", "rule 0"),
        ([rule("return"), *OURS], "after-fasttrack", "rule 0"),
    ],
)
def test_places(rules, place, ahead):
    found = judge_suspension(rules, "suspended")
    assert found.place == place
    assert ahead in found.ahead
    assert bool(found.ahead) == (place == "after-fasttrack")
