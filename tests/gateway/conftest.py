"""A gateway as `leasewire gateway` runs it: uvicorn on a real socket, over a real Valkey."""

from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from gateway.api.api_keys import ApiKeys, KeyScope
from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from tests import builders
from tests.gateway.shared import TRUST, one_document

__all__ = ["one_document"]

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{builders.SOURCE}"]
order = "revisions"
[sources."urn:isp:noc"]
order = "times"
scopes = ["publish", "override"]
"""
PUBLISHER = (KeyScope.PUBLISH, KeyScope.READ)


class Gateway:
    """One gateway and clients of it.

    Args:
        url: where it listens.
        context: what it works with.
    """

    def __init__(self, url, context):
        self.url = url
        self.context = context
        self.store = context.store
        self.keys = ApiKeys(context.store.client, context.settings.key_prefix)
        self._clients = []

    def key(self, *scopes, sources=(builders.SOURCE,), **more):
        now = datetime.now(UTC).isoformat()
        return self.keys.create(
            "test", sources, scopes or PUBLISHER, created_at=now, actor="ann", **more
        )

    def client(self, *scopes, **more):
        """A client with a key of its own."""
        return self.client_of(self.key(*scopes, **more).token)

    def client_of(self, token):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=TRUST)
        self._clients.append(client)
        return client

    def journaled(self, lane="events"):
        return self.store.journal.depth(lane)

    def close(self):
        for client in self._clients:
            client.close()


@pytest.fixture
def gateway_at(quiet_logging, tmp_path, monkeypatch, prefix):
    """Starts gateways: `with gateway_at(url_of_redis) as gateway`."""
    (tmp_path / "routers.toml").write_text(INVENTORY)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)

    @contextmanager
    def start(redis_url, depth_limit=50_000, bulk_limit=50_000):
        context = Context(tmp_path / "routers.toml", redis_url=redis_url)
        with running_gateway(context, "127.0.0.1", 0, depth_limit, bulk_limit) as server:
            gateway = Gateway(server.url, context)
            yield gateway
            gateway.close()
        context.store.client.close()

    return start


@pytest.fixture
def gateway(valkey, gateway_at):
    with gateway_at(valkey.url) as gateway:
        yield gateway
