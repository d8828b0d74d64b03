"""Pictures: what they show is there as text, and nothing in them needs a style of its own."""

import re
from datetime import UTC
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.pictures import Bar, Point, Series, bar_picture, line_picture, nice_top

MINUTE = 60_000
START = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
PLACE = re.compile(r"-?\d+,-?\d+")

values = st.floats(0, 1e9, allow_nan=False)
lines = st.lists(
    st.builds(
        Series,
        st.text(min_size=1, max_size=8).filter(str.isprintable),
        st.lists(st.builds(Point, st.integers(START, START + 10**8), values), max_size=900).map(
            sorted
        ),
    ),
    max_size=4,
)


def points(*found, every_ms=MINUTE):
    return [Point(START + number * every_ms, value) for number, value in enumerate(found)]


def parsed(picture):
    """The picture as XML: htpy closes all that it opens."""
    return ET.fromstring(str(picture))  # noqa: S314 - our own text


def paths(picture):
    return [
        path.attrib["d"]
        for path in parsed(picture).iter("path")
        if path.attrib["class"].startswith("line")
    ]


@settings(max_examples=25)
@given(lines)
def test_every_line_stays_inside_and_has_no_style(drawn):
    picture = line_picture("Backlog", drawn, UTC)
    root = parsed(picture)
    for element in root.iter():
        assert not {"style"} & element.attrib.keys()
        assert not [name for name in element.attrib if name.startswith("on")]
    for path in paths(picture):
        for place in PLACE.findall(path):
            x, y = map(int, place.split(","))
            assert 0 <= x <= 720
            assert 0 <= y <= 160
    assert len(str(picture)) < 4 * 240 * 10 + 4_000


def test_what_it_shows_is_there_as_text():
    picture = line_picture(
        "Backlog",
        [Series("services", points(1, 340, 12))],
        ZoneInfo("Europe/Vienna"),
        unit="services",
    )
    root = parsed(picture)
    svg = root.find("svg")
    assert svg.attrib["role"] == "img"
    named = [
        root.find(f".//*[@id='{name}']").text for name in svg.attrib["aria-labelledby"].split()
    ]
    said = "now 12 services, most 340 services at 16:14"
    assert named == ["Backlog", f"services: {said}"]
    assert root.findtext("./dl/dd") == said
    assert root.findtext("./p[@class='scale']") == "500 services"
    assert [time.text for time in root.iter("time")] == [
        "2026-09-21 16:13+02:00",
        "2026-09-21 16:15+02:00",
    ]


def test_markup_in_a_name_stays_text():
    for picture in (
        line_picture("<b>", [Series("<i>&", points(1))], UTC),
        bar_picture("<b>", [Bar('"><script>', 1, 2)]),
    ):
        assert "<b>" not in str(picture)
        assert "<i>" not in str(picture)
        assert "<script" not in str(picture)


def test_no_samples_are_said():
    assert "No samples yet." in str(line_picture("Backlog", [Series("services", [])], UTC))


def test_a_gap_is_not_joined():
    with_gap = [*points(1, 2), Point(START + 20 * MINUTE, 3), Point(START + 21 * MINUTE, 4)]
    (path,) = paths(line_picture("Backlog", [Series("services", with_gap)], UTC))
    assert path.count("M") == 2
    (path,) = paths(line_picture("Backlog", [Series("services", points(1, 2, 3))], UTC))
    assert path.count("M") == 1


def test_the_highest_of_many_points_is_shown():
    many = [0.0] * 720
    many[334] = 100.0
    (path,) = paths(line_picture("Backlog", [Series("services", points(*many))], UTC))
    ys = [int(place.split(",")[1]) for place in PLACE.findall(path)]
    assert min(ys) == 0
    assert len(ys) <= 241


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 1), (1, 1), (1.5, 2), (7, 10), (10, 10), (11, 20), (340, 500), (999, 1000)],
)
def test_a_scale_ends_with_a_round_number(most, top):
    assert nice_top(most) == top


@given(st.floats(0, 1e12, allow_nan=False))
def test_no_value_is_above_the_scale(most):
    assert most <= nice_top(most) <= max(1, most * 2.5)


@pytest.mark.parametrize(
    ("used", "most", "text", "state"),
    [
        (0, 10, "0 of 10 (0%)", "good"),
        (8, 10, "8 of 10 (80%)", "warn"),
        (300, 254, "300 of 254 (100%)", "bad"),
        (3, 0, "3 of 0 (0%)", "good"),
    ],
)
def test_a_bar_says_its_numbers(used, most, text, state):
    root = parsed(bar_picture("Pools", [Bar("pool-1", used, most)]))
    svg = root.find(".//svg")
    assert svg.attrib["aria-label"] == f"pool-1: {text}"
    assert root.findtext(".//dd/span") == text
    bar = svg.findall("rect")[1]
    assert bar.attrib["class"] == f"bar {state}"
    assert 0 <= float(bar.attrib["width"]) <= 100
