"""A router, an inventory and a store as the command line finds them; and what a worker would do."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from leasewire.context import Context
from simulator.testing import PASSWORD, RouterHandle, running
from tests.builders import SOURCE
from worker.convergence.concurrency import PassLimits
from worker.convergence.router_pass import Converge
from worker.intake.accept import Accept
from worker.routeros.sessions import Sessions

LEASES = "/ip/dhcp-server/lease"
INVENTORY = """\
[installation]
id = "acme"
[defaults]
password_file = "secret"
dhcp_server = "dhcp-vlan-32"
[routers.R1]
host = "{r1.host}"
port = {r1.api_ssl_port}
fingerprint = "{r1.fingerprint_sha256}"
[routers.R2]
host = "{r2.host}"
port = {r2.api_ssl_port}
fingerprint = "{r2.fingerprint_sha256}"
[sources."{source}"]
order = "revisions"
"""


@dataclass
class World:
    """Two routers, R1 and R2, and a worker's two use cases over the store."""

    r1: RouterHandle
    r2: RouterHandle
    context: Context
    accept: Accept
    converge: Converge

    def say(self, *events: dict[str, object]) -> None:
        """Fold events."""
        self.accept.run(events, "events")

    def drain(self, router: str = "R1") -> None:
        """Pass after pass, as they are rung for: beside live events one of bulk is a batch."""
        views, before = self.context.store.views, 0
        self.converge.run(router)  # which may find by itself what is to be done
        while (queued := views.router(router).queued) and queued != before:
            before = queued
            self.converge.run(router)


@pytest.fixture
def world(request, valkey, prefix, tmp_path, monkeypatch):
    """Parametrized by a test (`indirect=True`): with these options of the simulated routers."""
    more = getattr(request, "param", {})
    with running(2, seed_guide=True, user="leasewire", **more) as simulation:
        r1, r2 = simulation.routers
        inventory = tmp_path / "routers.toml"
        inventory.write_text(INVENTORY.format(r1=r1, r2=r2, source=SOURCE))
        (tmp_path / "secret").write_text(PASSWORD)
        monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
        monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
        context = Context(inventory)
        sessions = Sessions(context.inventory, context.settings)
        policies = {name: router.policy for name, router in context.inventory.routers.items()}
        # What a worker would do when it is rung; here a test does it.
        yield World(
            r1,
            r2,
            context,
            Accept(context.store, context.inventory.sources, policies),
            Converge(context.store, sessions, policies, PassLimits()),
        )
        sessions.close_all()
        context.store.client.close()


@pytest.fixture
def edited(world, tmp_path):
    """Edits the inventory: `edited((before, after), …)` gives what a worker of it does.

    That is (accept, converge); the world's own are those of a worker that was not restarted.
    """
    opened = []

    def edit(*pairs):
        path = tmp_path / "routers.toml"
        text = path.read_text()
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after, 1)
        path.write_text(text)
        context = Context(path)
        sessions = Sessions(context.inventory, context.settings)
        opened.append(sessions)
        policies = {name: router.policy for name, router in context.inventory.routers.items()}
        store = world.context.store
        return (
            Accept(store, context.inventory.sources, policies),
            Converge(store, sessions, policies, PassLimits()),
        )

    yield edit
    for sessions in opened:
        sessions.close_all()


@pytest.fixture
def short_path():
    """A directory whose path is short, as Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    yield directory
    shutil.rmtree(directory)
