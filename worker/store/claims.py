"""Claims, as people show and move them. Commits and passes request theirs by scripts."""

import json
from collections.abc import Collection
from typing import NamedTuple

from worker.core.entry.entry import Claim
from worker.core.rows.prefixes import claim_text, names_within, wider_keys
from worker.core.rows.rows import scopes_meet
from worker.core.service.history import line_to_json
from worker.store.audit import AuditEntry
from worker.store.connection import StorePart, new_work_version
from worker.store.records import Stored


class HeldClaim(NamedTuple):
    """One claim at a router.

    Attributes:
        key: `mac:…`, `address:…` or `prefix:…`; `text`: as people write it.
        scope: DHCP server, or `all`.
        is_held: whether the holder wants it; else only its row still stands there.
        waiters: services that wait for the key.
    """

    router: str
    key: str
    scope: str
    holder: str
    is_held: bool
    waiters: tuple[str, ...]

    @property
    def text(self) -> str:
        """The key as people write it."""
        return claim_text(self.key)


class MovedClaim(NamedTuple):
    """The result of a move: moved, refused by other holders, or changed since it was read."""

    moved: bool
    refused: list[tuple[str, str]]
    changed: bool


class Claims(StorePart):
    """Reads the claims of routers, and makes the one change that a person may ask for."""

    def at(self, router: str, keys: Collection[str] | None = None) -> list[HeldClaim]:
        """The claims at a router by their keys; `keys`: only these, and prefixes that overlap."""
        block = self._keys.router(router)
        held = (
            self._client.hgetall(block.claims)
            if keys is None
            else self._fields(block.claims, self._met(block.prefixes, keys))
        )
        waiters = self._asked(
            sorted(held),
            lambda pipe, key: pipe.zrangebylex(block.waiters, f"[k|{key}|", f"(k|{key}}}"),
        )
        return [
            HeldClaim(router, key, scope, holder, is_held == 1, waiting)
            for key, members in waiters
            for waiting in [tuple(member.rpartition("|")[2] for member in members)]
            for scope, (holder, is_held) in sorted(json.loads(held[key]).items())
        ]

    def of_others(self, router: str, service_id: str, wants: Collection[Claim]) -> list[HeldClaim]:
        """The claims that other services hold at a router and that exclude what one wants."""
        scopes = {claim.key: claim.scope for claim in wants}
        return [
            held
            for held in self.at(router, scopes)
            if held.is_held
            and held.holder != service_id
            and scopes_meet(held.scope, scopes.get(held.key, held.scope))
        ]

    def move(
        self, claim: HeldClaim, to: Stored, wants: Collection[Claim], *, by: str, at_ms: int
    ) -> MovedClaim:
        """Move a claim to another service, with all else that it wants, or change nothing.

        The former holder, as it was read, waits for it then. `wants`: all that the new one wants
        there.
        """
        service = to.record.service_id
        moved = {"by": by, "router": claim.router, "claim": claim.key}
        moved |= {"from": claim.holder, "to": service}
        detail = f"from {claim.holder} to {service} on {claim.router}"
        entry = AuditEntry(at_ms, by, "claim.moved", claim.key, detail)
        answer = self._scripts.run(
            "move_claim",
            *(claim.router, new_work_version(), claim.key, claim.scope, claim.holder, service),
            *(to.generation, json.dumps(sorted(wants)), entry.to_text()),
            line_to_json(at_ms, "claim moved", moved),
        )
        said = json.loads(answer)
        refused = [(key, holder) for key, holder in said["refused"] or ()]
        return MovedClaim(bool(said["moved"]), refused, bool(said["changed"]))

    def _met(self, prefixes: str, keys: Collection[str]) -> set[str]:
        met = set(keys)
        for key in keys:
            if within := names_within(key):
                met |= {*wider_keys(key)}
                found = self._client.zrangebylex(prefixes, f"[{within[0]}", f"({within[1]}")
                met |= {*found}
        return met
