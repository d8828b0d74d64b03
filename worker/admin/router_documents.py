"""Routers in short, as documents: the same for `routers list` and the console."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from worker.admin.json_fields import clean, utc_time, without_empty
from worker.core.policy.circuit import UP, RouterState
from worker.core.policy.policy import AppliedPolicy
from worker.inventory import RouterConfig
from worker.store.router_figures import RouterFigures, paused_state
from worker.store.router_memory import SETUP
from worker.store.store import Store

PAGE: Final = 25
STATES: Final = (
    "blocked",
    "unreachable",
    "probing",
    "policy-changed",
    "paused",
    "draining",
    "new",
    "observed",
    "up",
)
"""The states as people see them, the worst first."""


class RankedRouter(NamedTuple):
    """What a router is sorted and found by.

    Attributes:
        name: of the router.
        state: of `STATES`.
        since_ms: when this state began; 0: not known.
        due_ms: since or from when some of its services are to be checked; 0: none are.
    """

    name: str
    state: str
    since_ms: int
    due_ms: int

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Sorts the worst first: by state, then the longest in it, then the oldest work."""
        worst_first = STATES.index(self.state) if self.state in STATES else 0
        return worst_first, self.since_ms, self.due_ms or math.inf, self.name


def router_documents(store: Store, configs: Sequence[RouterConfig]) -> list[dict[str, Any]]:
    """Routers in short, in this order; some round trips for all of them."""
    names = [config.name for config in configs]
    paused, applied = store.fleet.paused(), store.fleet.policies(names)
    documents = []
    for config, figures in zip(configs, store.views.routers(names), strict=True):
        paused_by = paused[config.name].by if config.name in paused else None
        documents.append(_document(config, figures, paused_by, applied.get(config.name)))
    return documents


def _reached(store: Store, names: Sequence[str]) -> frozenset[str]:
    """The routers of which a serial, a table or a DHCP setup was ever seen."""
    if not names:
        return frozenset()
    pipe = store.client.pipeline(transaction=False)
    pipe.hmget(store.keys.fleet.serials_seen, list(names))
    pipe.hmget(store.keys.fleet.full_reads, list(names))
    seen = zip(names, *pipe.execute(), strict=True)
    reached = {name for name, serial, read_ms in seen if serial or read_ms}
    rest = [name for name in names if name not in reached]
    for name in rest:
        pipe.hexists(store.keys.router(name).memory, SETUP)
    known = pipe.execute() if rest else []
    return frozenset(reached | {n for n, is_known in zip(rest, known, strict=True) if is_known})


def _document(
    config: RouterConfig,
    figures: RouterFigures,
    paused_by: str | None,
    applied: AppliedPolicy | None,
) -> dict[str, Any]:
    differs = applied is not None and applied.digest != AppliedPolicy.of(config.policy).digest
    state = figures.state
    drains = state.state == "up" and bool(state.away_since_ms)
    return without_empty(
        {
            "router": config.name,
            "host": f"{config.host}:{config.port}",
            "transport": config.transport,
            "state": state.state,
            "mode": config.policy.mode if config.policy.mode == "observe" else None,
            "circuit": state.circuit(busy=figures.busy),
            "cause": state.cause,
            "paused_by": paused_by,
            "policy": "differs from the applied one" if differs else None,
            "since": utc_time(state.since_ms),
            "next_try_at": utc_time(state.next_at_ms),
            "attempts": state.attempts or None,
            "away_since": utc_time(state.away_since_ms),
            "drained": state.drained if drains else None,
            "services": figures.services,
            "backlog": figures.backlog,
            "oldest_due": utc_time(figures.oldest_ms),
            "waiting": len(figures.waiting) + figures.failed,
            "message": clean(state.message),
        }
    )


def shown_state(router: Mapping[str, Any]) -> str:
    """The state of a router's document as people see it: one of `STATES`."""
    if router["circuit"] == "half-open":
        return "probing"
    if router["state"] == "up" and "mode" in router:
        return "observed"
    return "draining" if "drained" in router else str(router["state"])


def ranked_routers(store: Store, configs: Iterable[RouterConfig]) -> list[RankedRouter]:
    """All routers, the worst first, by what a few round trips tell of each."""
    routers = {config.name: config for config in configs}
    names = list(routers)
    pipe = store.client.pipeline(transaction=False)
    pipe.mget([store.keys.router(name).state for name in names])
    pipe.zrange(store.keys.routers_due, 0, -1, withscores=True)
    texts, due = pipe.execute() if names else ([], [])
    due_ms = {name: int(at_ms) for name, at_ms in due}
    paused = store.fleet.paused()
    states = {
        name: RouterState.from_json(text) if text else UP
        for name, text in zip(names, texts, strict=True)
    } | {name: paused_state(pause) for name, pause in paused.items() if name in routers}
    reached = _reached(store, [name for name, state in states.items() if state is UP])
    busy = _busy(store, [name for name, state in states.items() if state.open])
    found = []
    for name, state in states.items():
        shown: str = state.state
        if name in busy:
            shown = "probing"
        elif state is UP and name not in reached:
            shown = "new"
        elif state.state == "up":
            drains = "draining" if state.away_since_ms else "up"
            shown = "observed" if routers[name].policy.mode == "observe" else drains
        found.append(RankedRouter(name, shown, state.since_ms, due_ms.get(name, 0)))
    return sorted(found, key=lambda router: router.rank)


def _busy(store: Store, names: Sequence[str]) -> frozenset[str]:
    """The routers with an open circuit at which a worker is: it is the probe."""
    pipe = store.client.pipeline(transaction=False)
    for name in names:
        pipe.exists(store.keys.router(name).lock)
    held = pipe.execute() if names else []
    return frozenset(name for name, is_held in zip(names, held, strict=True) if is_held)


def list_document(
    store: Store, configs: Mapping[str, RouterConfig], find: str, state: str, page: int
) -> dict[str, Any]:
    """A page of routers, the worst first.

    `find` is a part of names and `state` one of `STATES`; empty: all. The first page is 1.
    """
    named = [
        router
        for router in ranked_routers(store, configs.values())
        if find.casefold() in router.name.casefold()
    ]
    found = [router for router in named if state in ("", router.state)]
    shown = found[(page - 1) * PAGE : page * PAGE]
    counts = Counter(router.state for router in named)
    documents = router_documents(store, [configs[router.name] for router in shown])
    return {
        "routers": [document | {"shown": shown_state(document)} for document in documents],
        "find": find,
        "state": state,
        "page": page,
        "more": len(found) > page * PAGE,
        "found": len(found),
        "states": {name: counts[name] for name in STATES if counts[name]},
        "total": len(configs),
    }
