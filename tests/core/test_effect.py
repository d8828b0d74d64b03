"""From when a change acts, as data beside the sentence."""

import pytest

from worker.core.entry.effect import data_of

AT_MS = 1_795_543_482_120


@pytest.mark.parametrize(
    ("short", "data"),
    [
        ("", None),
        ("in the words of an older version", None),
        ("at-once", {"kind": "at-once", "at_ms": AT_MS}),
        (
            "lease 30m",
            {"kind": "lease-time", "at_ms": AT_MS + 1_800_000, "lease_time_s": 1800},
        ),
        ("lease soon", {"kind": "lease-time"}),
        ("server all", {"kind": "server-lease-time"}),
        ("server dhcp-1", {"kind": "server-lease-time", "server": "dhcp-1"}),
    ],
)
def test_programs_get_a_kind_and_the_latest_time_that_is_known(short, data):
    assert data_of(short, AT_MS) == data
