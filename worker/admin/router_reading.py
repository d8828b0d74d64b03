"""All that a read of one router shows people: its plan, drift, leases and pools."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from worker.admin.json_fields import clean, shortened
from worker.admin.last_written import LastWritten
from worker.admin.lease_documents import LeaseRow, Owner, lease_documents
from worker.admin.plan_documents import PlanLine, plan_document, plan_lines, plan_summary
from worker.admin.router_actions import drift_digest, plan_digest, to_rebuild, to_reconcile
from worker.admin.router_reads import ReadFailure, drift_document, error_document, read_router
from worker.convergence.full_read import FullRead, read_fully
from worker.core.policy.circuit import LOGIN_REFUSED, TAKES_NO_WRITES, RouterState
from worker.core.rows.operations import MakeStatic, Set
from worker.core.rows.pools import PoolUse, pools_in_use
from worker.core.rows.rows import BINDINGS, LEASES, RowKey
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import Inventory
from worker.ports import RouterSessions
from worker.store.store import Store

_LONGEST: Final = 160
"""Characters of a field that are kept; a page of 50 rows stays below 100 kB."""
_LONGEST_LINE: Final = 300
"""Characters of a line of the plan."""

_SHOWN: Final = (LEASES, BINDINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReading:
    """What was found, or what is probable because the router could not be read.

    Attributes:
        at_ms: when, by Redis's clock; 0: nothing was tried.
        error: why the router was not read: cause, message and maybe advice; empty: it was read.
        identity: the router's name of itself, its version and serial number.
        summary: how much there is, in one line.
        lines: of the plan.
        drift: what was changed by hand, as in `leasewire drift --json`.
        leases: the lease table, as in `leasewire routers leases --json`.
        pools: how much of each pool is used; None: not known.
        missing: how many of our rows are not there.
        expected: how many should be there.
        of_others: services for which nothing was written yet, and that have other rows there.
        to_reconcile: services of which something is put right by `reconcile`.
        to_rebuild: services for which something would be written.
        drift_digest: of what `reconcile` would put right.
        plan_digest: of what `rebuild` would write.
    """

    at_ms: int = 0
    error: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    lines: Sequence[PlanLine] = ()
    drift: Sequence[Mapping[str, Any]] = ()
    leases: Sequence[Mapping[str, Any]] = ()
    pools: Sequence[PoolUse] | None = None
    missing: int = 0
    expected: int = 0
    of_others: int = 0
    to_reconcile: Sequence[str] = ()
    to_rebuild: Sequence[str] = ()
    drift_digest: str = ""
    plan_digest: str = ""

    @property
    def size(self) -> int:
        """How many lines and rows it holds."""
        return len(self.lines) + len(self.drift) + len(self.leases)


def read_now(
    store: Store, inventory: Inventory, sessions: RouterSessions, router: str, *, even_if_away: bool
) -> RouterReading:
    """Read a router; of one that does not answer, plan by what was last written to it.

    `even_if_away`: try also if workers cannot reach it, or it refuses their login.
    """
    state = store.views.state(router)
    if _is_away(state) and not even_if_away:
        cause = state.cause or state.state
        return _from_store(
            store, inventory, router, {"cause": cause, "message": clean(state.message)}
        )
    try:
        with closing(sessions.open(router)) as session:
            read = read_router(store, inventory, session, router, store.fleet.serials().get(router))
            pools = session.read_pools(lambda: None)
            identity = {
                "identity": clean(session.identity),
                "version": clean(session.version),
                "serial": clean(session.serial),
            }
    except (RouterUnreachable, RouterBlocked) as error:
        return _from_store(store, inventory, router, _why(router, error))
    installation = inventory.routers[router].policy.installation
    rows: list[LeaseRow] = [*read.leases, *read.bindings]
    return RouterReading(
        at_ms=store.records.now_ms(),
        identity=identity,
        drift=_short(drift_document(router, read)["drift"]),
        leases=_short(lease_documents(store, router, rows, installation, _owners(read))),
        pools=None if pools is None else list(pools_in_use(pools)),
        missing=len(read.row_owners.gone),
        expected=read.row_owners.expected,
        of_others=len(read.row_owners.of_others),
        to_reconcile=to_reconcile(read),
        to_rebuild=to_rebuild(read),
        drift_digest=drift_digest(read, identity["serial"]),
        plan_digest=plan_digest(read, identity["serial"]),
        **_plan(router, read),
    )


def _is_away(state: RouterState) -> bool:
    """Whether a read would probably fail, or be another login that the router counts."""
    unreachable = state.state == "unreachable" and state.cause != TAKES_NO_WRITES
    return unreachable or state.cause == LOGIN_REFUSED


def _from_store(
    store: Store, inventory: Inventory, router: str, error: Mapping[str, str]
) -> RouterReading:
    last = LastWritten(store, router, inventory.routers[router].policy)
    read = read_fully(store, last, router, last.policy)
    return RouterReading(at_ms=store.records.now_ms(), error=error, **_plan(router, read))


def _owners(read: FullRead) -> dict[RowKey, Owner]:
    """The owners of orphans, and of rows of ours that lost our tag."""
    owners = {
        orphan.row.key: Owner("orphan", orphan.service_id)
        for orphan in read.row_owners.orphans
        if orphan.row.menu in _SHOWN
    }
    writes = [op for op in read.plan.operations if op.menu in _SHOWN]
    dynamic = {RowKey(op.menu, op.row_id) for op in writes if isinstance(op, MakeStatic)}
    return owners | {
        key: Owner("ours", op.service_id)
        for op in writes
        if isinstance(op, Set) and "comment" in op.fields
        if (key := RowKey(op.menu, op.row_id)) not in dynamic
    }


def _why(router: str, error: ReadFailure) -> Mapping[str, str]:
    why: Mapping[str, str] = error_document(router, error)["error"]
    return {name: clean(text) for name, text in why.items()}


def _plan(router: str, read: FullRead) -> dict[str, Any]:
    document = plan_document(router, read)
    lines = (
        line._replace(text=shortened(line.text, _LONGEST_LINE)) for line in plan_lines(document)
    )
    return {"summary": plan_summary(document), "lines": list(lines)}


def _short(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with texts of bounded length: comments on routers have none."""
    return [
        {
            name: shortened(value, _LONGEST) if isinstance(value, str) else value
            for name, value in row.items()
        }
        for row in rows
    ]
