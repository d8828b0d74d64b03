"""One event enters few files; `python -m tests.walk` says which."""

import pytest

from tests.installation import names_both
from tests.walk import MOST_CHANGES, MOST_FILES, picture, table, walk

pytestmark = [pytest.mark.redis, pytest.mark.router, names_both]


def test_the_walk_of_an_event_stays_within_its_limits(quiet_logging):
    found = walk()
    assert found.outcome is not None
    assert found.outcome.startswith("applied")
    text = f"{table(found)}\n{picture(found)}"
    assert len(found.total.files) <= MOST_FILES, text
    assert found.total.changes <= MOST_CHANGES, text
