"""Removes tracked connections that a pass had to leave: too many, or it took too long.

An address or prefix that somebody has again is left alone: its connections are those of the new
holder. So is that of a service whose record only a newer version can read.
"""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet

import structlog

from worker.core.effect.means import SEARCHED_AT_ONCE, by_family
from worker.core.rows.prefixes import ClaimKeys, prefix_key
from worker.ports import RouterSession, TrackedConnections
from worker.store.store import Store

log = structlog.get_logger()


def cut_left(
    store: Store,
    session: RouterSession,
    router: str,
    left: Mapping[str, str],
    find: Callable[[Collection[str]], TrackedConnections],
) -> None:
    """Try again to remove what was left on a router, of a bounded number of addresses.

    `left` has by address the service that lost it; `find` finds their connections.

    Raises:
        RouterUnreachable, RouterBlocked: as the session does.
    """
    stored = store.records.readable(sorted({*left.values()}))
    suspended = {name for name, found in stored.items() if found.record.status == "suspended"}
    known = {address: service_id for address, service_id in left.items() if service_id in stored}
    still_lost = _still_lost(store, router, known, suspended)
    done = known.keys() - still_lost
    for family in by_family(still_lost):
        wanted = family[:SEARCHED_AT_ONCE]
        found = find(wanted)
        why = found.problem
        if not why and found.ids:
            why = session.remove_connections(list(found.ids), lambda: None)
        if not why:
            done |= {*wanted}
            log.info("connections.cut", router=router, addresses=wanted, removed=len(found.ids))
    store.memory.forget_left(router, done)


def _still_lost(
    store: Store, router: str, left: Mapping[str, str], suspended: AbstractSet[str]
) -> set[str]:
    """The addresses that nobody has, or that their service has while it is suspended."""
    claims = store.claims.at(router, [_claim_key(address) for address in left])
    held = ClaimKeys(claim.key for claim in claims if claim.is_held)
    holders = {claim.key: claim.holder for claim in claims if claim.is_held}
    return {
        address
        for address, service_id in left.items()
        if {holders[key] for key in held.met_by(_claim_key(address))} <= {service_id} & suspended
    }


def _claim_key(address: str) -> str:
    return prefix_key(address) if ":" in address else f"address:{address}"
