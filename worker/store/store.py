"""The store as one value: what the use cases and the command line are given."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

import redis

from worker.errors import ConfigurationError
from worker.store.alerts import Alerts
from worker.store.audit import Audit
from worker.store.brake import Brake
from worker.store.canaries import QUEUES, Canaries
from worker.store.claims import Claims
from worker.store.conflicts import Conflicts
from worker.store.connection import Scripts, StoreClient, store_errors
from worker.store.dead_letters import Letters
from worker.store.feed import Feed
from worker.store.finder import Finder
from worker.store.full_reads import FullReads
from worker.store.heartbeat import Heartbeats, Signs
from worker.store.imports import Imports
from worker.store.journal import Journal
from worker.store.keys import Keys
from worker.store.maintenance import StoreMaintenance
from worker.store.manifests import StoredManifests
from worker.store.notifications import Notifications
from worker.store.pools import PoolValues
from worker.store.reconfigures import Reconfigures
from worker.store.records import Records
from worker.store.router_admin import RouterAdmin
from worker.store.router_memory import RouterMemory
from worker.store.routers import Routers
from worker.store.samples import Samples
from worker.store.schedule import ScheduleIndex
from worker.store.scripts import kinds_of_keys
from worker.store.sources import Sources
from worker.store.store_format import StoreFormat
from worker.store.views import Views
from worker.store.watches import Watches

_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Store:
    """All parts of the store over one client."""

    client: StoreClient
    keys: Keys
    format: StoreFormat
    journal: Journal
    records: Records
    routers: Routers
    schedule: ScheduleIndex
    sources: Sources
    fleet: RouterAdmin
    views: Views
    maintenance: StoreMaintenance
    samples: Samples
    memory: RouterMemory
    pools: PoolValues
    reconfigures: Reconfigures
    full_reads: FullReads
    claims: Claims
    dead_letters: Letters
    manifests: StoredManifests
    finder: Finder
    imports: Imports
    alerts: Alerts
    conflicts: Conflicts
    notifications: Notifications
    canaries: Canaries
    brake: Brake
    feed: Feed
    watches: Watches
    heartbeats: Heartbeats
    signs: Signs
    audit: Audit

    def bind_installation(self, installation: str) -> None:
        """Make sure that Redis and the inventory speak of one installation.

        An empty Redis takes the inventory's id.

        Raises:
            ConfigurationError: this Redis belongs to another installation.
        """
        self.client.set(self.keys.installation, installation, nx=True)
        found = self.client.get(self.keys.installation)
        if found != installation:
            problem = (
                f"installation.id is {installation!r}, but this Redis belongs to {found!r}: "
                "use that installation's Redis, another key prefix, or the right inventory"
            )
            raise ConfigurationError([problem])

    def check_server(self) -> None:
        """Make sure that the server keeps what it is given.

        Raises:
            ConfigurationError: it may evict keys, or keeps no append-only file.
        """
        # INFO: a hosted Redis may not let its users read CONFIG
        info = self.client.info("memory", "persistence")
        problems = []
        if info["maxmemory_policy"] != "noeviction":
            problems.append("Redis may evict keys: set maxmemory-policy noeviction")
        if not info["aof_enabled"]:
            problems.append("Redis keeps nothing over a restart: set appendonly yes")
        if problems:
            raise ConfigurationError(problems)

    def check_kinds(self, routers: Collection[str], sources: Collection[str]) -> None:
        """Make sure that no key of another program stands where one of ours is to be.

        Scripts do not check this: it is called when a process starts, and when Redis did. Services
        have too many keys: scripts check those that they make.

        Raises:
            ConfigurationError: one does.
        """
        wanted = kinds_of_keys(self.keys, routers, sources)
        with self.client.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.type(key)
            found = dict(zip(wanted, pipe.execute(), strict=True))
        problems = [
            f"the key {key} in Redis is a {found[key]}, where Leasewire keeps a {kind}: another "
            f"program uses the prefix {self.keys.prefix!r}; give one of the two another "
            "(LEASEWIRE_KEY_PREFIX), or delete the key if it is not needed"
            for key, kind in wanted.items()
            if found[key] not in ("none", kind)
        ]
        if problems:
            raise ConfigurationError(problems)

    def check_queues(self) -> None:
        """Make sure that this user of Redis may do what Celery is about to.

        Raises:
            StoreRefused: it may not read the queues, or not hear Celery's own channel.
        """
        database = self.client.connection_pool.connection_kwargs.get("db") or 0
        with store_errors(), self.client.pubsub() as channel:  # type: ignore[no-untyped-call]
            for queue in QUEUES:
                self.client.llen(self.keys.queue(queue))
            channel.psubscribe(f"{self.keys.prefix}/{database}.celery.pidbox")
            channel.parse_response(timeout=_ANSWER_S)


def open_store(
    plain: redis.Redis, prefix: str, lock_ms: int = 30_000, min_replicas: int = 0
) -> Store:
    """Put the store together over a client whose replies are decoded.

    `lock_ms`: how long a router is locked without progress; `min_replicas`: so many have what a
    pass decided before it writes to the router.
    """
    client = StoreClient(connection_pool=plain.connection_pool)
    keys, scripts = Keys(prefix), Scripts(client, prefix, min_replicas)
    parts = client, scripts, keys
    store_format = StoreFormat(*parts)
    made: dict[str, Any] = {
        "client": client,
        "keys": keys,
        "format": store_format,
        "records": Records(*parts, store_format=store_format),
        "routers": Routers(*parts, store_format=store_format, lock_ms=lock_ms),
        "heartbeats": Heartbeats(*parts, store_format=store_format),
    }
    others = {name: kind for name, kind in get_type_hints(Store).items() if name not in made}
    return Store(**made, **{name: kind(*parts) for name, kind in others.items()})
