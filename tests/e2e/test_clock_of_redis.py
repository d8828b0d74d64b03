"""The clock of Redis's host is set under workers: hours back, days ahead, and back again."""

import pytest

from tests import builders, installation
from tests.faults.faulty_redis import FaultyServer, faketime
from tests.installation import Installation
from tests.needs import missing
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

HOUR_S = 3_600
WITHIN_S = 30
"""Of a step all is worked on again."""


class WithItsOwnClock(Installation):
    """The clock of its Valkey can be set."""

    def make_valkey(self, directory):
        return FaultyServer(directory)


@pytest.mark.timeout(180)
def test_workers_go_on_when_it_is_set_back_and_ahead_and_back(short_directory):
    if faketime() is None:
        missing("libfaketime is needed, from the package of that name, or FAKETIME_DIR")
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
            lambda: here.store.views.state("R2").state == "unreachable",
            "R2 is known to be away",
            within_s=WITHIN_S,
        )
        before_ms = here.store.records.now_ms()
        here.valkey.set_clock(seconds)
        eventually(lambda: abs(gone_s(before_ms)) > WITHIN_S, "Redis's clock is another")
        went_s = gone_s(before_ms)
        here.control["R2"].power_on()
        applied(waits)
        applied(say("SVC-1", revision + 20), say("SVC-2", revision + 20))
        return went_s

    with WithItsOwnClock(short_directory, routers=2) as here:
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
        # what the clock showed before is known from the first sweep on
        eventually(lambda: here.client.exists(here.store.keys.sweep), "a sweep", within_s=20)
        assert steps(-HOUR_S) == pytest.approx(-HOUR_S, abs=5)
        assert [alert.kind for alert in here.store.alerts.all_open() if not alert.router] == [
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
