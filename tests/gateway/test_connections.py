"""How much of a head is read, how long a request may take, and what idle connections do."""

import gc
import json
import os
import resource
import socket
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import structlog

from gateway.api import connections
from tests import builders
from tests.waiting import eventually

pytestmark = pytest.mark.redis


@contextmanager
def caller(gateway, sent=b""):
    """A connection that sends just this."""
    url = httpx.URL(gateway.url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        if sent:
            connection.sendall(sent)
        yield connection


def heard(connection):
    """All that is answered until the gateway hangs up."""
    found = b""
    try:
        while more := connection.recv(65_536):
            found += more
    except ConnectionError:
        pass
    return found


@pytest.fixture
def short(monkeypatch):
    """The time limits, a twentieth of what they are."""
    for name in ("HEAD_S", "BODY_S", "ANSWER_S"):
        monkeypatch.setattr(connections, name, getattr(connections, name) / 20)


@pytest.mark.parametrize("piece", [1000, 200_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize(
    "more",
    [
        b"X: " + b"a" * 70_000,
        b"".join(b"X-%d: 1\r\n" % n for n in range(200)),
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(70)),
    ],
    ids=["a long header", "many headers", "long headers"],
)
def test_a_head_is_bounded(gateway, more, piece):
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + more.rstrip() + b"\r\n\r\n"
    with caller(gateway) as connection:
        try:
            for at in range(0, len(head), piece):
                connection.sendall(head[at : at + piece])
        except ConnectionError:
            pass
        assert heard(connection).startswith(b"HTTP/1.1 431 ")


def test_a_long_path_is_bounded(gateway):
    with caller(gateway, b"GET /" + b"a" * 70_000) as connection:
        assert heard(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_within_the_bounds_is_read_however_it_comes(gateway):
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 60_000
    head += b"".join(b"\r\nX-%d: 1" % n for n in range(90)) + b"\r\nConnection: close\r\n\r\n"
    with caller(gateway) as connection:
        for at in range(0, len(head), 5_000):
            connection.sendall(head[at : at + 5_000])
        assert b'{"status":"alive"}' in heard(connection)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\r\n"],
    ids=["nothing", "half a head", "no head"],
)
def test_a_head_that_does_not_arrive_times_out(short, gateway, sent):
    with caller(gateway, sent) as connection:
        before = time.monotonic()
        heard(connection)
        assert time.monotonic() - before < connections.HEAD_S * 5


def test_a_slow_head_times_out(short, gateway):
    with caller(gateway, b"GET /healthz HTTP/1.1\r\nHost: x\r\n") as connection:

        def refused():
            try:
                connection.sendall(b"X: 1\r\n")
            except ConnectionError:
                return True
            return False

        eventually(refused, "the gateway hangs up", within_s=connections.HEAD_S * 10)


@pytest.mark.parametrize("length", [100, 10_000], ids=["small", "large"])
def test_a_body_that_does_not_arrive_is_answered_408(short, gateway, length):
    token = gateway.key().token
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/cloudevents+json\r\nContent-Length: {length}\r\n\r\n{{"
    )
    with caller(gateway, head.encode()) as connection:
        answer = heard(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code": "too-slow"' in answer


def test_a_refused_body_is_not_waited_for(short, gateway):
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n{"
    with caller(gateway, head) as connection:
        answer = heard(connection)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert answer.count(b"HTTP/1.1") == 1


def test_a_long_poll_and_an_idle_client_outlive_the_limit_for_heads(short, gateway):
    """What waits for us is not what keeps us waiting."""
    client = gateway.client()
    for _ in range(2):
        answer = client.get("/v1/outcomes?wait=2")  # four times the limit
        assert answer.json()["outcomes"] == []


HALVES = (
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    b"POST /v1/hooks/generic/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /v1/approvals/x/approve HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
)
"""What says nothing whole, of which anybody can open thousands."""


def test_incomplete_requests_take_no_connection(gateway):
    """uvicorn's and asyncio's take a third of a millisecond to make: others waited for them."""
    with ExitStack() as idle:
        for n in range(80):
            idle.enter_context(caller(gateway, HALVES[n % 4]))
        assert httpx.get(f"{gateway.url}/healthz").is_success
        made = [each for each in gc.get_objects() if isinstance(each, connections.Connection)]
        assert sum(each.parser is not None for each in made) <= 1  # of that request


def test_a_small_request_may_come_in_pieces(gateway):
    body = json.dumps(builders.mac_changed()).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key().token}\r\n"
        "Content-Type: application/cloudevents+json\r\nConnection: close\r\n"
        f"content-length:{len(body)}\r\n\r\n"
    )
    sent = head.encode() + body
    with caller(gateway) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), 25):
            connection.sendall(sent[at : at + 25])
        assert heard(connection).startswith(b"HTTP/1.1 202 ")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400 "),
        (HALVES[1], b""),
        (HALVES[2], b""),
        (HALVES[2].replace(b"1000\r\n", b"1000\r\nExpect: 100-continue\r\n"), b"HTTP/1.1 404 "),
    ],
    ids=["TLS", "half a head, then its end", "half a body, then its end", "waits to be asked"],
)
def test_bytes_that_are_not_http_are_answered_at_once(gateway, sent, answer):
    with caller(gateway, sent) as connection:
        connection.shutdown(socket.SHUT_WR)
        before = time.monotonic()
        assert heard(connection).startswith(answer)
        assert time.monotonic() - before < connections.HEAD_S / 2


def test_without_a_descriptor_callers_wait_and_the_log_says_so(gateway):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    url = httpx.URL(gateway.url)
    assert gateway.client().get("/healthz").is_success  # it has begun, and has what it needs
    with structlog.testing.capture_logs() as lines, socket.socket() as connection:
        connection.settimeout(10)
        free = os.dup(connection.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            connection.connect((url.host, url.port))
            eventually(lambda: lines, "it is said")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert heard(connection).startswith(b"HTTP/1.1 200 ")
    assert lines[0]["event"] == "gateway.accept_failed"
    assert "LimitNOFILE" in lines[0]["advice"]


def test_idle_connections_make_nobody_wait(gateway, monkeypatch):
    monkeypatch.setattr(connections, "MOST_ARRIVING", 20)
    client = gateway.client()
    assert client.get("/healthz").is_success
    with ExitStack() as idle:
        first, *_ = [idle.enter_context(caller(gateway, HALVES[n % 4])) for n in range(60)]
        before = time.monotonic()
        assert heard(first) == b""  # who came first goes
        assert time.monotonic() - before < connections.HEAD_S / 2
        for _ in range(20):
            before = time.monotonic()
            assert httpx.get(f"{gateway.url}/healthz").is_success
            assert time.monotonic() - before < 1


def test_waiting_callers_are_kept_when_idle_ones_are_closed(gateway, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    token = gateway.key().token
    poll = (
        f"GET /v1/outcomes?wait=2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Connection: close\r\n\r\n"
    )
    with ExitStack() as those:
        polls = [those.enter_context(caller(gateway, poll.encode())) for _ in range(3)]
        assert httpx.get(f"{gateway.url}/healthz").is_success  # theirs were read before
        idle = b"POST /v1/approvals/x/approve HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n{"
        for _ in range(30):
            those.enter_context(caller(gateway, idle))
        assert all(heard(each).startswith(b"HTTP/1.1 200 ") for each in polls)


def test_unfinished_bodies_are_bounded_together(gateway, monkeypatch):
    monkeypatch.setattr(connections, "MOST_UNFINISHED_BYTES", 1_000_000)
    token = gateway.key().token
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/cloudevents-batch+json\r\nContent-Length: 900000\r\n\r\n"
    )
    with ExitStack() as those:
        first, *_ = [
            those.enter_context(caller(gateway, head.encode() + b" " * 300_000)) for _ in range(5)
        ]
        assert heard(first) == b""  # who keeps us waiting longest goes


def test_an_answer_that_is_not_read_is_dropped(short, gateway):
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    url = httpx.URL(gateway.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.host, url.port))
        connection.sendall(request)

        def gone():
            try:
                connection.send(b"GET")
            except ConnectionError:
                return True
            return False

        eventually(gone, "the gateway hangs up", within_s=10)


@pytest.mark.parametrize(
    ("now", "most", "then"), [(256, 1024, 1024), (1024, 1_000_000, 8000), (9000, 9000, 9000)]
)
def test_as_many_files_may_be_open_as_are_needed(monkeypatch, now, most, then):
    limits = [now, most]
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(
        connections.resource, "setrlimit", lambda _, new: limits.__setitem__(0, new[0])
    )
    connections.allow_open_files()
    assert limits == [then, most]
    assert connections.most_connections() == min(1000, then // 4)


def test_a_gateway_takes_the_files_it_needs(gateway):
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert now >= min(most, 8000)
