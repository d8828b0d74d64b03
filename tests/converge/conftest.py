"""The routers, store and use cases that a pass works with; every log line is seen."""

import pytest

from tests.leasewire.conftest import edited, world

__all__ = ["edited", "world"]


@pytest.fixture(autouse=True)
def _talkative(monkeypatch):
    monkeypatch.setenv("LEASEWIRE_LOG_LEVEL", "DEBUG")
