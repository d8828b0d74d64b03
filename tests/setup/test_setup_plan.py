"""A plan brings any router to what is wanted, from wherever a run before was cut off."""

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from worker.core.entry.kinds.mac_server import MacServerEntry
from worker.core.policy.router_setup import (
    FILTER,
    GROUP,
    SERVICE,
    plan_setup,
    problems_of,
    wanted_rows,
)
from worker.core.policy.setup_script import quoted
from worker.core.policy.setup_spec import DhcpSpec, RouterAccess, SetupSpec

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
    walled_garden=("198.51.100.80",),
)
(MAC_SERVER,) = MacServerEntry.enable
ACCESS = RouterAccess(
    "acme", "r1.example", "api-ssl", "leasewire", "suspended", MacServerEntry.enable
)
WANTED = wanted_rows(WISH, ACCESS, version=(7, 18), certificate=True)
OTHERS = {
    FILTER: [{".id": "*1", "chain": "forward", "action": "accept", "comment": "theirs"}],
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
        rows.insert(0 if step.menu == FILTER else len(rows), {".id": f"*A{len(rows)}", **fields})
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
    said = [each.message for each in problems_of(WISH, ACCESS, found, steps, "")]
    assert "api-ssl gets a new certificate: clients that pin theirs will refuse it" in said
    kept = wanted_rows(WISH, ACCESS, version=(7, 18), certificate=False)
    assert not any("certificate" in step.fields for step in plan_setup(kept, found))
