"""What a router must hold for the IPv6 of a service, and when that is written."""

from dataclasses import replace

import pytest

from tests.builders import activated, lease, mac, mac_changed, suspended
from tests.core.test_entry_policy import entry, folded
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import in_sync, work_items_of
from worker.core.plan.in_flight import placements_to_note
from worker.core.plan.member import Wanted
from worker.core.plan.planner import misnamed, plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding, binding_fields
from worker.core.rows.menus import BINDING, QUEUE
from worker.core.rows.operations import Add, MakeStatic, Remove, Set, WritePlan
from worker.core.rows.queues import OwnQueue, QueueOrder, QueueRow, queue_fields, shadows_of
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import BINDINGS, QUEUES, BindingRow, Identity, ListPlace
from worker.core.service.record_parts import Placement

PREFIX = "2001:db8:1:100::/56"
IPV6 = {"prefix": {"mode": "static", "ipv6": PREFIX}}
STATED = {**IPV6, "duid": "00:02:00:00:AB:11", "iaid": 7}
PLAN = {"plan": {"code": "HOME-20"}, "plans": {"HOME-20": "5M/20M"}}
LEARNED = {"duid": "0x0003000100005e005301", "iaid": "1"}


def test_a_service_without_ipv6_has_no_binding():
    assert entry().bindings == ()


def test_a_client_is_learned_for_the_device_unless_it_is_stated():
    assert entry(activated(ipv6=IPV6)).bindings == (OwnBinding("pd", PREFIX, mac=mac(1)),)
    stated = OwnBinding("pd", PREFIX, duid="0x00020000ab11", iaid="7")
    assert entry(activated(ipv6=STATED)).bindings == (stated,)
    swapped = entry(activated(ipv6=STATED), mac_changed(mac=mac(2)))
    assert swapped.bindings == (OwnBinding("pd", PREFIX, mac=mac(2)),)


def test_an_address_of_the_device_is_a_binding_of_its_own():
    made = entry(activated(ipv6={**IPV6, "address": "2001:DB8::5"}))
    assert [(binding.ia, binding.address) for binding in made.bindings] == [
        ("pd", PREFIX),
        ("na", "2001:db8::5/128"),
    ]
    assert made.needs[BINDINGS] == ("ia-type",)
    assert BINDINGS not in entry(activated(ipv6=IPV6)).needs


def test_what_a_policy_leaves_to_others_is_not_written():
    others = entry(activated(ipv6=IPV6)).bindings[0]
    assert (others.rate, others.lists, others.options, others.life_time) == (None,) * 4
    ours = entry(
        activated(ipv6=IPV6, plan=PLAN["plan"]),
        plans=PLAN["plans"],
        address_lists="customers",
        ipv6_options="dns6",
        ipv6_life_time="1d",
        ipv6_server="dhcp6",
    ).bindings[0]
    assert (ours.rate, ours.lists, ours.options) == ("5M/20M", "customers", "dns6")
    assert (ours.life_time, ours.server) == ("1d", "dhcp6")


@pytest.mark.parametrize(
    ("policy", "mode", "listed"),
    [
        ({}, None, {ListPlace("leasewire-suspended", PREFIX)}),
        ({"suspend_list": "off"}, "block", {ListPlace("off", PREFIX)}),
        (
            {"suspend_list": "off", "ipv6_suspend_list": "off6"},
            "block",
            {ListPlace("off6", PREFIX)},
        ),
        ({"throttle": "64k/64k"}, "throttle", set()),
    ],
)
def test_a_suspended_service_keeps_its_binding_and_stands_in_the_list(policy, mode, listed):
    made = entry(activated(ipv6=IPV6), suspended(mode=mode), **policy)
    assert {place for place in made.listed if ":" in place.address} == listed
    assert [binding.address for binding in made.bindings] == [PREFIX]


def test_a_throttle_holds_for_both_families():
    made = entry(activated(ipv6=IPV6), suspended(mode="throttle"), throttle="64k/64k")
    assert made.bindings[0].rate == made.fields["rate-limit"] == "64k/64k"


def test_one_queue_limits_both_families():
    made = entry(activated(ipv6=IPV6, plan=PLAN["plan"]), plans=PLAN["plans"], rates="queue")
    assert made.queue == OwnQueue("198.51.100.10", "5M/20M", ipv6=PREFIX)
    assert made.bindings[0].rate == made.fields["rate-limit"] == ""


@pytest.mark.parametrize(
    ("bindings", "is_written"),
    [
        ([OwnBinding("pd", PREFIX, mac=mac(1), **LEARNED)], True),
        ([OwnBinding("pd", PREFIX, mac=mac(1))], True),  # applied, though nobody has asked yet
        ([OwnBinding("pd", PREFIX, mac=mac(2), **LEARNED)], False),  # of the device before
        ([OwnBinding("pd", "2001:db8:2::/56", mac=mac(1), **LEARNED)], False),
        ([OwnBinding("pd", PREFIX, mac=mac(1), rate="1M/1M", **LEARNED)], False),
        ([], False),
    ],
)
def test_a_pass_is_needed_unless_the_bindings_are_as_wanted(bindings, is_written):
    record, made = folded(activated(ipv6=IPV6)), entry(activated(ipv6=IPV6))
    record = record._replace(placements={"R1": Placement(made.fields, bindings=tuple(bindings))})
    assert in_sync(record, {"R1": RouterPolicy("acme")}) == is_written
    assert ("R1" in work_items_of(record, {"R1": made}, bulk=False)) != is_written


def test_a_stated_client_is_written_only_as_stated():
    raw = activated(ipv6=STATED)
    record, made = folded(raw), entry(raw)
    other = made.bindings[0]._replace(iaid="8")
    record = record._replace(placements={"R1": Placement(made.fields, bindings=(other,))})
    assert not in_sync(record, {"R1": RouterPolicy("acme")})


def test_bindings_are_left_of_a_service_that_goes():
    old = Placement(None, bindings=(OwnBinding("pd", PREFIX),))
    record = folded()._replace(placements={"R9": old})
    entries = {"R9": Entry("SVC-1", None)}
    assert work_items_of(record, entries, bulk=False)


def queue_row(name, target, place, *, comment="", dynamic=False):
    fields = {**QUEUE.defaults, "name": name, "target": target}
    return QueueRow(f"*{place}", fields, comment, place=place, dynamic=dynamic)


@pytest.mark.parametrize(
    ("target", "shadows"),
    [
        ("2001:db8:1::/48", True),
        (PREFIX, True),
        ("198.51.100.0/24", True),
        ("198.51.100.77/32,2001:db8:1:100::/56", True),
        ("2001:db8:2::/48", False),
        ("2001:db8:1:200::/56", False),
    ],
)
def test_a_queue_of_others_before_ours_is_seen_for_both_families(target, shadows):
    own = OwnQueue("198.51.100.10", "5M/20M", ipv6=PREFIX)
    name = "leasewire:acme:SVC-1"
    rows = [
        queue_row("site", target, 0),
        queue_row(name, queue_fields(own, name)["target"], 1, comment=name),
    ]
    assert [row.queue for row in QueueOrder(rows, "acme").shadows(own, 1)] == ["site"] * shadows
    assert [shadow.name for shadow in shadows_of(rows, "acme")] == ["site"] * shadows


def test_what_becomes_ours_is_noted_before_it_is_written():
    """A crash after make-static leaves a row without a tag; one before a Set, the client before."""
    dynamic = {"address": "2001:db8:f::/56", "server": "dhcp6", **LEARNED}
    planned = OwnBinding("pd", PREFIX, mac=mac(1), **LEARNED)
    before = {"SVC-1": Placement({"mac-address": mac(1)}, bindings=(OwnBinding("pd", PREFIX),))}

    def noted(operation):
        made = WritePlan(((operation,),), (operation,), bindings={"SVC-1": (planned,)})
        return placements_to_note(made, before)["SVC-1"].bindings

    as_read = planned._replace(address="2001:db8:f::/56", server="dhcp6")
    assert noted(MakeStatic(1, "SVC-1", "*1", was=dynamic, menu=BINDINGS)) == (as_read,)
    added = {"address": PREFIX, "server": "all", **LEARNED}
    assert noted(Add(1, "SVC-1", added, menu=BINDINGS)) == (planned,)
    learned = {"iaid": "1"}
    assert noted(Set(1, "SVC-1", "*1", learned, {"iaid": "9"}, menu=BINDINGS)) == (planned,)


def plan_back_to_the_lease(*, binding_rate, queue_of_prefix, status="bound"):
    """Plan the way back from an own queue to the rates of lease and binding."""
    rate, name = "5M/20M", "leasewire:acme:SVC-1"
    at = lease("*1", service_id="SVC-1")
    at = replace(at, fields={**at.fields, "rate-limit": rate})
    binding = OwnBinding("pd", PREFIX, mac=mac(1), rate=rate)
    known = binding._replace(**LEARNED)
    fields = {**BINDING.defaults, **binding_fields(known), "rate-limit": binding_rate}
    rows = [
        at,
        BindingRow("*A", fields, name, status=status),
        queue_row("dhcp-ds", "198.51.100.10/32" + f",{PREFIX}" * queue_of_prefix, 0, dynamic=True),
        queue_row(name, f"198.51.100.10/32,{PREFIX}", 1, comment=name),
    ]
    wanted = {k: v for k, v in at.fields.items() if k != "client-id"}
    service = Wanted(Entry("SVC-1", wanted, bindings=(binding,)), wanted, bindings=(known,))
    index = RowIndex(rows, "acme", held={"*1": "198.51.100.10"})
    made = plan([service], index, RouterPolicy("acme"))
    return [(operation.menu, type(operation)) for operation in made.operations], made.waiting


def test_a_queue_of_both_families_goes_once_the_router_limits_both():
    removal = [(QUEUES, Remove)]
    assert plan_back_to_the_lease(binding_rate="5M/20M", queue_of_prefix=True) == (removal, {})
    done, waiting = plan_back_to_the_lease(binding_rate="5M/20M", queue_of_prefix=False)
    assert (done, waiting["SVC-1"].reason) == ([], "lease-has-no-queue")
    nobody = plan_back_to_the_lease(binding_rate="5M/20M", queue_of_prefix=False, status="waiting")
    assert nobody == (removal, {})
    first = plan_back_to_the_lease(binding_rate="", queue_of_prefix=True)
    assert first == ([(BINDINGS, Set)], {})


def test_a_queue_stays_until_a_binding_with_the_rate_is_there():
    name = "leasewire:acme:SVC-1"
    at = lease("*1", service_id="SVC-1")
    fields = {k: v for k, v in at.fields.items() if k != "client-id"} | {"rate-limit": "5M/20M"}
    binding = OwnBinding("pd", PREFIX, rate="5M/20M", **LEARNED)
    rows = [replace(at, fields=fields), queue_row(name, f"198.51.100.10/32,{PREFIX}", 1)]
    service = Wanted(Entry("SVC-1", fields, bindings=(binding,)), fields)
    made = plan([service], RowIndex(rows, "acme", held={}), RouterPolicy("acme"))
    assert [(o.menu, type(o)) for o in made.operations] == [(BINDINGS, Add)]


@pytest.mark.parametrize("is_late", [True, False])
def test_a_binding_that_landed_late_beside_its_own_is_removed(is_late):
    """Its answer was lost, and by then the service had another prefix."""
    late = "2001:db8:9::/56"
    name, fields = "leasewire:acme:SVC-1", {**BINDING.defaults, **LEARNED}
    rows = [
        lease("*1", service_id="SVC-1"),
        BindingRow("*A", {**fields, "address": PREFIX}, name),
        BindingRow("*B", {**fields, "address": late, "iaid": "2"}, name),
    ]
    wanted = {k: v for k, v in rows[0].fields.items() if k != "client-id"}
    binding = OwnBinding("pd", PREFIX, mac=mac(1))
    service = Wanted(
        Entry("SVC-1", wanted, bindings=(binding,)),
        wanted,
        sent=frozenset({Identity("", late, "all")} if is_late else ()),
        bindings=(binding._replace(**LEARNED),),
    )
    made = plan([service], RowIndex(rows, "acme"), RouterPolicy("acme"))
    assert [(type(o), o.row_id) for o in made.operations] == [(Remove, "*B")] * is_late
    assert [note.kind for note in made.notes] == ["late-row" if is_late else "duplicate-row"]


def test_a_tag_of_another_service_on_a_row_as_last_written_is_looked_at():
    fields = {**BINDING.defaults, "address": PREFIX, **LEARNED}
    edited = BindingRow("*A", fields, "leasewire:acme:SVC-7")
    binding = OwnBinding("pd", PREFIX, mac=mac(1), **LEARNED)
    service = Wanted(Entry("SVC-1", None), None, bindings=(binding,))
    assert misnamed([service], RowIndex([edited], "acme")) == {"SVC-7"}
