"""The table of what acts when: nothing is said to act before it does, whatever the router does."""

from pathlib import Path

import pytest

from benchmarks.effect_scene import KINDS, MOMENTS, Scene
from benchmarks.effects import ROUTERS, stage_of, table

PAGE = Path(__file__).parents[2] / "docs/effect.md"
pytestmark = [pytest.mark.redis, pytest.mark.router]


def documented(router, kind, number):
    """What the page says of a change, for one value of the switches."""
    lines = [
        line for line in PAGE.read_text().partition("## Claimed")[2].splitlines() if "|" in line
    ]
    column = [name.strip() for name in lines[0].split("|")].index(router)
    (row,) = (line for line in lines if line.startswith(f"| {kind} |"))
    stages = row.split("|")[column].partition("`: ")[2].strip().split(" / ")
    return stages[number] if len(stages) > 1 else stages[0]


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
    for kind, seen in scene.items():
        assert documented(router, kind, MOMENTS.index(moment)) == stage_of(seen), kind
    cut = "connection-cut" if "FastTrack" in router else "address-list"
    assert f"| suspended | `{cut}`: at once |" in lines
