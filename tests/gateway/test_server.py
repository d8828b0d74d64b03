"""How the gateway's connections are set up."""

import gc
from asyncio import selector_events
from socket import IPPROTO_TCP, TCP_NODELAY, create_server

import httpx
import pytest

from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from tests.gateway.conftest import INVENTORY
from worker.errors import ConfigurationError

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


def test_one_that_cannot_listen_says_what_to_do_and_is_not_missed(
    quiet_logging, valkey, tmp_path, monkeypatch, prefix
):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    context = Context(tmp_path / "routers.toml", redis_url=valkey.url)
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = running_gateway(context, "127.0.0.1", port)
        with pytest.raises(ConfigurationError) as raised, refused:
            pass
    (problem,) = raised.value.problems
    assert problem == (
        f"127.0.0.1 port {port} cannot be listened on: Address already in use. Stop what listens "
        "there, or choose another with --listen and --port"
    )
    assert context.store.heartbeats.seen() == []
