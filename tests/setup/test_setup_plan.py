"""A plan brings any router to what is wanted, from wherever a run before was cut off."""

from dataclasses import replace
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_filter_rules import RULES
from worker.core.entry.kinds.mac_server import MacServerEntry
from worker.core.policy.router_setup import plan_setup
from worker.core.policy.setup_firewall import fasttrack_steps
from worker.core.policy.setup_problems import problems_of
from worker.core.policy.setup_rows import (
    GROUP,
    SERVER6,
    SERVICE,
    wanted_rows,
    with_ipv6,
)
from worker.core.policy.setup_script import quoted
from worker.core.policy.setup_spec import DhcpSpec, RouterAccess, SetupSpec
from worker.core.rows.filter_rules import FILTER, FILTER6, judge_suspension, walled_garden_list
from worker.core.rows.rows import ADDRESS_LISTS, ADDRESS_LISTS6

WISH = SetupSpec(
    manage_from=("192.0.2.0/24", "198.51.100.7/32"),
    dhcp=tuple(
        DhcpSpec(
            f"dhcp-{n}",
            f"ether{n}",
            IPv4Network(f"10.{n}.0.0/24"),
            f"10.{n}.0.1",
            ranges=(f"10.{n}.0.100-10.{n}.0.200",) if n > 1 else (),
            dns_servers=("198.51.100.53",),
            options=((43, "0x0A0B"),),
        )
        for n in (1, 2)
    ),
    walled_garden=("198.51.100.80", "2001:db8:80::80"),
)
(MAC_SERVER,) = MacServerEntry.enable
ACCESS = RouterAccess(
    "acme", "r1.example", "api-ssl", "leasewire", "suspended", MacServerEntry.enable, "suspended6"
)
WANTED = wanted_rows(WISH, ACCESS, version=(7, 18), certificate=True)
THEIRS = {".id": "*1", "chain": "forward", "action": "accept", "comment": "theirs"}
OTHERS = {
    FILTER: [THEIRS],
    FILTER6: [THEIRS],
    GROUP: [{".id": "*1", "name": "full", "policy": "read,write,policy"}],
}


def fresh():
    """A router with rows of others, its services and a menu that no release has."""
    found = {each.menu: [] for each in WANTED} | {
        k: [dict(r) for r in v] for k, v in OTHERS.items()
    }
    found[SERVICE] = [{".id": "*8", "name": "api-ssl", "certificate": "none", "dynamic": "false"}]
    found[SERVICE].insert(0, {".id": "*9", "name": "api-ssl", "dynamic": "true"})
    found[MAC_SERVER] = [{"enabled": "false"}]
    return found


def take(found, step):
    """What a router makes of a step."""
    rows = found[step.menu]
    if step.verb == "add":
        fields = {k: v for k, v in step.fields.items() if k != "place-before"}
        before = step.fields.get("place-before")
        at = next((n for n, row in enumerate(rows) if row[".id"] == before), len(rows))
        rows.insert(at, {".id": f"*A{len(rows)}", **fields})
        return
    if step.verb == "move":
        row = rows.pop(next(n for n, row in enumerate(rows) if row[".id"] == step.row_id))
        ids = [other[".id"] for other in rows]
        rows.insert(ids.index(step.fields["destination"]), row)
        return
    wanted = (".id", step.row_id) if step.row_id else ("name", step.name)
    row = next(row for row in rows if row.get(wanted[0]) == wanted[1] or step.menu == MAC_SERVER)
    if step.verb == "sign":
        row["fingerprint"] = "00"
        return
    for name, value in step.fields.items():
        if name == "policy":
            message = set(row[name].split(",")) | set(value.split(","))
            kept = {w for w in message if w[:1] != "!" and f"!{w}" not in value.split(",")}
            row[name] = ",".join(kept)
        else:
            row[name] = value


@given(cut=st.integers(0, 30), data=st.data())
def test_from_wherever_it_was_cut_off_a_plan_leads_to_what_is_wanted(cut, data):
    found = fresh()
    for step in plan_setup(WANTED, found)[:cut]:
        take(found, step)
    ours = [row for each in WANTED for row in found[each.menu] if row.get("comment") != "theirs"]
    for row in data.draw(st.lists(st.sampled_from(ours), max_size=3)):
        names = [n for each in WANTED if row in found[each.menu] for n in each.fields if n in row]
        if names and row.get("name") != "full":
            row[data.draw(st.sampled_from(names))] = "changed"
    for step in plan_setup(WANTED, found):
        take(found, step)
    assert plan_setup(WANTED, found) == []
    assert {".id": "*9", "name": "api-ssl", "dynamic": "true"} in found[SERVICE]
    for menu, rows in OTHERS.items():
        assert [row for row in found[menu] if row[".id"] == "*1"] == rows


def test_spellings_of_one_value_are_no_difference():
    found = fresh()
    for step in plan_setup(WANTED, found):
        take(found, step)
    for menu, name, value in (
        ("/ip/dhcp-server", "lease-time", "00:30:00"),
        ("/ip/dhcp-server", "disabled", "false"),
        ("/ip/dhcp-server/option", "value", "0x0a0b"),
        ("/user", "address", "198.51.100.7,192.0.2.0/24"),
        (GROUP, "policy", "!ftp,write,read,api,!winbox"),
    ):
        found[menu][-1][name] = value
    assert plan_setup(WANTED, found) == []


def test_too_much_of_a_right_is_taken_away():
    found = fresh()
    for step in plan_setup(WANTED, found):
        take(found, step)
    found[GROUP][-1]["policy"] = "read,write,api,policy,!ftp"
    (step,) = plan_setup(WANTED, found)
    assert step.fields == {"policy": "read,write,api,!policy"}


def test_a_value_is_quoted_where_the_console_would_take_it_for_more():
    assert quoted("10.0.0.1-10.0.0.9,a:b/c_d") == "10.0.0.1-10.0.0.9,a:b/c_d"
    assert quoted('a "b" $c\\d?') == '"a \\"b\\" \\$c\\\\d\\?"'
    assert quoted("two\nlines") == '"two\\nlines"'
    assert quoted("") == '""'


def test_a_service_that_was_off_is_switched_on_for_us_alone():
    off = {".id": "*8", "name": "api-ssl", "disabled": "true", "available-from": ""}
    (step,) = [s for s in plan_setup(WANTED, fresh() | {SERVICE: [off]}) if s.menu == SERVICE]
    assert step.fields["address"] == "192.0.2.0/24,198.51.100.7/32"


def test_a_certificate_in_use_is_not_replaced_without_a_word():
    row = {".id": "*8", "name": "api-ssl", "certificate": "theirs", "address": "192.0.2.0/24"}
    found = fresh() | {SERVICE: [row]}
    steps = plan_setup(WANTED, found)
    problems = problems_of(WISH, ACCESS, WANTED, found, steps, seen_from="")
    said = [each.message for each in problems]
    assert "api-ssl gets a new certificate: clients that pin theirs will refuse it" in said
    kept = wanted_rows(WISH, ACCESS, version=(7, 18), certificate=False)
    assert not any("certificate" in step.fields for step in plan_setup(kept, found))


def firewall(rules, menu=FILTER):
    """A router that is set up but for its firewall: these rules, and how ours came to be there."""
    found = fresh()
    for step in plan_setup(WANTED, found):
        take(found, step)
    ours = [row for row in found[menu] if row.get("action") == "drop"]
    found[menu] = [{".id": f"*B{n}", **rule} for n, rule in enumerate(rules)]
    return found, ours


def finished(found, spec=WISH):
    """Set up; returns the steps, and makes sure that a second run has none."""

    def planned():
        return [*plan_setup(WANTED, found), *fasttrack_steps(spec.fasttrack, ACCESS, found)]

    steps = planned()
    for step in steps:
        take(found, step)
    assert planned() == []
    return steps


@given(
    RULES,
    st.lists(st.integers(0, 8), min_size=2, max_size=2),
    st.booleans(),
    st.sampled_from([(FILTER, "suspended"), (FILTER6, "suspended6")]),
)
def test_whatever_rules_there_are_ours_come_to_act_first(rules, places, add, family):
    menu, name = family
    theirs = [{**rule, "comment": "theirs"} for rule in rules]
    for rule in theirs:
        rule |= {field: value.replace("suspended", name) for field, value in rule.items()}
    found, ours = firewall(theirs, menu)
    before = [dict(rule) for rule in found[menu]]
    if not add:
        for place, row in zip(places, ours, strict=True):
            found[menu].insert(place, row)
    finished(found)
    assert [rule for rule in found[menu] if rule.get("comment") == "theirs"] == before
    if walled_garden_list(name, found[menu]) == f"{name}-garden":
        assert judge_suspension(found[menu], name).place == "first"


FASTTRACK = {"chain": "forward", "action": "fasttrack-connection"}
ACCEPT = {"chain": "forward", "action": "accept", "connection-state": "established,related"}


def test_rules_that_stand_behind_fasttrack_are_moved_and_what_for_is_shown():
    found, ours = firewall([FASTTRACK, ACCEPT])
    found[FILTER] += ours
    steps = finished(found)
    assert [(step.verb, step.fields) for step in steps] == [("move", {"destination": "*B0"})] * 2
    assert steps[0].note == "before rule 0 (chain=forward action=fasttrack-connection)"
    assert [rule["action"] for rule in found[FILTER]][:3] == ["drop", "drop", FASTTRACK["action"]]


def test_fasttrack_stays_unless_the_inventory_says_otherwise():
    found, _ = firewall([FASTTRACK])
    assert [step.verb for step in finished(found)] == ["add", "add"]
    assert found[FILTER][-1] == {".id": "*B0", **FASTTRACK}

    (step,) = finished(found, replace(WISH, fasttrack="spare-suspended"))
    assert step.before == {"src-address-list": "", "dst-address-list": ""}
    assert step.fields == dict.fromkeys(step.before, "!suspended")

    (step,) = finished(found, replace(WISH, fasttrack="off"))
    assert (step.fields, step.before) == ({"disabled": "yes"}, {"disabled": ""})


def test_ipv6_has_rules_of_its_own_where_the_router_delegates_prefixes():
    found, _ = firewall([FASTTRACK], FILTER6)
    spare = replace(WISH, fasttrack="spare-suspended")
    assert [step.menu for step in finished(found, spare)] == [FILTER6] * 3
    first, second, fasttrack = found[FILTER6]
    assert (first["src-address-list"], second["dst-address-list"]) == ("suspended6", "suspended6")
    assert first["dst-address-list"] == "!suspended6-garden"
    assert fasttrack["src-address-list"] == "!suspended6"
    garden = [(row["list"], row["address"]) for row in found[ADDRESS_LISTS6]]
    assert garden == [("suspended6-garden", "2001:db8:80::80")]
    assert not any(":" in row["address"] for row in found[ADDRESS_LISTS])

    for servers, asked, wanted in (
        ([], False, ""),
        ([{"dynamic": "true"}], False, ""),  # of a PPP session
        ([{}], False, "suspended6"),
        ([], True, "suspended6"),
    ):
        found = {SERVER6: servers}
        assert with_ipv6(ACCESS, found, asked=asked).ipv6_list == wanted


def test_a_router_without_ipv6_gets_no_rules_for_it_and_that_is_said():
    found = fresh()
    del found[FILTER6], found[ADDRESS_LISTS6]
    assert not any(step.menu in (FILTER6, ADDRESS_LISTS6) for step in plan_setup(WANTED, found))
    message = f"the router has no menu {FILTER6}: suspended services keep their IPv6, if any"
    assert message in said(found)


def said(found, spec=WISH):
    problems = problems_of(spec, ACCESS, WANTED, found, [], seen_from="")
    return [problem.message for problem in problems]


def test_what_setup_cannot_mend_in_the_firewall_is_said():
    spare = replace(WISH, fasttrack="spare-suspended")
    dynamic = {**ACCEPT, "dynamic": "true"}
    found, (up, down) = firewall([dynamic, {**FASTTRACK, "src-address-list": "fast"}])
    found[FILTER] += [{**up, "protocol": "tcp"}, down]
    steps = finished(found, spare)
    assert [step.fields for step in steps] == [{"destination": "*B1"}] * 2
    messages = "; ".join(said(found, spare))
    assert "is dynamic and lets packets of suspended services past" in messages
    assert "matches only protocol=tcp: it stops only some packets" in messages
    assert "already matches address lists" in messages


def test_reconfigure_is_left_out_where_the_router_lacks_it():
    spec = replace(WISH, use_reconfigure=True)
    for version, wanted in (((7, 18), 0), ((7, 19), 2), ((), 2)):
        rows = wanted_rows(spec, ACCESS, version=version, certificate=True)
        assert sum("use-reconfigure" in row.fields for row in rows) == wanted
    messages = said(fresh(), spec)
    assert "use_reconfigure is left out: DHCP servers have it from RouterOS 7.19 on" in messages
