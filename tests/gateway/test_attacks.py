"""Every attack on the gateway that once got through is refused, and costs little memory."""

import sys

import pytest

from tests.gateway.attacks import ATTACKS, tried
from tests.gateway.hostile import MEMORY_KB, target

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.skipif(sys.platform != "linux", reason="reads memory in /proc"),
]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with target(tmp_path_factory.mktemp("attacks")) as found:
        yield found


@pytest.mark.parametrize("attack", ATTACKS, ids=[each.name for each in ATTACKS])
def test_an_attack_is_refused(attacked, attack):
    seen, _ = tried(attack, attacked)
    assert seen.refused, seen.message
    assert attacked.most_memory_kb < MEMORY_KB
