"""Entries whose devices log in: rows are found, claimed and ordered by a name instead of a MAC."""

from dataclasses import replace

import pytest

from tests.builders import ipv4
from worker.core.entry.entry import Claim, Entry, placeholder
from worker.core.full_read.adoption import KnownServices, sort_rows
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, Remove, Set
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import NO_ADDRESS, Lease

POLICY = RouterPolicy("acme")


def fields_of(name, address=NO_ADDRESS, **more):
    return {"name": name, "address": address, "server": "all", "block-access": "no", **more}


def row(row_id, name, address=NO_ADDRESS, service="", **more):
    comment = f"leasewire:acme:{service}" if service else ""
    return Lease(row_id, fields_of(name, address, **more), comment)


def planned(wanted, *rows):
    return plan(wanted, RowIndex(rows, "acme"), POLICY)


def test_a_name_is_claimed_on_its_router_once():
    entry = Entry("A", fields_of("ada", ipv4(1)))
    assert entry.claims == {Claim("name:ada", "all"), Claim(f"address:{ipv4(1)}", "all")}
    assert replace(entry, fields=fields_of("")).claims == frozenset()
    made = planned([Wanted(Entry(name, fields_of("ada"))) for name in "AB"])
    assert made.waiting["B"].reason == "claim-held"
    assert "name ada" in made.waiting["B"].detail


def test_a_row_of_others_with_the_name_is_waited_for():
    made = planned([Wanted(Entry("A", fields_of("ada")))], row("*1", "ada"))
    assert (made.phases, made.waiting["A"].reason) == ((), "foreign-row")
    assert "ada" in made.waiting["A"].detail


def test_two_services_that_swap_names_never_hold_one_at_once():
    before = {"A": fields_of("ada", ipv4(1)), "B": fields_of("bob", ipv4(2))}
    after = {"A": fields_of("bob", ipv4(1)), "B": fields_of("ada", ipv4(2))}
    rows = [row("*1", "ada", ipv4(1), "A"), row("*2", "bob", ipv4(2), "B")]
    wanted = [Wanted(Entry(name, after[name]), written=before[name]) for name in "AB"]
    made = planned(wanted, *rows)
    written = [(op.service_id, op.fields["name"]) for phase in made.phases for op in phase]
    assert written == [("A", placeholder({"name": ""}, "A")), ("B", "ada"), ("A", "bob")]
    assert placeholder({"name": ""}, "A").startswith("leasewire-")
    half = [row("*1", placeholder({"name": ""}, "A"), ipv4(1), "A"), rows[1]]
    assert [type(op) for op in planned(wanted, *half).operations] == [Set, Set]


@pytest.mark.parametrize("tagged", [True, False])
def test_its_own_row_is_known_by_its_tag_or_as_last_written(tagged):
    found = row("*1", "ada", ipv4(1), "A" if tagged else "", profile="gold")
    written = found.fields
    change = Wanted(Entry("A", {**written, "profile": "silver"}), written=written)
    (operation,) = planned([change], found).operations
    assert (operation.fields["profile"], "comment" in operation.fields) == ("silver", not tagged)
    (gone,) = planned([Wanted(Entry("A", None), written=written)], found).operations
    assert isinstance(gone, Remove)
    (added,) = planned([change]).operations
    assert isinstance(added, Add)
    assert added.fields["name"] == "ada"


def test_a_row_in_use_is_adopted_by_its_name():
    known = KnownServices({"A": Entry("A", fields_of("ada", ipv4(1)))}, {"eve": "of X"}, {"A"})
    rows = [row("*1", "ada", ipv4(9)), row("*2", "eve"), row("*3", "joe")]
    found = sort_rows(rows, known, "acme")
    assert [each.sort for each in found] == ["adopt", "conflict", "foreign"]
    assert [(d.field, d.wanted, d.found) for d in found[0].differs] == [
        ("address", ipv4(1), ipv4(9))
    ]
    assert found[2].reason == "no service has its name or its address"
