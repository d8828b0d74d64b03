"""The self-test finds each switch of the simulator in each of its positions."""

import json

import pytest

from simulator import dhcp_clients
from simulator.faults import POSITIONS, Switches
from simulator.profile import read_profile
from simulator.testing import running
from tests.selftest.laboratory import answer_to, selftest
from worker.selftest import connections
from worker.selftest.moments import AT_ONCE, AT_RENEWAL, KEPT, decide
from worker.selftest.run import QUESTIONS

pytestmark = pytest.mark.router

# numbers: one is asked over REST, one is how the simulator is made
NUMBERS = {"rest_limit_s", "shuffle_gather_ms"}


@pytest.mark.parametrize(
    ("switch", "position"),
    [(switch, position) for switch, values in POSITIONS.items() for position in values],
)
def test_a_position_of_a_switch_is_found(router, switch, position):
    router.set_switches(**{switch: position})
    found = selftest(router, switch)
    assert found["switches"] == {switch: position}, found["answers"]
    assert found["answers"][0]["seen"]


def test_every_switch_has_its_question():
    asked = {question.name for question in QUESTIONS if question.is_switch}
    assert asked | NUMBERS == set(Switches.__slots__)
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)


def test_the_limit_of_a_rest_request_is_measured(router, monkeypatch):
    monkeypatch.setattr(connections, "_PINGS", 2)
    router.set_switches(rest_limit_s=1)
    router.set_faults(service_ms_by_command={"/ping": 2_500})
    found = selftest(router, "rest_limit_s", "tagged_order", "rate_clear", transport="rest")
    assert found["switches"] == {"rest_limit_s": 1, "rate_clear": "at-once"}
    assert answer_to("tagged_order", found)["seen"] == ["REST has no tags: ask over the API"]


# one that contradicts no other: a lease that ended at once, or when asked, has nothing to renew
OTHERS = {
    "tagged_order": "shuffle",
    "stale_renewal": "silent",
    "zero_address_unique": True,
    "disabled_address_unique": False,
    "static_on_dynamic_address": "refuse",
    "option_in_use_removal": "refuse",
    "make_static_on_static": "refuse",
    "connection_ports": "apart",
    "lease_without_client": "refuse",
    "double_binding": "allow",
    "double_option_82": "allow",
    "rate_change": "at-renewal",
    "rate_clear": "kept-until-expiry",
    "lists_change": "kept-until-expiry",
    "block_access": "at-once",
    "disabling": "at-renewal",
    "mac_change": "at-renewal",
    "removal": "kept-until-expiry",
}


def test_a_router_with_the_profile_of_another_gives_the_same_report(tmp_path):
    with running(version="7.21.5", board="chr", switches=OTHERS) as sim:
        found = selftest(sim.router)
    assert OTHERS.items() <= found["switches"].items()
    path = tmp_path / "report.json"
    path.write_text(json.dumps(found))
    assert path.stat().st_size < 16_384
    profile = read_profile(path)
    assert (profile.version, profile.board) == ("7.21.5", "chr")
    with running(version=profile.version, board=profile.board, switches=profile.switches) as sim:
        again = selftest(sim.router)
    assert again | {"date": ""} == found | {"date": ""}


def test_a_report_is_small_and_has_nothing_of_the_router(router):
    router.set_row("/system/identity", "", {"name": "tower-of-ada"})
    fault = {"menu": "/ip/dhcp-server/lease", "field": "rate-limit", "value": "fast"}
    router.set_faults(refuse_values=[fault | {"text": "failure: tower-of-ada has no such rate"}])
    text = json.dumps(selftest(router, "queue_name", "bad_rate_limit", "second_server"))
    assert "failure: <name> has no such rate" in text
    for secret in ("tower-of-ada", router.serial, router.host, "leasewire@", "correct horse"):
        assert secret not in text


def test_an_old_router_needs_a_cable_between_two_ports():
    with running(version="7.9.2", cable="ether4=ether5") as sim:
        found = selftest(sim.router, ports=("ether4", "ether5"))
    assert found["wire"] == "cable"
    unknown = {one["question"] for one in found["answers"] if one["answer"] == "unknown"}
    newer = {"refused_reconfigure", "reconfigure_status", "beyond_session_limit"}
    newer |= {"double_option_82"}
    assert unknown == {"rest_limit_s"} | newer


def test_without_a_wire_nothing_is_said_of_devices(router):
    found = selftest(router, "rate_change", "zero_address_unique", ports=("ether4", "ether5"))
    assert found["switches"] == {"zero_address_unique": False}
    assert "join two spare ports by a cable" in answer_to("rate_change", found)["seen"][0]


@pytest.mark.parametrize("position", ["at-renewal", "kept-until-expiry"])
def test_a_device_that_moves_at_once_leaves_it_unknown(router, monkeypatch, position):
    monkeypatch.setattr(dhcp_clients, "_STARTS_AGAIN_S", 0)
    router.set_switches(address_change=position)
    found = selftest(router, "address_change", "mac_change")
    assert found["switches"] == {"mac_change": "kept-until-expiry"}
    assert "looks like kept" in answer_to("address_change", found)["seen"][0]


@pytest.mark.parametrize(
    ("stages", "answer", "seen"),
    [
        ({"a": AT_ONCE, "b": AT_ONCE}, AT_ONCE, ("changed at once: a, b",)),
        (
            {"a": AT_ONCE, "b": KEPT},
            None,
            ("changed at once: a", "changed after its lease: b"),
        ),
        (
            {"a": AT_RENEWAL, "b": None},
            None,
            ("changed when the device asked: a", "not changed in all that time: b"),
        ),
        ({"a": None}, None, ("not changed in all that time: a",)),
    ],
)
def test_parts_that_act_at_different_moments_are_no_answer(stages, answer, seen):
    finding = decide(stages)
    assert (finding.answer, finding.seen) == (answer, seen)
