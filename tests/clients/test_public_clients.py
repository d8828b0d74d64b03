"""Public clients that know nothing of Leasewire, each in a process of its own."""

import json
from pathlib import Path

import pytest

from simulator.testing import running
from tests.clients.playing import play

pytestmark = pytest.mark.router
HERE = Path(__file__).parent
LEASE = "/ip/dhcp-server/lease"
ROW = {
    "mac-address": "00:00:5E:00:53:01",
    "address": "223.203.225.10",
    "server": "dhcp-vlan-32",
    "comment": "customer 7",
}
CHANGED = "customer 8"
DUPLICATE = "failure: already have static lease for this client"


def asked_of(sim, port):
    return {
        "host": sim.router.host,
        "port": port,
        "user": sim.user,
        "password": sim.password,
        "row": ROW,
        "comment": CHANGED,
    }


def assert_told(notified, sim):
    """What both clients with a story of the same shape must have seen, and left behind."""
    (found,) = notified["found"]
    assert {name: found[name] for name in ROW} == ROW
    assert found["disabled"] == "false"
    assert notified["changed"]["comment"] == CHANGED
    assert DUPLICATE in notified["duplicate"]
    assert notified["names"] == ["MikroTik"]
    assert notified["left"] == []
    done = [entry["command"] for entry in sim.router.journal() if not entry["error"]]
    assert done == [f"{LEASE}/add", f"{LEASE}/set", f"{LEASE}/remove"]


@pytest.mark.parametrize(
    ("version", "plaintext_login", "tls"),
    [("7.20.8", True, False), ("7.18.2", True, True), ("6.42", False, False)],
)
def test_routeros_api(python_clients, run_story, version, plaintext_login, tls):
    with running(version=version, seed_guide=True) as sim:
        router = sim.router
        asked = asked_of(sim, router.api_ssl_port if tls else router.api_port)
        asked["plaintext_login"] = plaintext_login
        if tls:
            asked["ca"] = router.certificate_pem
        notified = run_story(
            python_clients / "bin/python", HERE / "routeros_api_story.py", asked=asked
        )
        assert_told(notified, sim)
        assert notified["count"] == "1"


@pytest.mark.parametrize("version", ["7.17.1", "6.48.6"])  # it fails on `!empty` of 7.18 on
def test_node_routeros(node, run_story, version):
    with running(version=version, seed_guide=True) as sim:
        asked = asked_of(sim, sim.router.api_port)
        notified = run_story(node, HERE / "node/story.js", asked=asked)
        assert_told(notified, sim)
        assert notified["listened"][".id"] == notified["added"]


def test_ansible(python_clients, tmp_path):
    rows = [
        ROW,
        {"address": "223.203.225.11", "server": "all", "client-id": "1:0:0:5e:0:53:2"},
    ]
    with running(version="7.20.8", seed_guide=True) as sim:
        router = sim.router
        notified, certificate = tmp_path / "told.json", tmp_path / "certificate.pem"
        certificate.write_text(router.certificate_pem)
        asked = asked_of(sim, router.api_ssl_port)
        asked |= {"rows": rows, "answer": str(notified), "ca_path": str(certificate)}
        play(python_clients, tmp_path, HERE / "leases.yml", asked)
        result = json.loads(notified.read_text())
        writes = [(w["command"], w["error"]) for w in router.journal()]
    assert result["first"]["changed"]
    assert not result["second"]["changed"]
    seen = [{k: v for k, v in row.items() if k != ".id"} for row in result["info"]["result"]]
    assert seen[0].items() >= ROW.items()
    assert result["duplicate"]["failed"]
    assert DUPLICATE in str(result["duplicate"]["msg"])
    assert result["changed"]["changed"]
    assert result["facts"]["ansible_facts"]["ansible_net_version"].startswith("7.20.8")
    assert result["emptied"]["new_data"] == []
    assert writes == [
        (f"{LEASE}/add", None),
        (f"{LEASE}/add", None),
        (f"{LEASE}/add", DUPLICATE),
        (f"{LEASE}/set", None),
        (f"{LEASE}/remove", None),
        (f"{LEASE}/remove", None),
    ]
