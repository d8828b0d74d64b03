"""What the browser sees: an installation with console, and something on each of its pages."""

import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.over_http import gateway
from benchmarks.populate import populate
from benchmarks.stage import give_network
from gateway.console.people import People, Role
from gateway.console.sessions import LoginSessions
from tests import builders
from tests.installation import LEASES, PREFIX, SERVER, Installation
from tests.waiting import eventually

PASSWORD = "a-long-enough-password"
PEOPLE = {"vera": Role.VIEWER, "omar": Role.OPERATOR, "anna": Role.ADMIN}
BRAKE = "router_services = 8\nrouter_percent = 0"
"""R2, R3 and R5 lose more at once: that is held for approval."""
SERVICES = 12
"""Of each router but R4."""
KEPT = 2
"""Of R2, R3 and R5: all others are cancelled."""
POOL = """\
[pools.home]
ranges = ["100.64.1.13-100.64.1.20"]
"""
ASSIGNED = "SVC-1-13"
"""Its address is of the pool."""
UNKNOWN = "urn:isp:bss:new"
"""A source that the inventory does not list."""


class Stage(Installation):
    """The installation; `url` is where its gateway listens.

    R1 is well, and refuses two services. R2, R3 and R5 have services that are held for approval; no
    test decides on those of R5, nor on SVC-1-11 and SVC-1-14. R4 refuses the login.
    """

    url = ""

    def session(self, name):
        """A session of a person, as after a login."""
        return LoginSessions(self.client, PREFIX).begin(self.people.find(name))

    def services(self, router):
        """The services of a router: SVC-1-1 is the first one of R1."""
        return [f"SVC-{router[1:]}-{n}" for n in range(1, SERVICES + 1)]

    def activated(self, service_id, **more):
        """The first event of one of them."""
        _, router, number = service_id.split("-")
        number = int(number)
        return builders.activated(
            service_id,
            **{
                "router": f"R{router}",
                "server": SERVER,
                "mac": builders.mac(16 * int(router) + number),
                "ipv4": f"100.64.{router}.{number}",
                "customer_id": f"C-{router}{number:02}",
                "label": f"Elm Street {number}",
            }
            | more,
        )

    def row(self, service_id):
        """Its lease on its router; None: there is none."""
        rows = self.rows(f"R{service_id.split('-')[1]}").get(service_id, [])
        return rows[0] if rows else None

    def audited(self, most):
        """What people did last, the newest first: by whom, what, to what."""
        entries = islice(self.store.audit.entries(), most)
        return [(entry.by, entry.what, entry.subject) for entry in entries]

    def fill(self):
        """Put something on each page."""
        give_network(self)
        self.people = People(self.client, PREFIX)
        for name, role in PEOPLE.items():
            self.people.add(name, role, PASSWORD, datetime.now(UTC).isoformat())
        self.control["R4"].set_faults(refuse_login=True)
        self.control["R1"].set_faults(
            refuse_values=[
                {
                    "menu": LEASES,
                    "field": "mac-address",
                    "value": builders.mac(16 + number),
                    "text": "invalid value for argument mac-address",
                }
                for number in (14, 15)
            ]
        )
        self.publisher.publish(
            [
                self.activated(s)
                for router in ("R1", "R2", "R3", "R5")
                for s in self.services(router)
            ]
            + [self.activated(s) for s in ("SVC-1-14", "SVC-1-15", "SVC-4-1")]
            + [self.activated(ASSIGNED, address={"mode": "assigned", "pool": "home"})]
            + [self.activated(f"SVC-1-{n}", source=UNKNOWN) for n in (21, 22, 23)]
        )
        ready = ["R1", "R2", "R3", "R5"]
        eventually(lambda: self.settled(ready), "services are there", within_s=40)
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
        self.publisher.publish(
            [
                builders.cancelled(service_id, revision=9)
                for router in ("R2", "R3", "R5")
                for service_id in self.services(router)[KEPT:]
            ]
            + [
                builders.suspended(service_id, effective_at=tomorrow, revision=9)
                for service_id in ("SVC-1-11", "SVC-1-12")
            ]
        )
        eventually(lambda: len(self.store.brake.approvals()) == 3, "all are held", within_s=40)

    def held(self):
        """The services that the brake holds."""
        return {work_item.service_id for work_item in self.store.brake.held()}


@contextmanager
def running_stage(tables="", services=0):
    """A stage that is filled, with workers and a gateway.

    Args:
        tables: more tables of the inventory, such as `paper_routers`.
        services: so many more on those routers.
    """
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    try:
        with Stage(directory, 5, brake=BRAKE, tables=POOL + tables) as here:
            if services:
                populate(here, services)
            here.start_workers("events", "routers")
            here.fill()
            with gateway(here, "--console") as (here.url, _):
                yield here
    finally:
        shutil.rmtree(directory)
