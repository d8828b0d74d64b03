"""What the router's words, and the errors of sockets and TLS, mean."""

import socket
import ssl

import pytest
from librouteros.exceptions import ConnectionClosed, FatalError, ProtocolError

from worker.core.entry.wanted import DEFAULT_KIND
from worker.errors import OutcomeUnknown, RouterBlocked, RouterUnreachable
from worker.routeros.failures import FOREIGN, refusal, refused_login, refused_read, verdict


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("failure: already have static lease for this client", "stale"),
        ("failure: already have static lease with this IP address", "stale"),
        ("no such item (4)", "stale"),
        ("no such item", "stale"),
        ("failure: can not change dynamic lease", "stale"),
        ("input does not match any value of server", "waiting"),
        ("input does not match any value of dhcp-option", "waiting"),
        ("not enough permissions (9)", "not-permitted"),
        ("std failure: not allowed (9)", "not-permitted"),
        ("invalid value for argument address", "refused"),
        ("invalid value of mac-address, mac address required", "refused"),
        (
            "invalid value for argument address:\n    invalid value for argument ipv6",
            "refused",
        ),
        ("value of priority out of range (1..254)", "refused"),
        ("unknown parameter dns-server", "refused"),
        ("missing =.id=", "refused"),
        ("std failure: timeout (13)", "unknown-words"),
        ("interrupted", "unknown-words"),
        ("failure: something new", "unknown-words"),
    ],
)
def test_each_known_text_has_its_kind_and_keeps_its_words(words, kind):
    assert refusal([words], DEFAULT_KIND.stale) == (kind, words)


def test_several_complaints_are_told_together():
    notified = refusal(["failure: something new", "no such item (4)"])
    assert notified == ("stale", "failure: something new; no such item (4)")


def test_a_read_that_is_not_permitted_calls_a_person():
    blocked = refused_read("R1", "reading leases", ["not enough permissions (9)"])
    assert isinstance(blocked, RouterBlocked)
    assert blocked.cause == "not-permitted"
    assert "read, write and api" in blocked.advice
    assert type(refused_read("R1", "reading leases", ["interrupted"])) is RouterUnreachable


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("invalid user name or password (6)", "login-refused"),
        ("cannot log in", "login-refused"),
        ("not enough permissions (9)", "not-permitted"),
        ("could not authenticate - radius timeout", ""),
    ],
)
def test_only_a_bad_login_needs_a_person(words, cause):
    refused = refused_login("R1", "leasewire", [words])
    assert refused.cause == cause
    assert isinstance(refused, RouterBlocked) == bool(cause)
    assert refused.message.endswith(words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (EOFError(), "the router closed the connection"),
        (FatalError("not logged in"), "the router ended the session: not logged in"),
        (ProtocolError("odd"), "the answer is not one of the RouterOS API: odd"),
        (ssl.SSLEOFError(8, "EOF occurred"), "TLS failed: "),
        (ConnectionClosed(), "ConnectionClosed"),
        (OSError(), "OSError"),
    ],
)
def test_foreign_errors_are_told_in_words(error, words):
    assert isinstance(error, FOREIGN)
    reading = verdict("R1", "reading leases", error)
    writing = verdict("R1", "writing", error, writing=True)
    assert type(reading) is RouterUnreachable
    assert type(writing) is OutcomeUnknown
    assert reading.message.startswith(f"reading leases: {words}")
    assert writing.router == "R1"


def test_a_reset_under_tls_is_not_told_as_a_fault_of_tls(router):
    context = ssl.create_default_context(cadata=router.certificate_pem)
    context.check_hostname = False
    plain = socket.create_connection((router.host, router.api_ssl_port), timeout=5)
    with context.wrap_socket(plain) as sock:
        router.power_off()
        with pytest.raises(OSError, match=r"SYS|reset") as caught:  # noqa: PT012 - the kernel takes some
            while True:
                sock.sendall(b"\0" * 100)
    told = verdict("R1", "writing", caught.value, writing=True).message
    assert told in {"writing: the connection broke", "writing: Connection reset by peer"}
