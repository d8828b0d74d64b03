"""What monitoring and configuration tools ask beside leases."""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from simulator.control import ControlError
from simulator.testing import running
from tests.waiting import eventually

pytestmark = pytest.mark.router


def test_a_vlan_reads_in_its_own_way_and_as_an_interface(router):
    for _ in range(2):
        assert router.rows("/interface")[-1]["type"] == "vlan"
        assert "vlan-id" not in router.rows("/interface")[-1]
        (vlan,) = router.rows("/interface/vlan")
        assert (vlan["vlan-id"], vlan["interface"]) == ("32", "ether2")
        assert "type" not in vlan
    with pytest.raises(ControlError, match="already have interface with such name"):
        router.add_row("/interface/vlan", {"name": "ether1", "interface": "ether2"})
    router.remove_row("/interface/vlan", vlan[".id"])
    assert (
        router.rows("/ip/dhcp-server")[0].items() >= {"invalid": "true", "interface": "*6"}.items()
    )


def test_services_are_fixed_rows_and_show_connections_where_a_version_does(connect):
    with running(version="7.23.3") as sim:
        raw = connect(sim)
        shown = [words for words in raw.talk("/ip/service/print") if "=name=api" in words]
        assert len(shown) == 2
        assert "=dynamic=true" in shown[1]
        assert any(word.startswith("=remote=127.0.0.1:") for word in shown[1])
        fixed = raw.talk("/ip/service/print", "?name=api", "?dynamic=false")
        assert len(fixed) == 2
        assert raw.talk("/ip/service/set", "=.id=api", "=max-sessions=1") == [["!done"]]
        with pytest.raises((EOFError, ConnectionResetError)):
            connect(sim, login=False).read()
        assert raw.talk("/ip/service/set", "=.id=api", "=max-sessions=1001")[0] == [
            "!trap",
            "=category=1",
            "=message=value of max-sessions out of range (1..1000)",
        ]


def test_a_session_can_be_ended_by_another(sim, connect):
    with running(version="7.20.8") as other:
        first, second = connect(other), connect(other)
        assert second.talk("/user/active/remove", "=.id=*1") == [["!done"]]
        with pytest.raises((EOFError, ConnectionResetError)):
            first.read()


def test_a_ping_answers_for_addresses_of_clients(sim, connect):
    sim.router.device("00:00:5E:00:53:0A")
    raw = connect(sim)
    alive = raw.talk("/ping", "=address=223.203.225.100", "=count=2")
    assert [len(alive), "=received=2" in alive[1]] == [3, True]
    dead = raw.talk("/ping", "=address=223.203.225.99", "=count=1")
    assert "=status=timeout" in dead[0]


def test_a_pool_counts_the_addresses_of_clients():
    with running(version="7.21.5", seed_guide=True) as sim:
        counts = ("total", "used", "available")
        (pool,) = sim.router.rows("/ip/pool")
        assert [pool[name] for name in counts] == ["155", "0", "155"]
        sim.router.device("00:00:5E:00:53:0A")
        (pool,) = sim.router.rows("/ip/pool")
        assert [pool[name] for name in counts] == ["155", "1", "154"]
        (used,) = sim.router.rows("/ip/pool/used")
        assert (used["address"], used["info"]) == ("223.203.225.100", "00:00:5E:00:53:0A")


def test_rules_keep_their_order_and_can_be_moved(router):
    rules = "/ip/firewall/filter"
    one, two = (router.add_row(rules, {"chain": c}) for c in ("input", "forward"))
    three = router.add_row(rules, {"chain": "output", "place-before": one})
    assert [row[".id"] for row in router.rows(rules)] == [three, one, two]
    router.run(f"{rules}/move", {"numbers": two, "destination": three})
    assert [row[".id"] for row in router.rows(rules)] == [two, three, one]
    with pytest.raises(ControlError, match="can not move object before itself"):
        router.run(f"{rules}/move", {"numbers": two, "destination": two})


def test_a_certificate_is_added_and_signed(router):
    row_id = router.add_row("/certificate", {"name": "c", "common-name": "router"})
    router.run("/certificate/sign", {".id": row_id})
    (row,) = router.rows("/certificate")
    assert (row["private-key"], len(row["fingerprint"])) == ("true", 64)


def certificate_shown_at(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        context.wrap_socket(sock) as secure,
    ):
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))


def test_a_signed_certificate_is_served_by_the_service_that_names_it():
    service = "/ip/service"
    with running(certificate="none", rest_port=0) as sim:
        router = sim.router
        ports = {"api-ssl": router.api_ssl_port, "www-ssl": router.rest_port}
        for port in ports.values():
            with pytest.raises(ssl.SSLError):
                certificate_shown_at(port)
        with pytest.raises(ControlError, match="input does not match any value of certificate"):
            router.set_row(service, "api-ssl", {"certificate": "c"})
        row = {"name": "c", "common-name": "R1", "days-valid": "30"}
        row_id = router.add_row("/certificate", row)
        router.set_row(service, "www-ssl", {"certificate": "c"})
        with pytest.raises(ssl.SSLError):
            certificate_shown_at(ports["www-ssl"])  # not signed yet
        router.run("/certificate/sign", {".id": row_id})
        shown = certificate_shown_at(ports["www-ssl"])
        assert shown.subject.rfc4514_string() == "CN=R1"
        (row,) = router.rows("/certificate")
        assert row["fingerprint"] == shown.fingerprint(hashes.SHA256()).hex()
        assert timedelta(29) < shown.not_valid_after_utc - datetime.now(UTC) < timedelta(31)
        with pytest.raises(ssl.SSLError):
            certificate_shown_at(ports["api-ssl"])
        router.set_row(service, "api-ssl", {"certificate": "c"})
        assert certificate_shown_at(ports["api-ssl"]) == shown
        router.restore(json.loads(json.dumps(router.snapshot())))  # a backup has the key
        assert certificate_shown_at(ports["api-ssl"]) == shown
        router.new_certificate()
        assert certificate_shown_at(ports["api-ssl"]) != shown
        assert router.fingerprint_sha256 == router.rows("/certificate")[0]["fingerprint"]


def test_a_clock_that_was_set_goes_on(router):
    clock = "/system/clock"
    (row,) = router.rows(clock)
    assert row["date"] == f"{datetime.now(UTC):%Y-%m-%d}"
    assert row["dst-active"] == "false"
    router.set_row(clock, "", {"date": "2030-12-31", "time": "23:59:58"})
    eventually(lambda: router.rows(clock)[0]["date"] == "2031-01-01", "the year ends", within_s=10)
    row_id = router.add_row("/ip/firewall/address-list", {"list": "a", "address": "10.0.0.1"})
    (row,) = router.rows("/ip/firewall/address-list")
    assert (row[".id"], row["creation-time"][:10]) == (row_id, "2031-01-01")
    router.set_row(clock, "", {"time": "12:00:00"})
    assert router.rows(clock)[0]["date"] == "2031-01-01"
    with pytest.raises(ControlError, match="invalid value for argument date"):
        router.set_row(clock, "", {"date": "soon"})


def test_older_versions_write_dates_in_their_own_way():
    with running(version="7.9.2") as sim:
        sim.router.set_row("/system/clock", "", {"date": "jan/02/2031", "time": "00:00:00"})
        assert sim.router.rows("/system/clock")[0]["date"] == "jan/02/2031"


def test_a_queue_reads_its_rates_in_full_and_dynamic_ones_stay(router):
    router.add_row("/queue/simple", {"target": "10.0.0.1", "max-limit": "5M/20k"})
    (queue,) = router.rows("/queue/simple")
    assert (queue["name"], queue["target"], queue["max-limit"]) == (
        "queue1",
        "10.0.0.1/32",
        "5000000/20000",
    )


def test_a_virtual_router_has_no_board():
    with running(board="chr") as sim:
        with pytest.raises(ControlError, match="no such command prefix"):
            sim.router.rows("/system/routerboard")
        (licence,) = sim.router.rows("/system/license")
        assert licence["system-id"]
