"""Routers, an inventory, a store and the command; and the exporter over them, on a real socket."""

from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from leasewire.monitor.metrics import exporting
from leasewire.sources.delivering import Targets
from tests.gateway.shared import TRUST
from tests.leasewire.conftest import edited, world

__all__ = ["edited", "world"]


class Scrape:
    """What one scrape said: `scrape.value("leasewire_router_up", router="R1")`."""

    def __init__(self, response):
        assert response.status_code == 200, response.text
        self.families = {each.name: each for each in text_string_to_metric_families(response.text)}
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name, **labels):
        return self._samples[name, frozenset(labels.items())]

    def by(self, name, label, **others):
        """Label -> value of what is not 0, of the samples with these other labels."""
        return {
            dict(labels)[label]: value
            for (found, labels), value in self._samples.items()
            if found == name and value and labels >= others.items()
        }

    def __len__(self):
        return len(self._samples)


def scrape(url, **headers):
    return Scrape(httpx.get(f"{url}/metrics", headers=headers, timeout=30, verify=TRUST))


@pytest.fixture
def exporter(quiet_logging):
    """Runs an exporter: `with exporter(context) as url`."""

    @contextmanager
    def run(context):
        with exporting(Targets(context, signing=False), "127.0.0.1", 0) as server:
            yield server.url

    return run
