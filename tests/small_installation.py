"""A small installation in this process: a real Valkey, simulated routers, accept and converge.

For tests that step through what workers do, or stop them half-way; `tests/installation.py` has the
worker processes.
"""

import shutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self, cast

import redis

from contracts import names
from contracts.identity import event_key
from leasewire.host.embedded import EmbeddedServer
from simulator.testing import PASSWORD, RouterHandle, Simulation, running
from tests import builders
from worker.convergence.concurrency import PassLimits
from worker.convergence.router_pass import Converge
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import ServiceRecord
from worker.intake.accept import Accept
from worker.inventory import Inventory, load_inventory
from worker.routeros.sessions import Sessions
from worker.settings import Settings
from worker.store.key_groups import RouterKeys
from worker.store.store import Store, open_store

LEASES: Final = "/ip/dhcp-server/lease"
SERVER: Final = "dhcp-vlan-32"
"""The DHCP server of each simulated router; the addresses of tests are in none of its networks."""
_SPAN: Final = 10**13
"""What a priority adds to the time at which a mark is due."""


class SmallInstallation:
    """Use as a context manager; workers are those that a test makes, as `accept` and `converge`.

    Args:
        routers: how many simulated ones; the first is R1.
        sources: source -> the lines of its table; None: the builders' source, with revisions.
        router_lines: router -> more lines of its table.
        defaults: more lines of the table `defaults`.
        settings: setting -> value, as `IDLE_SESSION_S`.
        installation: its id.
        lock_ms: the timed lock on a router.
        tables: more tables of the inventory.
        brake: the lines of its table `brake`.
        prefix: of the keys.
        simulator: further options of the simulated routers.
        limits: of a pass.
        names: the inventory's name of a router -> the simulated one; None: the same.

    Attributes:
        server, client, store: the Valkey, a client of it, and what we keep there.
        sim, r: the simulated routers, and by name.
        inventory_path: where the inventory is written.
        inventory, settings, sessions, policies, accept, converge: of the worker, since `load`.
    """

    server: EmbeddedServer
    client: redis.Redis
    store: Store
    sim: Simulation
    r: dict[str, RouterHandle]
    inventory_path: Path
    inventory: Inventory
    settings: Settings
    sessions: Sessions
    policies: dict[str, RouterPolicy]
    accept: Accept
    converge: Converge

    def __init__(  # noqa: PLR0913 - an installation has as many parts
        self,
        routers: int = 2,
        *,
        sources: Mapping[str, str] | None = None,
        router_lines: Mapping[str, str] | None = None,
        defaults: str = "",
        settings: Mapping[str, str] | None = None,
        installation: str = "acme",
        lock_ms: int = 30_000,
        tables: str = "",
        brake: str = "enabled = false",
        prefix: str = "lw:",
        simulator: Mapping[str, Any] | None = None,
        limits: PassLimits | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.sources = dict(sources or {builders.SOURCE: 'order = "revisions"'})
        self.router_lines = dict(router_lines or {})
        self.defaults = defaults
        self.installation = installation
        self.tables = tables
        self.brake = brake
        self.prefix = prefix
        self.limits = limits or PassLimits()
        self.names = names
        self._routers = routers
        self._environ = dict(settings or {})
        self._lock_ms = lock_ms
        self._simulator = dict(simulator or {})

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        directory = Path(tempfile.mkdtemp(prefix="lw-"))
        stack.callback(shutil.rmtree, directory)
        self.server = stack.enter_context(EmbeddedServer(directory / "v"))
        self.client = stack.enter_context(self.server.client())
        self.store = open_store(self.client, self.prefix, self._lock_ms)
        started = running(self._routers, seed_guide=True, user="leasewire", **self._simulator)
        self.sim = stack.enter_context(started)
        self.r = {handle.name: handle for handle in self.sim.routers}
        (directory / "secret").write_text(PASSWORD)
        self.inventory_path = directory / "routers.toml"
        self.write_inventory()
        self.load()
        stack.callback(self._end_sessions)

    def _end_sessions(self) -> None:
        self.sessions.close_all()

    def write_inventory(self, skip: Collection[str] = ()) -> None:
        """Write the inventory for what the attributes say; `load` makes the worker have it.

        Args:
            skip: routers that are left out.
        """
        tables = [
            f'[installation]\nid = "{self.installation}"',
            f'[defaults]\npassword_file = "secret"\ndhcp_server = "{SERVER}"\n{self.defaults}',
        ]
        for name, of in (self.names or {name: name for name in self.r}).items():
            if name not in skip:
                router = self.r[of]
                tables.append(
                    f'[routers.{name}]\nhost = "{router.host}"\nport = {router.api_ssl_port}\n'
                    f'fingerprint = "{router.fingerprint_sha256}"\n'
                    f"{self.router_lines.get(name, '')}"
                )
        tables += [f'[sources."{source}"]\n{lines}' for source, lines in self.sources.items()]
        self.inventory_path.write_text("\n".join([*tables, f"[brake]\n{self.brake}", self.tables]))

    def load(self) -> None:
        """A worker that was started anew: it has the inventory as it is now, and no session."""
        if hasattr(self, "sessions"):
            self._end_sessions()
        environ = {
            "REDIS_URL": self.server.url,
            "INVENTORY": str(self.inventory_path),
            **self._environ,
        }
        self.settings = Settings.load({f"LEASEWIRE_{key}": value for key, value in environ.items()})
        self.inventory = load_inventory(self.inventory_path)
        self.sessions = Sessions(self.inventory, self.settings)
        self.policies = {name: router.policy for name, router in self.inventory.routers.items()}
        inventory = self.inventory
        self.accept = Accept(
            *(self.store, inventory.sources, self.policies, inventory.brake),
            pools=inventory.pools,
        )
        self.converge = Converge(
            *(self.store, self.sessions, self.policies, self.limits), pools=inventory.pools
        )

    def say(self, *events: Mapping[str, Any], lane: names.Lane = names.QUEUE_EVENTS) -> int:
        """Fold events as a message brings them, and what the journal holds; returns how many."""
        return self.accept.run(list(events), lane)

    def drain(self, *routers: str, times: int = 20) -> None:
        """Pass after pass, until nothing is due or a pass changes nothing of what is.

        Args:
            routers: in this order; none: each of the inventory.
            times: passes of a router at the most, beside the first.
        """
        for router in routers or self.policies:
            self.converge.run(router)  # which may find by itself what is to be done
            before: list[str] = []
            for _ in range(times):
                due = self.due(router)
                if not due or due == before:
                    break
                before = due
                self.converge.run(router)

    def due(self, router: str) -> list[str]:
        """The services of which marks are due at a router by now, the most urgent first."""
        now_ms = self.store.records.now_ms()
        work_items = cast(
            "list[tuple[str, float]]",
            self.client.zrange(self.block(router).due, 0, -1, withscores=True),
        )
        return [service for service, score in work_items if int(score) % _SPAN <= now_ms]

    def outcome(self, event: Mapping[str, Any]) -> str | None:
        """The latest word on an event as `state`, `state: reason` and `state: reason (detail)`."""
        found = self.store.views.outcomes([event_key(event["source"], event["id"])])
        if not found:
            return None
        said = found[0]
        reason = f": {said.reason}" if said.reason else ""
        return f"{said.state}{reason}" + (f" ({said.detail})" if said.detail else "")

    def rows(self, router: str, *, all_: bool = False) -> list[dict[str, str]]:
        """The leases on a simulated router that carry a tag of ours, or all of them."""
        rows = self.r[router].rows(LEASES)
        return [row for row in rows if all_ or "leasewire:" in row.get("comment", "")]

    def record(self, service_id: str = "SVC-1") -> ServiceRecord:
        """The record of a service."""
        return self.store.records.read([service_id])[service_id].record

    def block(self, router: str) -> RouterKeys:
        """The keys of a router."""
        return self.store.keys.router(router)


def activated(
    service_id: str = "SVC-1",
    number: int = 1,
    *,
    router: str = "R1",
    revision: int = 1,
    **given: Any,
) -> dict[str, object]:
    """The service may use the network, with the MAC and the address of this number."""
    return builders.activated(
        service_id,
        **{
            "mac": builders.mac(number),
            "ipv4": builders.ipv4(number),
            "router": router,
            "server": SERVER,
            "revision": revision,
            **given,
        },
    )
