"""Claims as people look at them and move them; commits and passes ask for theirs by themselves."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

import redis

from worker.core.entry.entry import Claim
from worker.core.service.history import line_to_json
from worker.store.keys import Keys
from worker.store.records import Stored, new_work_version
from worker.store.scripts import Scripts


class HeldClaim(NamedTuple):
    """One claim at a router.

    Attributes:
        router: where.
        key: `mac:…` or `address:…`.
        scope: DHCP server, or `all`.
        holder: the service.
        is_held: whether the holder wants it; else only its row still stands there.
        waiters: services that wait for the key.
    """

    router: str
    key: str
    scope: str
    holder: str
    is_held: bool
    waiters: tuple[str, ...]


class Moved(NamedTuple):
    """What came of a move: done, or who else refuses, or that all has changed since it was read."""

    moved: bool
    refused: list[tuple[str, str]]
    changed: bool


def waiting_for(client: redis.Redis, waiters: str, claims: Sequence[str]) -> dict[str, list[str]]:
    """Who waits for each of these claims; `waiters`: key of the router's set of them."""
    pipe = client.pipeline(transaction=False)
    for claim in claims:
        pipe.zrangebylex(waiters, f"[k|{claim}|", f"(k|{claim}}}")
    found = zip(claims, pipe.execute(), strict=True)
    return {claim: [each.rpartition("|")[2] for each in members] for claim, members in found}


class Claims:
    """Reads of all routers' claims, and the one change that a person may make."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def at(self, router: str, keys: Collection[str] | None = None) -> list[HeldClaim]:
        """The claims at a router, by key; only those of the given keys, if any are given."""
        block = self._keys.router(router)
        held = self._table(block.claims, keys)
        waiters = waiting_for(self._client, block.waiters, sorted(held))
        return [
            HeldClaim(router, key, scope, holder, is_held == 1, tuple(waiters[key]))
            for key in sorted(held)
            for scope, (holder, is_held) in sorted(held[key].items())
        ]

    def move(
        self, claim: HeldClaim, to: Stored, wants: Collection[Claim], *, by: str, at_ms: int
    ) -> Moved:
        """Give a claim to another service, with all else that it wants, or change nothing.

        Args:
            claim: as it was read; its holder waits for it from now on.
            to: record of the service that gets it.
            wants: all that this service wants at the router.
            by: who does this.
            at_ms: Redis's time.
        """
        service = to.record.service_id
        moved = {"by": by, "router": claim.router, "claim": claim.key}
        moved |= {"from": claim.holder, "to": service}
        action = {"at_ms": at_ms, "what": "claim moved", **moved}
        answer = self._scripts.run(
            "move_claim",
            *(claim.router, new_work_version(), claim.key, claim.scope, claim.holder, service),
            *(to.generation, json.dumps(sorted(wants)), json.dumps(action)),
            line_to_json(at_ms, "claim moved", moved),
        )
        said = json.loads(answer)
        refused = [(key, holder) for key, holder in said["refused"] or ()]
        return Moved(bool(said["moved"]), refused, bool(said["changed"]))

    def _table(self, key: str, fields: Collection[str] | None) -> dict[str, Any]:
        if fields is None:
            raw = cast("dict[str, str | None]", self._client.hgetall(key))
        else:
            names = sorted(fields)
            raw = dict(
                zip(names, cast("list[str | None]", self._client.hmget(key, names)), strict=True)
            )
        return {name: json.loads(text) for name, text in raw.items() if text}
