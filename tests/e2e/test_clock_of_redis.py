"""The clock of Redis's host is set under workers: hours back, days ahead, and back again."""

import os
from pathlib import Path

import pytest

from leasewire.embedded import EmbeddedServer
from tests import builders, installation
from tests.installation import Installation
from tests.needs import missing
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

HOUR_S = 3_600
WITHIN_S = 30
"""Of a step all is worked on again."""


def library():
    """libfaketime, which gives a process another clock (Debian: the package libfaketime)."""
    places = [
        os.environ.get("FAKETIME_LIBRARY", ""),
        *map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    ]
    for each in places:
        if each and Path(each).exists():
            return each
    return missing("libfaketime is needed, from the package of that name, or FAKETIME_LIBRARY")


@pytest.fixture
def set_clock(monkeypatch, short_directory):
    """Sets the clock of the Valkeys that are started, and of no other process, off by seconds."""
    offset = short_directory / "offset"
    environ = {
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    class Elsewhere(EmbeddedServer):
        def start(self):
            with pytest.MonkeyPatch.context() as its:
                for name, value in environ.items():
                    its.setenv(name, value)
                super().start()

    monkeypatch.setattr(installation, "EmbeddedServer", Elsewhere)

    def set_clock(seconds):
        new = short_directory / "offset.new"
        new.write_text(f"{seconds:+d}s")
        new.replace(offset)

    set_clock(0)
    return set_clock


@pytest.mark.timeout(180)
def test_workers_go_on_when_it_is_set_back_and_ahead_and_back(set_clock, short_directory):
    revision = 1

    def say(service, number):
        nonlocal revision
        revision += 1
        event = builders.mac_changed(service, builders.mac(number), revision=revision)
        here.publisher.publish([event])
        return event

    def applied(*events, within_s=WITHIN_S):
        for event in events:
            eventually(
                lambda event=event: getattr(here.outcome(event), "state", "") == "applied",
                f"{event['data']['service_id']}: applied",
                within_s=within_s,
            )

    def gone_s(since_ms):
        return (here.store.records.now_ms() - since_ms) / 1000

    def steps(seconds):
        """Set the clock while R2 is away and an event waits for it; then R2 is there again."""
        here.control["R2"].power_off()
        waits = say("SVC-2", revision + 20)
        eventually(
            lambda: here.store.views.router("R2").state.state == "unreachable",
            "R2 is known to be away",
            within_s=WITHIN_S,
        )
        before_ms = here.store.records.now_ms()
        set_clock(seconds)
        eventually(lambda: abs(gone_s(before_ms)) > WITHIN_S, "Redis's clock is another")
        went_s = gone_s(before_ms)
        here.control["R2"].power_on()
        applied(waits)
        applied(say("SVC-1", revision + 20), say("SVC-2", revision + 20))
        return went_s

    with Installation(short_directory, routers=2) as here:
        here.start_workers("events", "routers")
        first = [
            builders.activated(
                f"SVC-{n}",
                mac=builders.mac(n),
                ipv4=builders.ipv4(n),
                router=f"R{n}",
                server=installation.SERVER,
                revision=1,
            )
            for n in (1, 2)
        ]
        here.publisher.publish(first)
        applied(*first, within_s=60)
        assert steps(-HOUR_S) == pytest.approx(-HOUR_S, abs=5)
        assert [each.kind for each in here.store.alerts.open() if not each.router] == [
            "clock-went-back"
        ]
        assert steps(2 * 24 * HOUR_S) == pytest.approx(49 * HOUR_S, abs=5)
        assert steps(0) == pytest.approx(-48 * HOUR_S, abs=5)
        here.wait_until_settled()
        assert here.store.views.dead_letters() == []
        assert {s: len(rows) for r in ("R1", "R2") for s, rows in here.rows(r).items()} == {
            "SVC-1": 1,
            "SVC-2": 1,
        }
