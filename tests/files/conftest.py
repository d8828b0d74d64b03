"""The command in a directory of its own, over a real Valkey, and a worker that folds."""

import threading
import time

import pytest

from contracts import names
from leasewire.context import Context
from tests.builders import SOURCE
from tests.waiting import eventually
from worker.core.policy.policy import RouterPolicy
from worker.intake.accept import Accept
from worker.inventory.config import SourceConfig

OTHER = "urn:isp:bss:other"
INVENTORY = f"""\
[installation]
id = "acme"
[sources."{SOURCE}"]
order = "revisions"
"""
POLICIES = {name: RouterPolicy("acme", "dhcp1") for name in ("R1", "R2")}


class Office:
    """A command line, and a worker that takes in what it publishes."""

    def __init__(self, run, folder, context):
        self.run = run
        self.folder = folder
        self.store = context.store
        self._accept = Accept(
            self.store,
            {**context.inventory.sources, OTHER: SourceConfig(OTHER, "revisions")},
            POLICIES,
        )
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work)

    def say(self, *events):
        """Fold events, as of now."""
        self._accept.run(events, names.QUEUE_EVENTS)

    def record(self, service_id):
        return self.store.records.read([service_id])[service_id].record

    def dead_letters(self):
        return self.store.views.dead_letters()

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        made = path.stat().st_mtime
        eventually(lambda: time.time() > made + 0.002, "the file is of the past")
        return str(path)

    def start_worker(self):
        self._worker.start()

    def close(self):
        self._stop.set()
        if self._worker.is_alive():
            self._worker.join()

    def _work(self):
        while not self._stop.wait(0.02):
            self._accept.run((), names.QUEUE_BULK)


@pytest.fixture
def office(leasewire, valkey, prefix, tmp_path, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    (tmp_path / "routers.toml").write_text(INVENTORY)
    context = Context(tmp_path / "routers.toml")
    office = Office(leasewire, tmp_path, context)
    yield office
    office.close()
    context.store.client.close()
