"""The rung of a change, its short form, and what is said of it."""

import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.effect.facts import EffectFacts
from worker.core.effect.rungs import (
    ActedBefore,
    ChangeKind,
    EffectiveBy,
    Means,
    RouterEffect,
    Rung,
    data_of,
    describe,
    rung_of,
)

AT_MS = 1_795_543_482_120
SECONDS = st.none() | st.integers(0, 10**8)
SERVERS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=12).map(
    str.strip
)
SHORT = st.builds(
    EffectiveBy,
    st.sampled_from(get_args(Rung)),
    SECONDS,
    SERVERS,
    st.none()
    | st.builds(
        ActedBefore,
        st.integers(0, 10**9),
        st.integers(1, 999),
        st.from_regex(r"[0-9a-z.]+", fullmatch=True),
    ),
)
FACTS = EffectFacts(
    read_at_ms=1,
    layer2=frozenset({"arp"}),
    reconfigure=frozenset({"arp", "dhcp1"}),
    lease_times_s={"dhcp1": 1800, "arp": 600},
)
ALL = Means(cut=True, reconfigure=True)
ROW = {"server": "dhcp1"}
ARP = {"server": "arp"}


@given(SHORT)
def test_the_short_form_comes_back_as_it_was(by):
    assert EffectiveBy.from_text(by.to_text()) == by


@pytest.mark.parametrize("text", ["", "at-once", "lease 30m", "as an older version said it"])
def test_a_form_of_another_version_stays_as_it_is(text):
    assert describe(text) == text
    assert data_of(text, AT_MS) is None


@given(SHORT)
def test_nothing_is_promised_at_once_before_it_was_read(by):
    assert "at once" not in describe(by.to_text())
    assert "at-once" not in str(data_of(by.to_text(), AT_MS))


@pytest.mark.parametrize("kind", get_args(ChangeKind))
@pytest.mark.parametrize("listed", [False, True])
def test_before_the_first_full_read_no_rung_is_taken_from_the_router(kind, listed):
    rung = rung_of(
        kind, ROW, RouterEffect(means=Means(reconfigure=True)), ["listed"] if listed else ()
    )
    assert rung in {"lease-time", "lease-rate", "address-list"}


@pytest.mark.parametrize(
    ("kind", "fields", "means", "listed", "rung"),
    [
        ("suspended", ROW, ALL, True, "connection-cut"),
        ("suspended", ROW, Means(), True, "address-list"),
        ("suspended", ARP, ALL, False, "layer-2"),
        ("suspended", ROW, ALL, False, "lease-time"),
        ("resumed", ROW, ALL, True, "address-list"),
        ("cancelled", ARP, ALL, False, "layer-2"),
        ("moved-away", ROW, ALL, False, "lease-time"),
        ("rate", ROW, Means(), False, "lease-rate"),
        ("address", ROW, ALL, False, "reconfigure"),
        ("address", ROW, Means(), False, "lease-time"),
        ("options", {"server": "dhcp9"}, ALL, False, "lease-time"),
        ("activated", ROW, ALL, False, "lease-time"),
        ("mac", ROW, ALL, False, "lease-time"),
    ],
)
def test_the_lowest_rung_that_is_there(kind, fields, means, listed, rung):
    assert rung_of(kind, fields, RouterEffect(FACTS, means), ["listed"] if listed else ()) == rung


@pytest.mark.parametrize(
    ("kind", "trait", "rung"),
    [("address", "shortened", "shortened-lease"), ("rate", "own-queue", "own-queue")],
)
def test_a_mark_of_the_service_decides_the_rung(kind, trait, rung):
    assert rung_of(kind, ROW, RouterEffect(FACTS, ALL), [trait]) == rung


@pytest.mark.parametrize(
    ("told", "fields", "expected"),
    [
        ((), {"server": "all"}, EffectiveBy("lease-time")),
        ((), {"server": "six", "life-time": "1h"}, EffectiveBy("lease-time", 3600)),
        (("six",), {"server": "six", "life-time": "1h"}, EffectiveBy("reconfigure", 3600)),
        (("six",), {"server": "all"}, EffectiveBy("reconfigure")),
        (("six",), {"server": "seven"}, EffectiveBy("lease-time")),
    ],
)
def test_a_prefix_has_times_of_its_own(told, fields, expected):
    facts = replace(FACTS, reconfigure6=frozenset(told))
    assert RouterEffect(facts, ALL).of("prefix", fields) == expected


@pytest.mark.parametrize("means", [ALL, Means()])
def test_no_lease_time_is_promised_for_connections_that_are_open(means):
    by = RouterEffect(FACTS, means).of("suspended", {**ROW, "lease-time": "5m"}, ["listed"])
    assert by.by_ms(AT_MS) == 0
    assert data_of(by.to_text(), AT_MS) == {"rung": by.rung}


def test_what_the_router_did_before_is_said():
    acted = {("rate", "lease-rate"): ActedBefore(400, 12, "7.19.2")}
    short = RouterEffect(FACTS, acted=acted).of("rate", ROW).to_text()
    assert short == "lease-rate 1800s seen 400ms 12 7.19.2 server dhcp1"
    assert describe(short).endswith(
        "it acted within 0.4 s the last 12 times on this router (7.19.2)"
    )
    assert data_of(short, AT_MS) == {
        "rung": "lease-rate",
        "by_ms": AT_MS + 1_800_000,
        "lease_time_s": 1800,
        "server": "dhcp1",
        "last_seen": {"acted_within_ms": 400, "times": 12, "version": "7.19.2"},
    }


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"server": "dhcp1", "lease-time": "5m"}, "by the end of the lease time of 5m"),
        (ROW, "by the end of the lease time of 30m of DHCP server dhcp1"),
        ({"server": "dhcp9"}, "by the end of the lease time of DHCP server dhcp9"),
        ({"server": "all"}, "by the end of the lease time of 30m"),
    ],
)
def test_the_lease_time_bounds_it_where_it_is_known(fields, end):
    sentence = describe(RouterEffect(FACTS).of("activated", fields).to_text())
    assert re.search(f"^at the device's next renewal, at the latest {end}$", sentence)
