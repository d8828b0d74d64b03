"""Two spellings of one value are the same text in normal form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.rows import normal


@pytest.mark.parametrize(
    ("form", "spellings"),
    [
        (normal.rate_limit, ["10M/50M", "10000000/50000000", "10000k/50M", " 10m/50m "]),
        (normal.rate_limit, ["10M", "10M/10M"]),
        (normal.rate_limit, ["1500k/64k", "1500000/64000"]),
        (normal.rate_limit, ["1M/2M 3M/4M 2M/3M 8", "1M/2M 3000k/4M 2M/3M 8/8"]),
        (normal.rate_limit, ["0/0", "0"]),
        (normal.duration, ["30m", "00:30:00", "1800s", "1800"]),
        (normal.duration, ["1d2h", "1d02:00:00", "26h"]),
        (normal.comma_list, ["a,b", "b,a", " b, a ,a"]),
        (normal.boolean, ["yes", "true"]),
        (normal.host, ["198.51.100.1", "198.51.100.1/32"]),
        (normal.prefix6, ["2001:db8::/56", "2001:0DB8:0::/56"]),
        (normal.prefix6, ["2001:db8::1/128", "2001:db8::1", "2001:db8:0:0::1"]),
        (normal.duid, ["0x0003000100005e005301", "0003000100005E005301"]),
        (normal.prefixes, ["10.0.0.5,2001:db8::/56", "2001:DB8::/56,10.0.0.5/32"]),
        (normal.hexadecimal, ["0xc633", "0xC633", "0Xc633"]),
    ],
)
def test_spellings_of_one_value_are_one(form, spellings):
    assert {form(each) for each in spellings} == {form(spellings[0])}


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        (normal.rate_limit, "10M/50M", "50M/10M"),
        (normal.rate_limit, "10M", "10M/20M"),
        (normal.rate_limit, "1M/1M 2M/2M 1M/1M 8/8 8", "1M/1M 2M/2M 1M/1M 8/8 7"),
        (normal.duration, "30m", "30s"),
        (normal.comma_list, "a,b", "a"),
    ],
)
def test_other_values_stay_other(form, one, other):
    assert form(one) != form(other)


@pytest.mark.parametrize("message", ["never", "", "as fast as it goes", "'10.0.0.1'"])
def test_what_is_of_no_known_form_is_left_as_it_is(message):
    for form in (normal.rate_limit, normal.duration, normal.hexadecimal, normal.prefix6):
        assert form(message) == message


numbers = st.builds("{}{}".format, st.integers(0, 10**9), st.sampled_from(["", "k", "M"]))
rates = st.lists(st.builds("{}/{}".format, numbers, numbers) | numbers, min_size=1, max_size=5).map(
    " ".join
)


@given(rates | st.text())
def test_a_normal_rate_is_its_own_normal_form(text):
    once = normal.rate_limit(text)
    assert normal.rate_limit(once) == once


@given(st.integers(0, 10**9))
def test_a_duration_keeps_its_seconds(count):
    assert normal.seconds(normal.duration(f"{count}s")) == count
