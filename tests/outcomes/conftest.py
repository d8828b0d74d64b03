"""Couriers over a real store, each to a real receiver."""

import time
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from contracts.webhook_signature import new_secret
from gateway.outcomes.deliveries import Deliveries
from gateway.outcomes.delivery import Courier
from gateway.outcomes.delivery_thread import Delivering
from gateway.outcomes.targets import Target
from tests.outcomes.receiver import Receiver
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.store.commits import ServiceCommit

BSS = "urn:isp:bss"


class Clock:
    """The time, and what was put on top of it."""

    def __init__(self):
        self.ahead_ms = 0

    def __call__(self):
        return round(time.time() * 1000) + self.ahead_ms


class Post:
    """A store whose outcomes are delivered."""

    def __init__(self, store, client, prefix):
        self.store, self.client, self.prefix = store, client, prefix
        self.clock = Clock()

    def say(self, *numbers, state="applied", source=BSS):
        now_ms = self.store.records.now_ms()
        message = [
            Outcome(EventRef(f"{source}{n}", f"e-{n}", source, "t"), f"SVC-{n}", state, now_ms)
            for n in numbers
        ]
        self.store.records.commit([ServiceCommit("", outcomes=message)], now_ms)

    def deliveries(self, name="bss"):
        return Deliveries(self.client, self.prefix, name)

    def target(self, port, secret, name="bss", **more):
        usual = {"states": frozenset(), "ca_file": None, "timeout_s": 2.0, "sources": (BSS,)}
        usual |= {"url": f"http://127.0.0.1:{port}/hook", "secret": SecretStr(secret)}
        return Target(name=name, **(usual | more))

    @contextmanager
    def delivering(self, *targets):
        for target in targets:
            self.deliveries(target.name).cursor(self.store.feed.last())
        couriers = [
            (
                lambda stopping, target=target: Courier(
                    target,
                    deliveries=self.deliveries(target.name),
                    feed=self.store.feed,
                    installation="acme",
                    clock_ms=self.clock,
                    stopping=stopping,
                )
            )
            for target in targets
        ]
        with Delivering(lambda stopping: [make(stopping) for make in couriers]) as running:
            yield running
            assert running.running


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture
def post(store, client, prefix):
    return Post(store, client, prefix)


@pytest.fixture
def receiver(secret):
    with Receiver(secret) as receiver:
        yield receiver
