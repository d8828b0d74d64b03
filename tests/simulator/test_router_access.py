"""Who may come in: certificates, none at all, services switched off, addresses."""

import hashlib
import socket
import ssl

import pytest

from simulator.control import ControlError
from simulator.testing import running
from simulator.tls import certificate_in, ffdhe2048
from tests.waiting import eventually

pytestmark = pytest.mark.router


def test_a_certificate_is_made_on_first_start_and_kept(tmp_path):
    file = tmp_path / "router.pem"
    with running(certificate=str(file)) as sim:
        first = sim.router.fingerprint_sha256
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with running(certificate=str(file)) as sim:
        assert sim.router.fingerprint_sha256 == first
        context = ssl.create_default_context(cafile=str(file))
        address = (sim.router.host, sim.router.api_ssl_port)
        with (
            socket.create_connection(address) as sock,
            context.wrap_socket(sock, server_hostname=sim.router.host) as secure,
        ):
            assert secure.version() == "TLSv1.2"
            seen = secure.getpeercert(binary_form=True)
        assert hashlib.sha256(seen).hexdigest() == first
    file.write_text("nonsense")
    with pytest.raises(ValueError, match=r".*"):
        certificate_in(file, "x", "127.0.0.1", 0)


def test_a_router_without_certificate_offers_anonymous_ciphers_alone():
    with running(certificate="none") as sim:
        assert sim.router.fingerprint_sha256 == ""
        address = (sim.router.host, sim.router.api_ssl_port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        with socket.create_connection(address) as sock, pytest.raises(ssl.SSLError):
            context.wrap_socket(sock)
        context.set_ciphers("ADH-AES128-SHA256:@SECLEVEL=0")
        with socket.create_connection(address) as sock, context.wrap_socket(sock) as secure:
            assert secure.cipher()[0] == "ADH-AES128-SHA256"
            secure.sendall(b"\x05/quit\0")
            assert secure.recv(100).startswith(b"\x06!fatal")


def test_the_prime_is_one():
    prime = ffdhe2048()
    assert prime.bit_length() == 2048
    assert pow(2, prime - 1, prime) == 1
    assert pow(3, (prime - 1) // 2, (prime - 1) // 2) in (1, 3)


def reachable(sim):
    try:
        socket.create_connection((sim.router.host, sim.router.api_port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_service_that_is_off_refuses_and_its_sessions_stay(sim, connect):
    raw = connect(sim)
    assert raw.talk("/ip/service/disable", "=.id=api") == [["!done"]]
    assert not reachable(sim)
    sim.router.reboot()
    assert not reachable(sim)
    sim.router.run("/ip/service/enable", {".id": "api"})
    eventually(lambda: reachable(sim), "it is reachable again")
    connect(sim)


@pytest.mark.parametrize(("version", "name"), [("7.18.2", "address"), ("7.24", "available-from")])
def test_a_service_for_other_addresses_opens_and_closes_unserved(connect, version, name):
    with running(version=version) as sim:
        sim.router.set_row("/ip/service", "api", {name: "10.0.0.0/8,192.0.2.1"})
        with pytest.raises((EOFError, ConnectionResetError)):
            connect(sim, login=False).read()
        connect(sim, tls=True)  # another service
        sim.router.set_row("/ip/service", "api", {name: "127.0.0.0/8"})
        connect(sim)
        with pytest.raises(ControlError, match=f"invalid value for argument {name}"):
            sim.router.set_row("/ip/service", "api", {name: "everywhere"})
