"""Removes DHCP options of ours that nothing on the router uses any more.

An option is removed only when two checks in a row found it unused, so that one which a person is
about to use stays.
"""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from worker.convergence.concurrency import RouterLock
from worker.core.entry.dhcp_options import UnusedOptions, collectable
from worker.core.rows.operations import Remove
from worker.core.rows.rows import OPTIONS, OptionRow
from worker.ports import RouterSession
from worker.store.store import Store

log = structlog.get_logger()


class Collected(NamedTuple):
    """What was done.

    Attributes:
        removed: names of the rows that are gone.
        refused: names of rows, each with the router's message.
        unnamed: names that were found unused for the first time.
    """

    removed: Sequence[str]
    refused: Sequence[tuple[str, str]]
    unnamed: Sequence[str]


def find_unnamed(
    store: Store, session: RouterSession, router: str, installation: str
) -> UnusedOptions:
    """Find the options that nothing uses, and those that were unused at the last check, too."""
    # Rows first: an option that is added between the two reads is not judged.
    rows = session.read_rows(OPTIONS, None, lambda: None)
    named = session.read_named_options()
    options = [row for row in rows if isinstance(row, OptionRow)]
    return collectable(options, named, store.memory.unnamed_options(router), installation)


def collect_options(
    store: Store, session: RouterSession, lock: RouterLock, installation: str, actor: str
) -> Collected:
    """Remove unused options, and remember those that were found unused for the first time.

    Args:
        store: the store.
        session: to the router.
        lock: on the router, so that no pass adds rows meanwhile.
        installation: ours.
        actor: the person or part that asked for it.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the lock and the session do.
    """
    found = find_unnamed(store, session, lock.router, installation)
    removals = [
        Remove(number, "", row.id, dict(row.fields), menu=OPTIONS)
        for number, row in enumerate(found.collect, 1)
    ]
    lock.renew()
    results = session.write(removals, lock.progress) if removals else []
    removed, refused = [], []
    for row, result in zip(found.collect, results, strict=True):
        if result.refusal is None:
            removed.append(row.option)
        else:
            refused.append((row.option, result.refusal.message))
    left = found.unnamed - set(removed)
    store.memory.set_unnamed_options(lock.router, left)
    log.info("options.collected", router=lock.router, removed=removed, refused=refused, actor=actor)
    return Collected(removed, refused, sorted(left - {name for name, _ in refused}))
