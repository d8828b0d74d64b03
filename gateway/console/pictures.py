"""Pictures as inline SVG: lines over time, and bars. All that they show stands there as text too.

Colours and widths are in `console.css`: the content policy allows no style in a page. The SVG is
stretched to the page's width, so all words stand beside it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from math import floor, log10
from typing import Final, NamedTuple

import htpy as h
from htpy import Node

from gateway.api.responses import Document

_WIDTH: Final = 720
_HEIGHT: Final = 160
_MOST_POINTS: Final = 240
_GRID: Final = 4
_NICE: Final = (1, 2, 5, 10)
_MEASURE: Final = 100
_WARNS: Final = 0.8
_FULL: Final = 0.95


class Point(NamedTuple):
    """A value at a moment (milliseconds since 1970)."""

    at_ms: int
    value: float


class Series(NamedTuple):
    """One line of a picture: its name, and its points in the order of time."""

    name: str
    points: Sequence[Point]


def series(name: str, samples: Sequence[Document], field: str) -> Series:
    """A line of a field of samples, each of which says in `at` when it was taken."""
    return Series(
        name,
        [
            Point(round(datetime.fromisoformat(at["at"]).timestamp() * 1000), at[field])
            for at in samples
        ],
    )


class Bar(NamedTuple):
    """One bar: how much of `most` is used."""

    name: str
    used: int
    most: int


class _Frame(NamedTuple):
    """Where points are in the picture."""

    from_ms: int
    until_ms: int
    top: float

    def place(self, point: Point) -> str:
        """The point as SVG has it."""
        x = (point.at_ms - self.from_ms) / (self.until_ms - self.from_ms) * _WIDTH
        y = _HEIGHT - point.value / self.top * _HEIGHT
        return f"{x:.0f},{y:.0f}"


def line_picture(
    title: str, lines: Sequence[Series], zone: tzinfo, *, unit: str = "", gap_ms: int = 300_000
) -> Node:
    """Values over time, with the last and the highest value of each line as text.

    Args:
        title: says what is shown; no other picture of the page has it.
        lines: at most four; values are not negative.
        zone: of the reader.
        unit: of the values, such as `ms`.
        gap_ms: two points of a line that are further apart are not joined.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return h.figure(".picture")[h.figcaption[title], h.p(".empty")["No samples yet."]]
    from_ms = min(point.at_ms for point in points)
    until_ms = max(point.at_ms for point in points)
    top = nice_top(max(point.value for point in points))
    frame = _Frame(from_ms, max(until_ms, from_ms + 1), top)
    said = [(line.name, _said(line.points, zone, unit)) for line in lines if line.points]
    name = re.sub(r"\W+", "-", title.lower())
    steps = range(1, _GRID)
    return h.figure(".picture")[
        h.figcaption[title],
        h.p(".scale")[f"{_number(top)} {unit}".strip()],
        h.svg(
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            preserveAspectRatio="none",
            role="img",
            aria_labelledby=f"{name}-title {name}-desc",
        )[
            h.title(id=f"{name}-title")[title],
            h.desc(id=f"{name}-desc")["; ".join(f"{line}: {text}" for line, text in said)],
            [h.path(".grid", d=f"M0,{_HEIGHT * n // _GRID}H{_WIDTH}") for n in steps],
            [
                h.path(f".line.line-{number}", d=_path(line.points, frame, gap_ms))
                for number, line in enumerate(lines, start=1)
                if line.points
            ],
        ],
        h.p(".axis")[_time(from_ms, zone), _time(until_ms, zone)],
        h.dl(".legend")[
            [
                (h.dt(f".line-{number}")[line.name], h.dd[_said(line.points, zone, unit)])
                for number, line in enumerate(lines, start=1)
                if line.points
            ]
        ],
    ]


def bar_picture(title: str, bars: Sequence[Bar]) -> Node:
    """How much of each thing is used, with the numbers as text."""
    if not bars:
        return h.figure(".picture")[h.figcaption[title], h.p(".empty")["None."]]
    return h.figure(".picture.bars")[
        h.figcaption[title], h.dl[[(h.dt[bar.name], h.dd[_bar(bar)]) for bar in bars]]
    ]


def nice_top(most: float) -> float:
    """The end of a scale that begins with 0: 1, 2 or 5 times a power of ten."""
    if most <= 1:
        return 1.0
    power = 10.0 ** floor(log10(most))
    return next(nice * power for nice in _NICE if nice * power >= most)


def _bar(bar: Bar) -> Sequence[Node]:
    share = min(1.0, max(0.0, bar.used / bar.most)) if bar.most > 0 else 0.0
    state = "bad" if share >= _FULL else "warn" if share >= _WARNS else "good"
    text = f"{bar.used} of {bar.most} ({share:.0%})"
    return (
        h.svg(
            viewBox=f"0 0 {_MEASURE} 4",
            preserveAspectRatio="none",
            role="img",
            aria_label=f"{bar.name}: {text}",
        )[
            h.rect(".track", width=str(_MEASURE), height="4"),
            h.rect(f".bar.{state}", width=f"{share * _MEASURE:.1f}", height="4"),
        ],
        h.span[text],
    )


def _path(points: Sequence[Point], frame: _Frame, gap_ms: int) -> str:
    """The path of a line. A point alone gets some width: else nobody would see it."""
    parts = []
    for run in _runs(_fewer(points), gap_ms):
        first, *rest = map(frame.place, run)
        parts.append(f"M{first}" + ("L" + " ".join(rest) if rest else "h2"))
    return "".join(parts)


def _runs(points: Sequence[Point], gap_ms: int) -> Iterator[list[Point]]:
    """The points in runs without a gap."""
    step_ms = min((after.at_ms - before.at_ms for before, after in pairwise(points)), default=0)
    limit_ms = max(gap_ms, 2 * step_ms)
    run: list[Point] = []
    for point in points:
        if run and point.at_ms - run[-1].at_ms > limit_ms:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _fewer(points: Sequence[Point]) -> Sequence[Point]:
    """At most so many points: of neighbours the highest, so that no peak is lost, and the last."""
    size = -(-len(points) // _MOST_POINTS)
    if size <= 1:
        return points
    groups = [points[at : at + size] for at in range(0, len(points) - 1, size)]
    return [*(max(group, key=lambda point: point.value) for group in groups), points[-1]]


def _said(points: Sequence[Point], zone: tzinfo, unit: str) -> str:
    last = points[-1].value
    most = max(points, key=lambda point: point.value)
    at = _local(most.at_ms, zone).strftime("%H:%M")
    return f"now {_with_unit(last, unit)}, most {_with_unit(most.value, unit)} at {at}"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= _NICE[-1] or value == round(value) else f"{value:.1f}"


def _time(at_ms: int, zone: tzinfo) -> Node:
    at = _local(at_ms, zone)
    return h.time(datetime=at.isoformat())[at.isoformat(" ", "minutes")]


def _local(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
