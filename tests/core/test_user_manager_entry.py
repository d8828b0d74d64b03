"""What a user of User Manager has of a service, and how its attributes are read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests.builders import activated, ipv4, mac, suspended, version_of
from tests.strategies import events
from worker.core.effect.means import kinds_of
from worker.core.effect.rungs import RouterEffect, rung_of
from worker.core.entry.entry import Claim
from worker.core.entry.kinds.user_manager import UserManagerEntry
from worker.core.entry.wanted import placed, wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import ANY_SERVER, NO_ADDRESS
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.routeros.rows import entry_rows

KIND = UserManagerEntry()
HOLDER = {"entries": "user-manager", "plans": {"gold": "10M/50M"}, "suspend_list": "suspended"}
PLACE = {"mac-address": mac(1), "address": ipv4(10), "server": ANY_SERVER, "block-access": "no"}
GOLD = {"plan": {"code": "gold"}}


def entry(*raws, **policy):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    policies = {
        "R1": RouterPolicy("acme", user_manager="UM"),
        "UM": RouterPolicy("acme", **{**HOLDER, **policy}),
    }
    return wanted_entries(placed(record, policies), policies)["UM"]


def read_back(fields):
    """The row that a router shows after it was written with these fields."""
    own = KIND.own_fields(fields)
    (row,) = entry_rows(KIND, [{".id": "*1", **own}])
    return row.fields


def test_a_user_has_one_text_of_attributes_and_claims_mac_and_address():
    wanted = entry(activated(**GOLD))
    text = f"Framed-IP-Address:{ipv4(10)},Mikrotik-Rate-Limit:10M/50M"
    assert wanted.fields == {**PLACE, "rate-limit": "10M/50M", "attributes": text}
    assert KIND.own_fields(wanted.fields) == {
        "name": mac(1),
        "disabled": "no",
        "attributes": text,
    }
    mine = {Claim(f"mac:{mac(1)}", ANY_SERVER), Claim(f"address:{ipv4(10)}", ANY_SERVER)}
    assert wanted.claims == mine


def test_what_a_user_cannot_hold_is_said():
    ipv6 = {"prefix": {"mode": "static", "ipv6": "2001:db8:1:100::/56"}}
    given_ = activated(dns_servers=["198.51.100.53"], ipv6=ipv6)
    wanted = entry(given_, address_lists="basic,gold")
    kinds = [kind for kind, _ in wanted.notes]
    assert kinds == ["options-not-managed", "ipv6-not-managed", "lists-not-managed"]
    assert "Mikrotik-Address-List:basic" in wanted.fields["attributes"]
    assert entry(activated(plan={"code": "tin"})).missing.reason == "unknown-plan"
    assert entry(activated(pool="a,b")).missing.reason == "not-expressible"


def test_a_list_is_joined_with_an_address_of_a_pool_too():
    fields = entry(activated(pool="customers"), suspended()).fields
    assert fields["attributes"] == "Framed-Pool:customers,Mikrotik-Address-List:suspended"


def test_all_users_name_one_option_set():
    text = entry(activated(), option_set="tv").fields["attributes"]
    assert text == f"Framed-IP-Address:{ipv4(10)},Mikrotik-DHCP-Option-Set:tv"
    assert "tv" not in entry(activated(), option_set="tv", manage=frozenset()).fields["attributes"]


def test_the_check_says_what_no_source_says():
    assert "no DHCP server" in KIND.warning(RouterPolicy("acme", suspend_list="x"))
    assert KIND.warning(RouterPolicy("acme")) == ""


@pytest.mark.parametrize("kind", ["rate", "address", "suspended", "cancelled"])
def test_every_change_acts_when_the_device_asks_again(kind):
    assert rung_of(kind, entry(activated(**GOLD)).fields, RouterEffect()) == "lease-time"


def test_a_new_rate_is_a_change_of_the_rate():
    record = ServiceRecord("SVC-1")
    before = entry(activated(**GOLD)).fields
    after = entry(activated(**GOLD), plans={"gold": "5M"})
    raw = activated(**GOLD)
    record = fold(record, parse_event(raw), version_of(raw)).record
    assert kinds_of(after, record, before, {"plan"}) == ("rate",)


@given(st.lists(events(), max_size=5), st.sampled_from(["", "64k/64k"]), st.booleans())
def test_a_written_user_reads_back_as_wanted(raws, throttle, managed):
    """Else it would be written again and again."""
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    policy = RouterPolicy(
        "acme",
        entries="user-manager",
        throttle=throttle,
        plan_rates="events",
        suspend_list="suspended",
        manage=None if managed else frozenset(),
    )
    for wanted in wanted_entries(record, {"R1": policy, "R2": policy}).values():
        if wanted.fields is not None:
            assert wanted.fields.items() <= read_back(wanted.fields).items()


@given(st.text(max_size=20), st.text(alphabet="Framed-Pol:, 1.\n", max_size=40))
def test_users_of_others_are_read_whatever_they_say(name, attributes):
    fields = read_back({"mac-address": name, "attributes": attributes})
    assert fields["address"]
    assert fields["attributes"] == read_back({**fields})["attributes"]


def test_a_row_that_gives_up_its_address_says_so():
    fields = read_back({"mac-address": mac(1), "address": NO_ADDRESS})
    assert (fields["address"], fields["attributes"]) == (NO_ADDRESS, "Framed-IP-Address:0.0.0.0")
