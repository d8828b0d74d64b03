"""Nothing is sent to a router that may be another one."""

import ssl

import pytest

from simulator.testing import running
from tests.routeros.peers import Client, config_for, peer, port_of
from tests.waiting import eventually
from worker.errors import RouterBlocked, RouterUnreachable

pytestmark = pytest.mark.router


@pytest.fixture(params=["api-ssl", "rest"])
def transport(request) -> str:
    return request.param


def blocked(log_into, config) -> RouterBlocked:
    with pytest.raises(RouterBlocked) as raised:
        log_into(config)
    return raised.value


def test_the_pinned_certificate_is_enough(log_into, router, transport):
    assert log_into(config_for(router, transport)).identity == "MikroTik"


def test_another_certificate_blocks_before_anything_is_sent(log_into, router, transport):
    config = config_for(router, transport)
    router.new_certificate()
    error = blocked(log_into, config)
    assert error.cause == "certificate-mismatch"
    assert router.fingerprint_sha256 in error.message.replace(":", "")
    assert "another one is pinned" in error.message
    assert router.counters() == {}


def test_no_pin_blocks_and_shows_the_fingerprint(log_into, router, transport):
    error = blocked(log_into, config_for(router, transport, fingerprint=None))
    assert error.cause == "certificate-not-pinned"
    assert error.advice.endswith(f'inventory: fingerprint = "{router.fingerprint_sha256}"')
    assert router.counters() == {}


def test_the_word_of_the_right_authority_is_enough(log_into, router, transport, tmp_path):
    (tmp_path / "ca.pem").write_text(router.certificate_pem)
    by_address = config_for(router, transport, fingerprint=None, ca_file=tmp_path / "ca.pem")
    assert log_into(by_address).identity == "MikroTik"
    by_name = config_for(
        router, transport, fingerprint=None, ca_file=tmp_path / "ca.pem", server_name="localhost"
    )
    assert log_into(by_name).identity == "MikroTik"


def test_another_authority_or_name_blocks_before_anything_is_sent(
    log_into, router, transport, tmp_path
):
    (tmp_path / "ca.pem").write_text(router.certificate_pem)
    with running() as other:
        (tmp_path / "other.pem").write_text(other.router.certificate_pem)
    for changes, words in (
        ({"ca_file": tmp_path / "other.pem"}, "self-signed certificate"),
        ({"ca_file": tmp_path / "ca.pem", "server_name": "tower-7.example"}, "Hostname mismatch"),
    ):
        error = blocked(log_into, config_for(router, transport, fingerprint=None, **changes))
        assert error.cause == "certificate-invalid"
        assert words in error.message
    assert router.counters() == {}


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_broken_ca_file_blocks(log_into, router, transport, tmp_path, content):
    if content:
        (tmp_path / "ca.pem").write_text(content)
    error = blocked(
        log_into, config_for(router, transport, fingerprint=None, ca_file=tmp_path / "ca.pem")
    )
    assert error.cause == "certificate-invalid"
    assert str(tmp_path / "ca.pem") in error.message


def test_a_service_without_a_certificate_blocks(log_into, transport):
    """RouterOS then offers anonymous ciphers only, which prove nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ADH:@SECLEVEL=0")

    def answer(client: Client) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(client.sock, server_side=True)

    with peer(answer) as anonymous:
        error = blocked(log_into, config_for(anonymous, transport))
    assert error.cause == "certificate-invalid"
    assert "Give its api-ssl service a certificate" in error.advice


@pytest.mark.parametrize(
    ("transport", "other"),
    [("api", "api-ssl"), ("api-ssl", "api"), ("api-ssl", "rest"), ("rest", "api-ssl")],
)
def test_the_wrong_service_on_a_port_is_out_of_reach(log_into, router, transport, other):
    port = port_of(router, other)
    with pytest.raises(RouterUnreachable):
        log_into(config_for(router, transport, port=port))


@pytest.mark.parametrize(
    ("expected", "cause"),
    [
        ({"expect_identity": "tower-8"}, "identity-mismatch"),
        ({"expect_serial": "HEX0"}, "serial-mismatch"),
    ],
)
def test_another_router_blocks_before_any_write(log_into, router, transport, expected, cause):
    error = blocked(log_into, config_for(router, transport, **expected))
    assert error.cause == cause
    assert (router.identity if "identity" in cause else router.serial) in error.message
    if transport != "rest":  # which keeps logins
        eventually(lambda: not router.sessions(), "its session is gone")
    assert router.journal() == []


def test_the_expected_router_is_taken(log_into, router, transport):
    config = config_for(
        router, transport, expect_identity=router.identity, expect_serial=router.serial
    )
    assert log_into(config).serial == router.serial


def test_a_virtual_router_is_known_by_its_system_id(log_into, transport):
    with running(board="chr", rest_port=0) as sim:
        session = log_into(sim.router, transport)
        assert session.serial
        (row,) = sim.router.rows("/system/license")
        assert session.serial == row["system-id"]


def test_the_port_of_the_plain_api_is_said_to_be_one(log_into, router):
    config = config_for(router, "api-ssl", port=router.api_port)
    with pytest.raises(RouterUnreachable) as caught:
        log_into(config)
    assert "check that this is the TLS port" in caught.value.message
