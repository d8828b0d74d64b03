"""Rates of leases and queues: from `5M/20M 10M/40M …` to the fields of a queue.

Source: MAN-CLI (lease), MAN-SRV; priority and minimum by INK, which passes them on leases.
"""

import re

from simulator.values import Form, read_time

_RATE = re.compile(r"(\d+)([kKmMgG]?)")
_UNITS = {"": 1, "k": 1000, "m": 1000000, "g": 1000000000}
_PRIORITIES = {str(number) for number in range(1, 9)}
_MOST_WORDS = 6


def _bits(text: str) -> str:
    """Write a rate such as `5M` out in full."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return str(int(found[1]) * _UNITS[found[2].lower()])


def pair(text: str) -> tuple[str, str]:
    """Take `rx/tx` apart; one alone is both.

    Raises:
        ValueError: there are more.
    """
    first, *others = text.split("/")
    (second,) = others or (first,)
    return first, second


def _rates(text: str) -> str:
    return "/".join(map(_bits, pair(text)))


def _times(text: str) -> str:
    return "/".join(map(read_time, pair(text)))


def queue_fields(rate_limit: str) -> dict[str, str]:
    """Give what a lease's rate limit makes of its queue.

    It is rate, burst rate, burst threshold, burst time, priority, minimum rate; from the second on
    each may be left out with those behind it.

    Raises:
        ValueError: another form.
    """
    words = rate_limit.split()
    if not 0 < len(words) <= _MOST_WORDS:
        raise ValueError(rate_limit)
    rate, burst, threshold, lasts, priority, least = words + [""] * (_MOST_WORDS - len(words))
    if priority and priority not in _PRIORITIES:
        raise ValueError(rate_limit)
    most, zero = _rates(rate), "0/0"
    return {
        "max-limit": most,
        "limit-at": _rates(least) if least else most,
        "burst-limit": _rates(burst) if burst else zero,
        "burst-threshold": _rates(threshold) if threshold else (most if burst else zero),
        "burst-time": _times(lasts) if lasts else ("1s/1s" if burst else "0s/0s"),
        "priority": f"{priority or 8}/{priority or 8}",
    }


def _rate_limit(text: str) -> str:
    """Keep a rate limit as written."""
    queue_fields(text or "0")
    return text


RATE_LIMIT = Form(_rate_limit)  # the text of a refusal is assumed
RATES = Form(_rates)  # `rx/tx` in bits a second; `5M/20M` reads back in full (assumed)
