"""The benchmark of the simulator in its short form: that it measures what it says, not how fast."""

import pytest

from benchmarks import simulator

pytestmark = pytest.mark.router


def test_adds_with_many_in_flight_and_one_at_a_time():
    found = simulator.adds(latency_ms=1, serially=3, windowed=70, rounds=1)
    assert set(found) == {"latency_ms", "one_at_a_time_per_s", "in_flight_per_s", "ratio"}
    assert found["ratio"] > 0


def test_a_print_reads_all_rows_and_the_same_from_memory():
    assert simulator.printing(300, rounds=1)["rows"] == 300


def test_many_routers_in_one_process_are_weighed():
    found = simulator.memory(5)
    assert (found["routers"], found["rss_mb"] > 0) == (5, True)
