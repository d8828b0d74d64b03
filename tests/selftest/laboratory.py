"""Self-tests of simulated routers: over real sockets, in the router's own time."""

from contextlib import closing
from datetime import UTC, datetime
from functools import partial

from tests.routeros.peers import config_for, settings
from worker.selftest.lab import clean
from worker.selftest.lab_router import LabClock, LabRouter
from worker.selftest.report import report
from worker.selftest.run import Place, chosen, run

EPHEMERAL = frozenset(
    {
        *("/log", "/system/clock", "/system/resource", "/user/active", "/ip/service"),
        "/ip/firewall/connection",
    }
)
"""Menus that say what happens, and not how the router is set up."""


def clock_of(router):
    """A clock of which waiting lets time pass on the router at once."""
    now = [0.0]

    def sleep(seconds):
        router.skip(seconds)
        now[0] += seconds

    return LabClock(lambda: now[0], sleep)


def log_in(router, transport="api"):
    return LabRouter(config_for(router, transport), settings(), clock_of(router))


def selftest(router, *names, transport="api", ports=None):
    """The report of a self-test with these questions; without any: with all."""
    again = partial(log_in, router, transport)
    with closing(again()) as lab_router:
        answered = run(Place(lab_router, again, ports), chosen(names), lambda _: None)
        wire = "cable" if ports else "macvlan"
        return report(lab_router, answered, wire=wire, leasewire="0", now=datetime.now(UTC))


def clean_up(router):
    """As `--clean`: what is left."""
    with closing(log_in(router)) as lab_router:
        return clean(lab_router)


def answer_to(name, found):
    (answer,) = (answer for answer in found["answers"] if answer["question"] == name)
    return answer
