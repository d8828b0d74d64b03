"""Draws the ratios of a run against their targets: the picture of `docs/performance.md`.

Run, after `make bench`: `make bench-plot`. Each bar shows how far the row is from its target, on a
logarithmic scale: bars that end right of the line have reached it.
"""

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.results import Result, distance, in_order

RESULTS = Path(__file__).parent / "results.jsonl"
PICTURE = Path(__file__).parent.parent / "docs/benchmarks.svg"
WIDTH, LABELS, FIGURES, LINE, TOP = 1040, 520, 150, 22, 34
RANGE = 10.0
"""The scale goes from a tenth of the target to ten times it; what is beyond ends at its end."""
STYLE = "font: 13px system-ui, sans-serif; fill: #1f2328"


def picture(results: Sequence[Result]) -> str:
    """The SVG of all rows that have a bar."""
    rows = [(row, far) for row in in_order(results) if (far := distance(row)) is not None]
    height, room = TOP + LINE * len(rows) + 8, WIDTH - LABELS - FIGURES
    middle = LABELS + room / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{STYLE}">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{middle}" y="20" text-anchor="middle">target</text>',
        f'<text x="{WIDTH - 10}" y="20" text-anchor="end">ratio, target</text>',
    ]
    for number, (row, far) in enumerate(rows):
        y = TOP + LINE * number
        end = middle + room / 2 * math.log(min(max(far, 1 / RANGE), RANGE), RANGE)
        colour = "#2da44e" if far >= 1 else "#d4a72c"
        sign = "≥" if "at_least" in row else "≤"
        bar = row.get("at_least", row.get("at_most"))
        left, width = min(middle, end), max(abs(end - middle), 1)
        ratio = f"{row['ratio']:g}, {sign} {bar:g}"
        parts += [
            f'<text x="10" y="{y + 14}">{escape(row["row"])}: {escape(row["what"])}</text>',
            f'<rect x="{left:.0f}" y="{y + 3}" width="{width:.0f}" height="14" fill="{colour}"/>',
            f'<text x="{WIDTH - 10}" y="{y + 14}" text-anchor="end">{ratio}</text>',
        ]
    line = f'<path d="M{middle} {TOP - 6}V{height - 6}" stroke="#57606a" stroke-dasharray="3 3"/>'
    return "\n".join([*parts, line, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture([json.loads(line) for line in RESULTS.read_text().splitlines()]))
