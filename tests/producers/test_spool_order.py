"""Nothing is lost when the gateway fails, and the events of each service keep their order."""

import shutil
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from producers import HttpTransport, Publisher, Spool
from producers.errors import EventsRefused, KeyRefused
from producers.transport import Backoff
from tests import builders
from tests.producers.fake_gateway import FakeGateway

pytestmark = pytest.mark.redis  # a socket, at least

FAST = Backoff(first_s=0.002, cap_s=0.01)


class Publishing(RuleBasedStateMachine):
    """Publishes while the gateway and the process fail and return."""

    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="lw-"))
        self.gateway = FakeGateway()
        self.number = 0
        self.said = defaultdict(list)
        self.dead = set()
        self.start()

    def start(self):
        transport = HttpTransport(self.gateway.url, "key", timeout_s=5)
        self.spool = Spool(self.directory / "spool")
        self.publisher = Publisher(
            transport, clock=lambda: datetime.now(UTC), spool=self.spool, backoff=FAST
        )

    def event(self, service):
        self.number += 1
        return builders.mac_changed(f"S{service}", revision=self.number, id_=f"e{self.number}")

    @rule(
        services=st.lists(st.integers(1, 3), min_size=1, max_size=4),
        never=st.integers(0, 12),
        mode=st.sampled_from(["up", "up", "down", "deaf", "busy", "locked"]),
    )
    def publish(self, services, never, mode):
        self.gateway.mode = mode
        events = [self.event(service) for service in services]
        if never < len(events):
            self.gateway.never.add(events[never]["id"])
            self.dead.add(events[never]["id"])
        try:
            self.publisher.publish(events)
        except EventsRefused:
            pass
        except KeyRefused:
            return  # nobody holds them: whoever publishes says them again another day
        for event in events:
            if event["id"] not in self.dead:
                self.said[event["subject"]].append(event["id"])

    @rule()
    def restart(self):
        self.publisher.close()
        self.start()

    @rule(named=st.booleans())
    def name(self, named):
        self.gateway.named = named

    @rule()
    def drain(self):
        self.gateway.mode = "up"
        assert self.publisher.flush(20)
        for subject, ids in self.said.items():
            assert self.gateway.ids(subject) == ids

    def teardown(self):
        try:
            self.drain()
            dead_lettered = {dead.id for dead in self.spool.dead()}
            assert dead_lettered <= self.dead
            assert self.spool.depth() == 0
        finally:
            self.publisher.close()
            self.gateway.close()
            shutil.rmtree(self.directory)


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(
    max_examples=30,
    stateful_step_count=15,
    suppress_health_check=[HealthCheck.too_slow],
)
