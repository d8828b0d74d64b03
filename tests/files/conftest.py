"""The command in a directory of its own, over a real Valkey, and a worker that folds."""

import json
import logging
import sys
import threading
import time
from typing import Any, NamedTuple

import pytest
import structlog

from contracts import names
from leasewire.cli import main
from leasewire.context import Context
from tests.builders import SOURCE
from tests.waiting import eventually
from worker.core.policy import RouterPolicy
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


class Result(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Office:
    """A command line, and a worker that takes in what it publishes."""

    def __init__(self, run, folder, context):
        self.run = run
        self.folder = folder
        self.store = context.store
        nobody = [].append
        self._accept = Accept(
            self.store,
            {**context.inventory.sources, OTHER: SourceConfig(OTHER, "revisions")},
            POLICIES,
            nobody,
            nobody,
        )
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work)

    def say(self, *events):
        """Fold events, as of now."""
        self._accept.run(events, names.QUEUE_EVENTS)

    def record(self, service_id):
        return self.store.records.read([service_id])[service_id].record

    def letters(self):
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
def office(valkey, prefix, tmp_path, monkeypatch, capsys):
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    (tmp_path / "routers.toml").write_text(INVENTORY)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["leasewire", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Result(ended.value.code or 0, *capsys.readouterr())

    context = Context(tmp_path / "routers.toml")
    office = Office(run, tmp_path, context)
    yield office
    office.close()
    context.store.client.close()
    logging.captureWarnings(capture=False)
    root.handlers, level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    structlog.reset_defaults()
