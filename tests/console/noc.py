"""A console, a simulated router, and what workers do: for tests of what people decide."""

from contextlib import contextmanager
from dataclasses import dataclass

from simulator.testing import PASSWORD, RouterHandle, running
from tests import builders
from tests.console.conftest import post
from tests.leasewire.conftest import INVENTORY, LEASES
from worker.convergence.concurrency import PassLimits
from worker.convergence.router_pass import Converge
from worker.core.entry.brake import BrakeLimits
from worker.intake.accept import Accept
from worker.routeros.sessions import Sessions


@dataclass
class Noc:
    """A console over router R1, with the brake on."""

    console: object
    r1: RouterHandle
    accept: Accept
    converge: Converge

    @property
    def store(self):
        return self.console.store

    def say(self, *events):
        self.accept.run(events, "events")

    def work(self):
        """Fold what was published, and let a pass write R1."""
        self.accept.run([], "events")
        self.converge.run("R1")

    def served(self, *services):
        self.say(
            *(
                builders.activated(
                    *(service,), server=None, mac=builders.mac(i), ipv4=f"223.203.225.{10 + i}"
                )
                for i, service in enumerate(services, start=1)
            )
        )
        self.work()

    def rows(self):
        """Our rows by service."""
        return {
            row["comment"].split(":")[2].split()[0]: row
            for row in self.r1.rows(LEASES)
            if row.get("comment", "").startswith("leasewire:acme:")
        }

    def json(self, path, **query):
        answer = self.console.viewer.get(f"/console{path}.json", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def page(self, path, client=None, **query):
        answer = (client or self.console.operator).get(f"/console{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path, **form):
        """The page after the write."""
        answer = post(self.console.operator, f"/console{path}", **form)
        assert answer.status_code == 200, answer.text
        return answer

    def history(self, service):
        return self.store.views.service(service, ["R1"]).history

    def audit(self):
        return [(entry.what, entry.by, entry.detail) for entry in self.store.audit.entries()]


@contextmanager
def a_noc(console_at, directory):
    """One whose gateway runs meanwhile."""
    with running(2, seed_guide=True, user="leasewire") as simulation:
        r1, r2 = simulation.routers
        (directory / "secret").write_text(PASSWORD)
        console = console_at(INVENTORY.format(r1=r1, r2=r2, source=builders.SOURCE))
        context = console.context
        sessions = Sessions(context.inventory, context.settings)
        policies, sources = context.inventory.policies, context.inventory.sources
        yield Noc(
            console,
            r1,
            Accept(context.store, sources, policies, BrakeLimits()),
            Converge(context.store, sessions, policies, PassLimits()),
        )
        sessions.close_all()
