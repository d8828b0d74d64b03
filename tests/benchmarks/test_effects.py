"""The table of what acts when: nothing is said to act before it does, whatever the router does."""

import pytest

from benchmarks.effect_scene import KINDS, MOMENTS, Scene
from benchmarks.effects import ROUTERS, table

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.mark.parametrize(
    ("router", "moment"),
    [("7.11, FastTrack", MOMENTS[2]), ("7.19, reconfigure", MOMENTS[1]), ("6.48", MOMENTS[0])],
)
def test_nothing_is_said_to_act_before_it_does(router, moment):
    scene = Scene(ROUTERS[router], moment).play()
    assert scene.keys() == set(KINDS)
    assert not [kind for kind, seen in scene.items() if seen.too_early]
    assert scene["suspended"].acted == scene["activated"].acted == scene["mac"].acted == "at once"
    assert scene["address, dated"].acted in ("at once", "in the shortened time")
    assert scene["address, dated"].rung == "shortened-lease"
    lines = list(table({router: [scene]}))
    assert len(lines) == 2 + len(KINDS)
    cut = "connection-cut" if "FastTrack" in router else "address-list"
    assert f"| suspended | `{cut}`: at once |" in lines
