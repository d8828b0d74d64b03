"""One simulated router for the tests of a module; each puts its switches back."""

from dataclasses import asdict

import pytest

from simulator.faults import Switches
from simulator.testing import running


@pytest.fixture(scope="module")
def _router():
    with running(version="7.23.3", rest_port=0) as sim:
        yield sim.router


@pytest.fixture
def router(_router):
    yield _router
    _router.set_switches(**asdict(Switches()))
    _router.clear_faults()
