"""A target's certificate is verified: its authority must be named, and its name must fit."""

import ssl
import time

import pytest

from simulator.tls import make_certificate
from tests.outcomes.receiver import Receiver
from tests.store import secured
from tests.waiting import eventually

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(
    "case",
    [
        ("127.0.0.1", True, ""),
        ("127.0.0.1", False, "certificate: self-signed certificate"),
        ("127.0.0.2", True, "certificate: IP address mismatch"),
    ],
)
def test_only_targets_with_a_trusted_certificate_get_outcomes(post, secret, tmp_path, case):
    of, named, message = case
    certificate = make_certificate("bss", of, time.time())
    ca_file = tmp_path / "bss.pem"
    ca_file.write_text(certificate.pem)
    with Receiver(secret, certificate.context()) as receiver:
        target = post.target(
            receiver.port,
            secret,
            url=f"https://127.0.0.1:{receiver.port}/hook",
            ca_file=ca_file if named else None,
        )
        with post.delivering(target):
            post.say(1)
            if message:
                eventually(lambda: "message" in post.deliveries().state(), "it is refused")
            else:
                eventually(lambda: receiver.taken, "it came")
        assert message in post.deliveries().state().get("message", "")
        assert bool(receiver.attempts) == (not message)


def test_an_authority_made_by_openssl_is_accepted(post, secret, short_directory):
    authority, certificate = secured.make_certificate(short_directory, home_made=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Receiver(secret, context) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        with post.delivering(post.target(receiver.port, secret, url=url, ca_file=authority)):
            post.say(1)
            eventually(lambda: receiver.taken, "it came")
