"""Rates as queues of our own with real workers, over each transport, old and new RouterOS."""

from threading import Event, Thread

import pytest

from simulator.control import ControlClient
from tests import builders
from tests.installation import LEASES, MENU, SECRETS, SERVER, TRANSPORT, Installation, in_leases
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

QUEUE = "/queue/simple"
PLANS = '[plans.HOME]\nrate_limit = "5M/20M"\n[plans.FAST]\nrate_limit = "10M/100M"\n'
FASTEST = 10_000_000
LEASE_RATES = {"throttle": '"1M/1M"'}
QUEUE_RATES = {**LEASE_RATES, "rates": '"queue"'}
VERSIONS = {"api": "6.48.6", "api-ssl": "7.11.3", "rest": "7.24"}
RAN = [(TRANSPORT, VERSIONS[TRANSPORT])]  # `make e2e-all` runs each
SERVICES = 24


@pytest.fixture
def here(short_directory, transport, version):
    with Installation(
        short_directory,
        transport=transport,
        menu=MENU if MENU == SECRETS else LEASES,  # others have no queues
        simulator=("--version", version),
        inventory={"R1": LEASE_RATES},
        tables=PLANS,
    ) as installation:
        yield installation


def ipv4(number):
    return f"223.203.225.{number}"


def activated(number):
    place = {"mac": builders.mac(number), "ipv4": ipv4(number), "server": SERVER}
    return builders.activated(f"SVC-{number}", plan={"code": "HOME"}, **place)


def published(here, *events):
    here.publisher.publish(events)
    eventually(
        lambda: all((o := here.outcome(e)) and o.state in ("applied", "acting") for e in events),
        f"applied: {[here.outcome(event) for event in events]}",
        within_s=30,
    )


def queues(here):
    return {row["name"]: row for row in here.control["R1"].rows(QUEUE)}


def switch(here, keys):
    """Give the workers another policy, as a person does."""
    here.inventory = {"R1": keys}
    here.write_inventory()
    for worker in here.workers:
        worker.process.terminate()
        worker.process.wait()
    here.workers.clear()
    here.start_workers("events", "routers")
    applied = here.leasewire("routers", "apply", "R1", "--apply")
    assert applied.returncode == 0, applied.stderr


class InBackground(Thread):
    """Runs while the block does."""

    def __init__(self):
        super().__init__()
        self.ends = Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join()


class Load(InBackground):
    """Publishes changes of plan without a pause."""

    def __init__(self, here, numbers):
        super().__init__()
        self.here, self.numbers, self.revision = here, numbers, 1

    def run(self):
        while not self.ends.wait(0.1):
            self.revision += 1
            plan = {"code": ("HOME", "FAST")[self.revision % 2]}
            events = [
                builders.event("plan_changed", f"SVC-{n}", revision=self.revision, plan=plan)
                for n in self.numbers
            ]
            self.here.publisher.publish(events)


class Watch(InBackground):
    """Sends packets of customers all the time, and notes what limited each."""

    def __init__(self, here, numbers):
        super().__init__()
        self.control = ControlClient(str(here.directory / "control.sock"), router="R1")
        self.flows = {n: self.control.flow(ipv4(n), protocol="icmp") for n in numbers}
        self.seen = {n: set() for n in numbers}

    def run(self):
        with self.control:
            while not self.ends.wait(0.002):
                for number, flow in self.flows.items():
                    sent = flow.send()
                    self.seen[number].add((sent.queue[:4], sent.limit))


@in_leases
@pytest.mark.parametrize(("transport", "version"), RAN)
def test_rates_move_to_queues_and_back_under_load_and_each_moment_has_a_limit(here):
    here.start_workers("events", "routers")
    numbers = range(10, 10 + SERVICES)
    published(here, *map(activated, numbers))
    for number in numbers:
        here.control["R1"].device(builders.mac(number), server=SERVER)
    with Watch(here, [10, 11, 12]) as watch:
        with Load(here, numbers[:6]):
            switch(here, QUEUE_RATES)
            eventually(
                lambda: not any(r.get("rate-limit") for r in here.control["R1"].rows(LEASES)),
                "all rates are queues",
                within_s=60,
            )
        here.wait_until_settled(40)
        assert sorted(queues(here)) == [f"leasewire:tests:SVC-{n}" for n in numbers]
        with Load(here, numbers[6:12]):
            switch(here, LEASE_RATES)
            eventually(
                lambda: not any(name[:4] == "leas" for name in queues(here)),
                "all rates are those of leases",
                within_s=60,
            )
    here.wait_until_settled(40)
    assert len(queues(here)) == SERVICES
    for found in watch.seen.values():
        assert {name for name, _ in found} == {"dhcp", "leas"}
        assert all(0 < limit <= FASTEST for _, limit in found), found


@pytest.mark.parametrize(("transport", "version"), RAN)
def test_a_service_with_its_own_queue_lives_and_ends(here):
    here.inventory = {"R1": QUEUE_RATES}
    here.write_inventory()
    by_hand = {"name": "site", "target": "223.203.225.0/24", "max-limit": "900M/900M"}
    here.control["R1"].add_row(QUEUE, by_hand)
    here.start_workers("events", "routers")
    name = "leasewire:tests:SVC-10"
    published(here, activated(10))
    assert [*queues(here)] == [name, "site"]
    assert queues(here)[name]["max-limit"] == "5000000/20000000"
    changed = builders.event("plan_changed", "SVC-10", revision=2, plan={"code": "FAST"})
    published(here, changed)
    assert here.outcome(changed).effective_by.startswith("own-queue")
    assert queues(here)[name]["max-limit"] == "10000000/100000000"
    published(here, builders.suspended("SVC-10", "throttle"))
    assert queues(here)[name]["max-limit"] == "1000000/1000000"
    published(here, builders.resumed("SVC-10"))
    moved = {"address": {"mode": "static", "ipv4": ipv4(20)}}
    published(here, builders.event("address_changed", "SVC-10", revision=5, **moved))
    assert queues(here)[name]["target"] == f"{ipv4(20)}/32"
    assert queues(here)[name]["max-limit"] == "10000000/100000000"
    assert here.leasewire("plan", "R1").returncode == 0
    published(here, builders.cancelled("SVC-10", revision=6))
    assert [*queues(here)] == ["site"]
