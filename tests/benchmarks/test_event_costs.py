"""What an event costs by script and step."""

import pytest

from benchmarks.event_costs import BATCHES, SCRIPTS, Costs, measure
from tests.small_installation import SmallInstallation

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_the_costs_of_an_event_by_script_and_step():
    with SmallInstallation(1) as small:
        assert Costs(small.client).before_first_line().keys() == set(SCRIPTS)
        for found, batch in zip(measure(small, 3, ""), BATCHES, strict=True):
            assert found["redis"].keys() == {"take_journal", *SCRIPTS}
            assert found["python"].keys() == {"publish", "fold", "pass"}
            assert found["events"] == 3 * batch
            assert found["redis_sum"] > 0
