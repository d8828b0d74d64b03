"""The rate of a key, by a clock that a test moves."""

import pytest

from gateway.api.limits import Rates
from gateway.api.problems import Refused

KEY = ("k", 10)
"""A key, and its rate."""


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_bucket_holds_a_second_of_events_and_refills():
    clock = Clock()
    rates = Rates(clock)
    for _ in range(10):
        rates.spend(*KEY)
    with pytest.raises(Refused) as refused:
        rates.spend(*KEY)
    assert refused.value.headers["Retry-After"] == "1"
    clock.now = 0.11
    rates.spend(*KEY)


def test_a_batch_goes_into_debt_and_says_for_how_long():
    clock = Clock()
    rates = Rates(clock)
    rates.spend(*KEY, 500)
    with pytest.raises(Refused) as refused:
        rates.spend(*KEY)
    assert refused.value.headers["Retry-After"] == "49"
    clock.now = 49
    with pytest.raises(Refused):
        rates.spend(*KEY)
    clock.now = 49.2
    rates.spend(*KEY)


def test_bulk_events_use_up_a_rate_of_their_own():
    rates = Rates(Clock())
    rates.spend(*KEY, 500, "bulk")
    with pytest.raises(Refused):
        rates.spend(*KEY, 1, "bulk")
    rates.spend(*KEY)


def test_unused_rate_does_not_add_up():
    clock = Clock()
    rates = Rates(clock)
    rates.spend(*KEY)
    clock.now = 3600
    rates.spend(*KEY, 10)
    with pytest.raises(Refused):
        rates.spend(*KEY)
