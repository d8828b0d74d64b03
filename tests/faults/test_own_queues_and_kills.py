"""Workers are killed while they write queues of our own: each service ends with its one queue."""

import random
import time

import pytest

from tests import builders
from tests.installation import INSTALLATION, LEASES, SERVER, Installation
from worker.core.entry.wanted import wanted_entries
from worker.core.rows.menus import QUEUE
from worker.core.rows.queues import queue_fields, queue_name
from worker.inventory import load_inventory
from worker.routeros.rows import values_of

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, pytest.mark.timeout(240)]

PLANS = '[plans.HOME]\nrate_limit = "5M/20M"\n[plans.FAST]\nrate_limit = "10M/100M"\n'
SERVICES = 60
KILLS = 8
SEED = 20261129


def history(rng):
    """A few changes of each service."""
    events = []
    for number in range(10, 10 + SERVICES):
        service, place = f"SVC-{number}", {"mac": builders.mac(number), "server": SERVER}
        ipv4 = f"223.203.225.{number}"
        moved = {"mode": "static", "ipv4": f"223.203.225.{number + 100}"}
        changes = {
            "plan_changed": {"plan": {"code": "FAST"}},
            "address_changed": {"address": moved},
            "suspended": {"suspension": {"mode": "throttle"}},
            "resumed": {},
            "cancelled": {},
        }
        events.append(builders.activated(service, plan={"code": "HOME"}, ipv4=ipv4, **place))
        names = rng.sample([*changes], rng.randrange(3))
        events += [
            builders.event(name, service, revision=revision, **changes[name])
            for revision, name in enumerate(names, 2)
        ]
    return events


def kill(here, rng):
    worker = rng.choice([worker for worker in here.workers if worker.kind == "routers"])
    worker.process.kill()
    worker.process.wait()
    here.workers.remove(worker)
    here.start_workers("routers")


def test_each_service_ends_with_its_one_queue(short_directory):
    rng = random.Random(SEED)
    here = Installation(
        short_directory,
        menu=LEASES,
        simulator=("--order", "shuffle", "--latency-ms", "2", "--service-ms", "30"),
        inventory={"R1": {"rates": '"queue"', "throttle": '"1M/1M"'}},
        tables=PLANS,
        environ_more={"LEASEWIRE_ROUTER_LOCK_S": "2", "LEASEWIRE_COMMAND_TIMEOUT_S": "1"},
    )
    with here:
        router = here.control["R1"]
        router.add_row("/queue/simple", {"name": "site", "target": "223.203.225.0/24"})
        (foreign,) = router.rows("/queue/simple")
        here.start_workers("events", "routers", "routers")
        events = history(rng)
        for start in range(0, len(events), 20):
            here.publisher.publish(events[start : start + 20])
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.3, 1.0))  # a kill at any moment
            kill(here, rng)
        here.wait_until_settled(60)
        policies = {"R1": load_inventory(short_directory / "routers.toml").routers["R1"].policy}
        services = sorted({event["data"]["service_id"] for event in events})
        wanted = {}
        for service_id, stored in here.store.records.read(services).items():
            entry = wanted_entries(stored.record, policies).get("R1")
            if entry is not None and entry.queue is not None:
                name = queue_name(INSTALLATION, service_id)
                wanted[name] = {**QUEUE.defaults, **queue_fields(entry.queue, name)}
        rows = router.rows("/queue/simple")
        assert rows[-1] == foreign
        assert {row["name"]: values_of(QUEUE, row) for row in rows[:-1]} == wanted
        assert all(row["comment"] == row["name"] for row in rows[:-1])
        assert not any(row.get("rate-limit") for row in router.rows(LEASES))
        adds = [e for e in here.writes("R1") if e["command"] == "/queue/simple/add"]
        assert len(adds) >= len(wanted)
