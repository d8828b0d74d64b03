"""Fills a store with services on routers that nobody simulates, in seconds instead of minutes.

One service is folded and concluded as workers do it, under a prefix where none look. Its copies
with another id, router, device, address and label are written by the commit that workers use.
Nothing becomes due on these routers: workers would try to reach them.
"""

import random
import secrets
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from contracts.identity import event_key
from contracts.names import QUEUE_EVENTS
from tests import builders
from tests.installation import SERVER, Installation
from worker.convergence.batch_item import BatchItem
from worker.convergence.confirm import confirmed
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.service.outcome import Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.intake.accept import Accept
from worker.inventory import load_inventory
from worker.store.batches import Acquired
from worker.store.commits import EventCommit, ServiceCommit
from worker.store.full_reads import FullReadReport
from worker.store.store import Store, open_store

_AT_ONCE: Final = 1_000
_ASIDE: Final = "aside:"
_PATTERN: Final = "ACC-000000"
_DAY_MS: Final = 86_400_000
_NO_DRIFT: Final = {"pending": 0, "differences": 0, "drift": [], "orphans": 0}
_STREETS: Final = ("Acacia", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Linden", "Maple")


class _Pattern(NamedTuple):
    """The service that all others are copies of.

    Attributes:
        record: as it is stored.
        outcome: of its event.
        lines: its history, newest last.
    """

    record: ServiceRecord
    outcome: Outcome
    lines: Sequence[str]


def paper_routers(count: int) -> str:
    """Tables of the inventory for routers that are never reached: `site-0001` and so on."""
    return "\n".join(
        f'[routers.site-{number:04}]\nhost = "127.1.{number >> 8}.{number & 255}"\n'
        f'dhcp_server = "{SERVER}"\npassword_env = "ROUTER_PASSWORD"\n'
        f'fingerprint = "{number:064x}"\n'
        for number in range(1, count + 1)
    )


def populate(here: Installation, services: int) -> None:
    """Put so many services on the paper routers of the inventory, all applied.

    Service `n` is `ACC-<n, six digits>` with MAC `02:00:5E:…` and an address above 10.64.0.0; its
    router is number `n` modulo the number of routers, counted from `site-0001`.
    """
    store, inventory = here.store, load_inventory(here.directory / "routers.toml")
    policies = {name: router.policy for name, router in inventory.routers.items()}
    paper = [name for name in policies if name.startswith("site-")]
    aside = open_store(store.client, _ASIDE)
    Accept(aside, inventory.sources, policies).run([_event(paper[0])], QUEUE_EVENTS)
    pattern = _conclude(aside, paper[0], policies[paper[0]])
    store.client.delete(*store.client.scan_iter(f"{_ASIDE}*"))
    now_ms = store.records.now_ms()
    for first in range(0, services, _AT_ONCE):
        commits = []
        for number in range(first, min(first + _AT_ONCE, services)):
            router = paper[number % len(paper)]
            commits.append(_copy(pattern, number, router, policies[router]))
        store.records.commit(commits, now_ms)
    for number, router in enumerate(paper):
        count = len(range(number, services, len(paper)))
        report = {"services": count, "rows": count, **_NO_DRIFT}
        store.full_reads.rows_checked(router, now_ms, 40 * 86_400)
        store.full_reads.save(router, FullReadReport(now_ms, report), _DAY_MS)


def _event(router: str) -> dict[str, object]:
    where = _where(0)
    return builders.activated(
        _PATTERN,
        id_="import-0",
        router=router,
        server=SERVER,
        mac=where["mac"],
        ipv4=where["address"]["ipv4"],
        customer_id=where["customer_id"],
        label=where["label"],
    )


def _where(number: int) -> dict[str, Any]:
    """The registers in which services differ, but for the router."""
    rng = random.Random(number)  # noqa: S311 - repeatable
    high, middle, low = number >> 16, number >> 8 & 255, number & 255
    street = f"{rng.choice(_STREETS)} Street {rng.randrange(1, 200)}"
    return {
        "mac": f"02:00:5E:{high:02X}:{middle:02X}:{low:02X}",
        "address": {"mode": "static", "ipv4": f"10.{64 + high}.{middle}.{low}"},
        "customer_id": f"C-{100_000 + number * 7 % 900_000}",
        "label": f"{street}, flat {rng.randrange(1, 40)}",
    }


def _conclude(store: Store, router: str, policy: RouterPolicy) -> _Pattern:
    """Conclude the pattern, the one work item of a router, as confirmed."""
    lock_id = secrets.token_hex(8)
    batch = store.routers.acquire(router, lock_id, 1, policy.offered)
    if not isinstance(batch, Acquired):
        raise TypeError(f"{router} cannot be locked: {batch}")
    (work_item,) = batch.work_items
    entry = wanted_entries(work_item.stored.record, {router: policy})[router]
    generation = work_item.stored.generation
    store.routers.claim(router, [(_PATTERN, generation, entry.claims)])
    ending = confirmed(BatchItem(work_item, router, entry), batch.now_ms)
    store.routers.conclude(router, lock_id, [ending._replace(watch=None)])
    store.routers.next_batch(router, lock_id, 0)
    (found,) = store.records.read([_PATTERN]).values()
    lines = [str(line) for line in store.client.lrange(store.keys.history(_PATTERN), 0, -1)]
    return _Pattern(found.record, ending.outcomes[0], lines)


def _copy(pattern: _Pattern, number: int, router: str, policy: RouterPolicy) -> ServiceCommit:
    service_id, event_id = f"ACC-{number:06}", f"import-{number}"
    values = _where(number) | {"router": router}
    registers = {
        name: register._replace(value=values.get(name, register.value), event=event_id)
        for name, register in pattern.record.registers.items()
    }
    record = pattern.record._replace(
        service_id=service_id,
        registers=registers,
        placements={router: Placement(None)},
    )
    entry = wanted_entries(record, {router: policy})[router]
    (placement,) = pattern.record.placements.values()
    record = record._replace(placements={router: placement._replace(written=entry.fields)})
    event = pattern.outcome.event
    event = event._replace(key=event_key(event.source, event_id), id=event_id)
    outcome = pattern.outcome._replace(event=event, service_id=service_id, router=router)
    return ServiceCommit(
        service_id,
        record=record,
        claims={router: entry.claims},
        ownership_changes={event.source: 1},
        events=[EventCommit(event.key, None, "applied", outcome)],
        lines=[
            line.replace(pattern.outcome.event.id, event_id).replace(pattern.outcome.router, router)
            for line in pattern.lines
        ],
    )
