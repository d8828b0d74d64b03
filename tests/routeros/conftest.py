"""A simulated router, and sessions with it."""

from collections.abc import Callable, Iterator

import pytest

from simulator.testing import RouterHandle, running
from tests.routeros.peers import config_for, settings
from worker.inventory import Inventory, RouterConfig
from worker.routeros.session import Session
from worker.routeros.sessions import Sessions, open_session


@pytest.fixture
def router() -> Iterator[RouterHandle]:
    with running(seed_guide=True, rest_port=0) as simulation:
        yield simulation.router


@pytest.fixture(params=["api", "api-ssl", "rest"])
def transport(request) -> str:
    return request.param


@pytest.fixture
def log_into() -> Iterator[Callable[..., Session]]:
    """Opens a session with a router or with a configuration; the settings may be changed."""
    opened: list[Session] = []

    def open_one(router, transport: str = "api-ssl", **changes) -> Session:
        config = router if isinstance(router, RouterConfig) else config_for(router, transport)
        opened.append(open_session(config, settings(**changes)))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def sessions() -> Iterator[Callable[..., Sessions]]:
    """Makes `Sessions` for routers."""
    made: list[Sessions] = []

    def make(*configs: RouterConfig, **changes) -> Sessions:
        inventory = Inventory("acme", {config.name: config for config in configs}, {})
        made.append(Sessions(inventory, settings(**changes)))
        return made[-1]

    yield make
    for each in made:
        each.close_all()
