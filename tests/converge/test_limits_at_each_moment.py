"""At each moment the router limits a device whose service has a rate, wherever the rate is held."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.converge.queues import (
    LEASES,
    QUEUE,
    QUEUES,
    active,
    installation,
    limit_watched,
    queues,
    switch,
)
from tests.small_installation import SERVER

pytestmark = [pytest.mark.redis, pytest.mark.router]

MOMENTS = ["at-once", "at-renewal", "kept-until-expiry"]
NUMBERS = count(10)
STEPS = [
    *("lease", "queue", "queue before site", "queue below site"),
    *("renew", "ten minutes", "FAST", "HOME", "throttle", "resume", "walled garden"),
]
POLICIES = {
    "lease": LEASES,
    "queue": QUEUES,
    "queue before site": QUEUES + 'queue_place = "before site"\n',
    "queue below site": QUEUES + 'queue_parent = "site"\n',
}
GARDEN = 'suspend_list = "suspended"\n'


@pytest.fixture(scope="module")
def here():
    with installation(LEASES) as here:
        site = {"name": "site", "target": "223.203.225.0/24", "max-limit": "900M/900M"}
        here.r["R1"].add_row(QUEUE, site)
        here.policy = LEASES
        yield here


class OneService:
    """A service with a bound device, to which things happen."""

    def __init__(self, here):
        self.here, self.number, self.revision = here, next(NUMBERS), 1
        self.id = f"SVC-{self.number}"
        here.say(active(self.id, self.number))
        here.drain()
        self.renew()

    def renew(self):
        self.here.r["R1"].device(builders.mac(self.number), server=SERVER)

    def say(self, name, **data):
        self.revision += 1
        self.here.say(builders.event(name, self.id, revision=self.revision, **data))
        self.here.drain()

    def step(self, step):
        here = self.here
        if step in POLICIES:
            if here.policy != POLICIES[step]:
                here.policy = POLICIES[step]
                switch(here, here.policy + GARDEN)
                here.drain()
        elif step == "renew":
            self.renew()
        elif step == "ten minutes":
            here.r["R1"].skip(600)
            self.renew()
        elif step == "throttle":
            self.say("suspended", suspension={"mode": "throttle"})
        elif step == "walled garden":
            self.say("suspended", suspension={"mode": "walled_garden"})
        elif step == "resume":
            self.say("resumed")
        else:
            self.say("plan_changed", plan={"code": step})

    def cancel(self):
        self.say("cancelled")
        assert f"leasewire:acme:{self.id}" not in queues(self.here)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(MOMENTS),
    st.sampled_from(MOMENTS),
    st.lists(st.sampled_from(STEPS), min_size=2, max_size=8),
)
def test_no_moment_is_without_a_limit(here, rate_change, rate_clear, steps):
    here.r["R1"].set_switches(
        tagged_order="shuffle", rate_change=rate_change, rate_clear=rate_clear
    )
    service = OneService(here)
    service.step("lease")
    with limit_watched(here, service.number):
        for step in steps:
            service.step(step)
    service.cancel()
