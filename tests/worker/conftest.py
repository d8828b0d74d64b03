"""The intake desk of the first worker."""

import pytest

from tests.worker.desk import Desk


@pytest.fixture
def desk(store):
    """The first worker's."""
    return Desk(store)
