"""How the gateway's connections are set up."""

import gc
from asyncio import selector_events
from socket import IPPROTO_TCP, TCP_NODELAY

import httpx
import pytest

pytestmark = pytest.mark.redis


def test_answers_are_sent_at_once(gateway):
    """Else each body waits 40 ms until the caller acknowledges its head."""
    client = gateway.client()
    assert client.get("/healthz").is_success
    port = httpx.URL(gateway.url).port
    served = [
        each.get_extra_info("socket")
        for each in gc.get_objects()
        if isinstance(each, selector_events._SelectorSocketTransport)  # noqa: SLF001 - uvicorn's own
        and not each.is_closing()
        and each.get_extra_info("sockname")[1] == port
    ]
    assert [each.getsockopt(IPPROTO_TCP, TCP_NODELAY) for each in served] == [1]
