"""An installation whose rates may be queues, and what limits an address at each moment."""

from contextlib import contextmanager

from simulator.connections import Flow
from simulator.forwarding import queue_of
from tests import builders
from tests.small_installation import SERVER, SmallInstallation
from tests.waiting import eventually
from worker.convergence.concurrency import BackOff, PassLimits

QUEUE, LEASE = "/queue/simple", "/ip/dhcp-server/lease"
TAG = "leasewire:acme:SVC-1"
PLANS = '[plans.HOME]\nrate_limit = "5M/20M"\n[plans.FAST]\nrate_limit = "10M/100M 20M/200M"\n'
QUEUES = 'rates = "queue"\nthrottle = "1M/1M"\n'
LEASES = 'throttle = "1M/1M"\n'
HOME = {"code": "HOME"}
FASTEST = 10_000_000
"""Upload of the fastest plan, in bits a second."""


def ipv4(number):
    return f"223.203.225.{number}"


def active(service_id="SVC-1", number=10, *, revision=1, **given):
    given = {"plan": HOME, "ipv4": ipv4(number), "mac": builders.mac(number), **given}
    return builders.activated(service_id, router="R1", server=SERVER, revision=revision, **given)


@contextmanager
def installation(lines=QUEUES, **options):
    limits = PassLimits(back_off=BackOff(0.1, 1.0, 1.0))
    options = {"router_lines": {"R1": lines}, "tables": PLANS, "limits": limits, **options}
    with SmallInstallation(1, **options) as here:
        yield here


def switch(here, lines):
    """Let the workers have another policy, and a person apply it."""
    here.router_lines["R1"] = lines
    here.write_inventory()
    here.load()
    assert here.store.fleet.apply_policy("R1", here.policies["R1"], "tests")


def drain_until(here, condition, what):
    """Pass after pass, as the router is left alone for a moment after a failure."""

    def met():
        here.drain()
        return condition()

    eventually(met, what, within_s=10)


def report(here):
    """Let a pass make the hourly report."""
    here.client.sadd(here.store.keys.reports.asked, "R1")
    before = here.store.full_reads.last("R1")
    here.drain()
    assert here.store.full_reads.last("R1") != before


def queues(here):
    return [row["name"] for row in here.r["R1"].rows(QUEUE)]


def own(here, service_id="SVC-1"):
    (row,) = (r for r in here.r["R1"].rows(QUEUE) if r["name"] == f"leasewire:acme:{service_id}")
    return row


def simulated(here):
    """The router itself, in its own thread."""
    return here.r["R1"]._server.router  # noqa: SLF001 - to see each moment of it


@contextmanager
def limit_watched(here, *numbers):
    """Check after each command that the router limits what these addresses send.

    Yields:
        What limited them, as (queue, bits a second), each time that it changed.
    """
    router = simulated(here)
    execute, seen = router.execute, {number: [] for number in numbers}

    def checked(*arguments, **named):
        try:
            return execute(*arguments, **named)
        finally:
            for number, found in seen.items():
                now = queue_of(router, Flow("tcp", ipv4(number), "1", "198.51.100.80", "80"))
                if not found or found[-1] != now:
                    found.append(now)

    router.execute = checked
    try:
        yield seen
    finally:
        del router.execute
    for number, found in seen.items():
        assert all(0 < limit <= FASTEST for _, limit in found), (number, found)
