"""The digest of a policy, and events that call a router by a former name."""

import dataclasses

from contracts.parse import parse_event
from tests.builders import activated, event
from worker.core.policy.policy import AppliedPolicy, Change, RouterPolicy
from worker.core.service.fold import with_present_names


def test_what_is_stored_is_read_back():
    applied = AppliedPolicy.of(RouterPolicy("acme", "dhcp|1", label=True), "ada", 17)
    assert AppliedPolicy.from_text(applied.to_text()) == applied


def test_every_field_has_its_part_in_the_digest():
    policy = RouterPolicy("acme")
    others = {
        field.name: dataclasses.replace(policy, **{field.name: "other"})
        for field in dataclasses.fields(policy)
    }
    digests = {AppliedPolicy.of(each).digest for each in (policy, *others.values())}
    assert len(digests) == len(others) + 1


def test_field_that_is_as_by_default_leaves_the_digest_as_it_was_before_there_was_one():
    assert AppliedPolicy.of(RouterPolicy("acme")).fields == '{"installation":"acme"}'


def test_changes_are_named_with_what_a_default_stands_for():
    before = AppliedPolicy.of(RouterPolicy("acme", "dhcp1"))
    after = AppliedPolicy.of(RouterPolicy("acme", on_dynamic="wait"))
    assert before.changes_to(after) == [
        Change("default_server", '"dhcp1"', '"all"'),
        Change("on_dynamic", '"remove"', '"wait"'),
    ]
    assert not before.changes_to(before)


def test_former_names_are_found_wherever_an_event_says_them():
    aliases = {"R1": "TOWER"}
    block = with_present_names(parse_event(activated(router="R1")), aliases)
    assert block.data.service.access.router == "TOWER"
    raw = event("moved", access={"router": "R2"}, previous_access={"router": "R1"})
    moved = with_present_names(parse_event(raw), aliases)
    assert moved.data.access.router == "R2"
    assert moved.data.previous_access.router == "TOWER"
    other = parse_event(activated(router="R2"))
    assert with_present_names(other, aliases) is other
