"""What a caller without a key can make the gateway read, keep and wait for: little."""

import re
import socket
import time

import httpx
import pytest
import structlog

from contracts.parse import MAX_EVENT_BYTES
from tests import builders
from tests.gateway.asking import post, refusal
from tests.waiting import eventually

pytestmark = pytest.mark.redis

OPEN = {"/healthz", "/readyz", "/v1/schemas", "/v1/schemas/{event_type}"}
"""What needs no key; webhooks are signed, or their path is a secret."""
TWO_MIB = b"[" + b"[]," * 699_050 + b"[]]"


def operations(gateway):
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    return [
        (method.upper(), path, re.sub(r"\{\w+\}", "x", path))
        for path, each in document["paths"].items()
        for method in each
    ]


def test_every_route_checks_the_key_before_it_reads_the_body(gateway):
    client = gateway.client_of("")
    asked = 0
    for method, declared, path in operations(gateway):
        if declared in OPEN or "/hooks/" in declared:
            continue
        answer = client.request(method, path, content=b"{" if method != "GET" else None)
        refusal(answer, 401, "unauthorized")
        asked += 1
    assert asked > 10


def test_every_route_refuses_two_mib_without_a_key_within_a_second(gateway):
    client = gateway.client_of("")
    asked = 0
    for method, _, path in operations(gateway):
        if method not in {"POST", "PUT", "PATCH", "DELETE"}:
            continue
        for sent in (TWO_MIB, iter([TWO_MIB])):  # with its length, and in chunks
            before = time.monotonic()
            answer = client.request(method, path, content=sent)
            assert time.monotonic() - before < 1, path
            assert answer.status_code in ({401, 404, 413} if "/hooks/" in path else {401, 413}), (
                path
            )
            asked += 1
    assert asked >= 12


def test_a_too_large_body_is_refused_by_its_content_length(gateway):
    client = gateway.client("ops")
    for path in ("/v1/approvals/x/approve", "/v1/dead-letters/x/retry"):
        refusal(client.post(path, content=b" " * 100_000), 413, "too-large")
    in_pieces = client.post("/v1/approvals/x/approve", content=iter([b" " * 100_000]))
    refusal(in_pieces, 413, "too-large")


def test_an_event_of_the_largest_size_is_accepted(gateway):
    event = builders.mac_changed()
    event |= {"note": "x" * (MAX_EVENT_BYTES - len(str(event)) - 100)}
    assert post(gateway.client(), event).status_code == 202


def test_refusals_are_logged_with_key_and_peer(gateway):
    made = gateway.key("read")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with structlog.testing.capture_logs() as lines:
        gateway.client_of(made.token).get("/v1/approvals")
        gateway.client_of("lw_x_y").get("/v1/approvals")
    known, unknown = [line for line in lines if line["event"] == "request.refused"]
    assert (known["key"], known["peer"], known["path"]) == (
        made.key.id,
        "127.0.0.1",
        "/v1/approvals",
    )
    assert (unknown["key"], unknown["peer"], unknown["path"]) == (
        None,
        "127.0.0.1",
        "/v1/approvals",
    )


def test_a_caller_that_disconnects_is_not_logged_as_a_bug(gateway, caplog):
    url, token = httpx.URL(gateway.url), gateway.key().token
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/cloudevents+json\r\nContent-Length: 10000\r\n\r\n{"
    )
    with structlog.testing.capture_logs() as lines:
        with socket.create_connection((url.host, url.port)) as caller:
            caller.sendall(head.encode())
            gateway.client().get("/healthz")  # by now it was read
        eventually(lambda: lines, "it is noticed")
    assert [line["event"] for line in lines] == ["request.failed"]
    assert not caplog.records
