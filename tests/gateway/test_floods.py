"""Honest callers are answered at once while thousands of connections say nothing whole."""

import sys

import pytest

from tests.gateway.floods import FLOODS, MOST, measure
from tests.gateway.hostile import HEALTH_S, MEMORY_KB, target

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.skipif(sys.platform != "linux", reason="floods by epoll"),
]
_ROUNDS = 3
"""Whatever else takes the cores makes a round slow; the gateway alone would make each slow."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with target(tmp_path_factory.mktemp("floods")) as found:
        yield found


def test_callers_are_answered_within_100_ms_in_a_flood(attacked):
    seen = []
    for _ in range(_ROUNDS):
        waits, _ = measure(attacked.port, [*FLOODS.values()], MOST)
        seen.append(waits)
        if not waits.failed and waits.p95 < HEALTH_S * 1000:
            break
    else:
        pytest.fail(f"each of {_ROUNDS} rounds was slow: {seen}")
    assert attacked.most_memory_kb < MEMORY_KB
