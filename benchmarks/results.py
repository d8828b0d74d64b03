"""Results of benchmarks as rows of a table, with their targets.

A result has `row`, `what`, `latency_ms` and `service_ms` of the simulated routers, `ratio`, and
`at_least` or `at_most` if there is a target; or `row` and the reason why it was `left_out`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Result = Mapping[str, Any]
HEAD = f"{'row':<7}{'what':<68}{'router':>16}{'ratio':>9}  {'bar':<8}reached"


def distance(found: Result) -> float | None:
    """How far beyond its bar a ratio is: 1 is the bar, more is better; None: there is no bar."""
    if found.get("at_least"):
        return float(found["ratio"] / found["at_least"])
    if found.get("at_most"):
        return float(found["at_most"] / max(found["ratio"], 1e-9))
    return None


def in_order(results: Iterable[Result]) -> list[Result]:
    """By the number of the row, as the targets list them; what has no number comes last."""

    def place(found: Result) -> tuple[int, str]:
        number = re.match(r"[0-9]+", found["row"])
        return (int(number[0]) if number else 1000, found["row"])

    return sorted(results, key=place)


def as_line(found: Result) -> str:
    """One row of the table."""
    if "left_out" in found:
        return f"{found['row']:<7}left out: {found['left_out']}"
    far = distance(found)
    bar = f">= {found['at_least']:g}" if "at_least" in found else f"<= {found.get('at_most')}"
    bar, reached = ("", "") if far is None else (bar, "yes" if far >= 1 else "no")
    router = f"{found['latency_ms']:g} ms, {found['service_ms']:g} ms"
    said = f"{found['row']:<7}{found['what']:<68}{router:>16}{found['ratio']:>9}  {bar:<8}{reached}"
    return said.rstrip()


def table(results: Iterable[Result]) -> str:
    """All rows; `router` is its round trip and the time that each write takes."""
    return "\n".join([HEAD, *map(as_line, in_order(results))]) + "\n"
