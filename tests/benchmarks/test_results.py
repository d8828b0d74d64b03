"""The table and the picture of the benchmarks, and the sorting of keys by kind."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import memory, scale_out
from benchmarks.plot import picture
from benchmarks.results import distance, table
from worker.store.keys import Keys

REACHED = {"row": "9", "what": "a <read>", "latency_ms": 5, "service_ms": 0, "ratio": 1.2}
REACHED |= {"at_most": 1.5}
MISSED = {"row": "2", "what": "import", "latency_ms": 5, "service_ms": 2, "ratio": 2, "at_least": 4}
NO_BAR = {"row": "13", "what": "two", "latency_ms": 5, "service_ms": 0, "ratio": 1.4}
LEFT_OUT = {"row": "1b", "left_out": "wrk is not installed"}


def test_the_table_tells_bar_and_whether_it_is_reached():
    _, *lines = table([REACHED, MISSED, NO_BAR, LEFT_OUT]).splitlines()
    assert lines[0] == "1b     left out: wrk is not installed"
    assert lines[1].split()[-4:] == ["2", ">=", "4", "no"]
    assert lines[2].split()[-8:] == ["5", "ms,", "0", "ms", "1.2", "<=", "1.5", "yes"]
    assert lines[3].split()[-1] == "1.4"


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_more_than_one_is_reached_whichever_way_the_bar_goes(ratio, bar):
    assert (distance({"ratio": ratio, "at_least": bar}) >= 1) == (ratio >= bar)
    assert (distance({"ratio": ratio, "at_most": bar}) >= 1) == (ratio <= bar)


def test_the_picture_has_a_bar_for_each_row_with_a_target():
    tree = ET.fromstring(picture([REACHED, MISSED, NO_BAR, LEFT_OUT]))  # noqa: S314 - our own text
    texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["target", "ratio, target", "2: import", "2, ≥ 4", "9: a <read>", "1.2, ≤ 1.5"]
    bars = [each for each in tree.iter("{http://www.w3.org/2000/svg}rect") if each.get("y")]
    line = float(tree.find("{*}path").get("d")[1:].split()[0])
    missed, reached = ([float(each.get(name)) for name in ("x", "width")] for each in bars)
    assert reached[0] == line
    assert sum(missed) == pytest.approx(line, abs=1)


def test_keys_are_sorted_by_the_names_of_the_key_table():
    keys, known = Keys("lw:"), memory.patterns()
    kinds = {
        keys.record("SVC:1"): "record:*",
        keys.refused("urn:x|e"): "refused:*",
        keys.router("a:b").held: "router:*:held",
        keys.router("R1").state: "router:*:state",
        keys.feed("bulk:urn:x"): "feed:bulk:*",
        keys.feed_last: "feed:last",
        keys.seen(115): "seen:*",
        keys.dead_letters_by_time: "dead:by-time",
        "lw:journal:bulk:due": "journal:bulk:due",
        "lw:_kombu.binding.events": "Celery's own",
        "lw:unacked": "unacked",
    }
    assert {key: memory.kind_of(key, known) for key in kinds} == kinds


@pytest.mark.parametrize(
    ("busy", "message"),
    [
        ({"valkey": 0.4, "publisher": 0.2, "simulator": 0.2, "events": 1.0}, "2 processors"),
        ({"valkey": 0.9, "publisher": 0.2, "simulator": 0.1, "events": 0.1}, "valkey"),
        ({"valkey": 0.3, "publisher": 0.2, "simulator": 0.1, "events": 0.1}, "waiting"),
    ],
)
def test_what_limits_more_processes(busy, message):
    assert message in scale_out.limit(busy, 2)
