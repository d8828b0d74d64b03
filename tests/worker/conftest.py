"""The intake desk of the first worker."""

import pytest
import structlog

from tests.worker.desk import Desk


@pytest.fixture
def quiet():
    """No log lines: for the many runs of a property."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def desk(store):
    """The first worker's."""
    return Desk(store)
