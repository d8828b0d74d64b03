"""A part of `leasewire up` that ends by itself is noticed: all ends then, loudly."""

import asyncio
import threading
from contextlib import suppress

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.api.server import GatewayServer
from gateway.outcomes.delivery_thread import Delivering
from leasewire.host.up import supervise
from tests.waiting import eventually
from worker.runtime.supervisor import Supervisor

pytestmark = pytest.mark.redis


def die():
    raise SystemExit(3)


async def dies_at_the_first_request(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
    else:
        asyncio.get_running_loop().call_soon(die)
    await receive()


def code_of(own_valkey, **parts):
    supervisor = Supervisor({}, events=0, routers=0)
    return supervise(supervisor, own_valkey, threading.Event(), parts)


def test_a_gateway_that_ends_ends_all(own_valkey):
    with GatewayServer(dies_at_the_first_request, "127.0.0.1", 0) as gateway:
        with suppress(httpx.TransportError):
            httpx.get(f"{gateway.url}/", timeout=5)
        eventually(lambda: not gateway.running, "its thread has ended")
        with capture_logs() as logs:
            assert code_of(own_valkey, gateway=gateway) == 1
    assert [each["part"] for each in logs if each["event"] == "part.ended"] == ["gateway"]


def test_a_delivery_that_ends_ends_all(own_valkey):
    def couriers(stopping):
        raise ZeroDivisionError

    with capture_logs() as logs, Delivering(couriers) as outcomes:
        eventually(lambda: not outcomes.running, "its thread has ended")
        assert code_of(own_valkey, outcomes=outcomes) == 1
    events = [(entry["event"], entry.get("thread")) for entry in logs]
    assert ("thread.failed", "outcomes") in events
    assert "part.ended" in dict(events)
