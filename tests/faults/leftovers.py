"""What must be left in Redis when all is quiet: what is wanted is claimed, and nothing waits.

Read key by key, not through the store: what it does not know of must not be left either.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

import redis

from contracts import names
from worker.core.entry.entry import Entry
from worker.store.store import Store

_LONGEST_MS: Final = 120_000
"""No flag of an installation with the short times of these tests may be held for longer."""
_FLAGS: Final[tuple[Callable[[Store], str], ...]] = (
    lambda store: store.keys.sweep,
    lambda store: store.keys.maintenance,
    lambda store: store.keys.canary_claim,
    lambda store: store.keys.alert_check,
    lambda store: store.keys.notifications,
    lambda store: store.keys.reports.check,
)


def leftovers(
    client: redis.Redis,
    store: Store,
    entries: Mapping[str, Mapping[str, Entry]],
    besides: frozenset[str] = frozenset(),
) -> list[str]:
    """What is left that should not be, of an installation where nobody waits for anybody.

    Args:
        client: of its Redis.
        store: its store.
        entries: router -> service or further device -> what is wanted there.
        besides: services of which nothing is said here.
    """
    found = []
    for router, wanted in entries.items():
        found += _of_router(client, store, router, wanted, besides)
    for lane in names.LANES:
        if depth := store.journal.depth(lane):
            found.append(f"{depth} events in the journal of {lane}")
    for key in (store.keys.attempts, store.keys.braked):
        if left := client.hgetall(key):
            found.append(f"{key}: {left}")
    for flag in (flag_of(store) for flag_of in _FLAGS):
        if (left_ms := client.pttl(flag)) > _LONGEST_MS:
            found.append(f"{flag} is held for {left_ms} ms")
    return found


def _of_router(
    client: redis.Redis,
    store: Store,
    router: str,
    wanted: Mapping[str, Entry],
    besides: frozenset[str],
) -> list[str]:
    block = store.keys.router(router)
    left: dict[str, object] = {
        "work_items": client.hgetall(block.work_items),
        "due": dict(client.zrange(block.due, 0, -1, withscores=True)),
        "in flight": _but(besides, client.hgetall(block.inflight)),
        "waiting": _but(besides, client.hgetall(block.waiting)),
        "state": client.get(block.state),
    }
    claims = {
        (key, scope, service)
        for key, text in client.hgetall(block.claims).items()
        for scope, (service, _strong) in json.loads(text).items()
        if service not in besides
    }
    # the claims for further devices, such as `SVC-1/2`, are of their service
    due = {
        (*claim, name.partition("/")[0]) for name, entry in wanted.items() for claim in entry.claims
    }
    left |= {"claims that nobody wants": claims - due, "claims that are missing": due - claims}
    services = set(client.smembers(block.services)) - besides
    left |= {"services of no row": services - wanted.keys()}
    for name in ("lock", "notified"):
        if (left_ms := client.pttl(getattr(block, name))) > _LONGEST_MS:
            left[name] = f"held for {left_ms} ms"
    return [f"{router}: {what}: {value}" for what, value in left.items() if value]


def _but(besides: frozenset[str], of_services: Mapping[str, str]) -> dict[str, str]:
    return {service: text for service, text in of_services.items() if service not in besides}
