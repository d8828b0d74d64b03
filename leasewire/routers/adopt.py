"""`leasewire adopt`: take over the rows of a router that was in use before Leasewire."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from contracts.names import QUEUE_BULK
from leasewire.answer import (
    Answer,
    ApplyOption,
    Exit,
    Line,
    Part,
    TextTable,
    bad_input,
    clean,
    fail,
)
from leasewire.context import ActorOption, Context, RouterArgument
from leasewire.given_files import as_file
from leasewire.progress import looks, progress_bar
from leasewire.routers.adopt_services import events_of_file, events_of_rows, folded
from leasewire.routers.at_router import at_router
from producers.transport import CompleteEvent
from worker.admin.adoption import Adopted, Adoption
from worker.convergence.full_read import read_bindings
from worker.core.full_read.adoption import SORTS, SortedRow
from worker.core.rows.bindings import mac_in_duid
from worker.core.rows.rows import DEVICE_FIELDS, BindingRow, Lease, device_field
from worker.routeros.sessions import Sessions

Choice = Literal["adopt", "skip"]
_TIMEOUT_S: Final = 120.0
_SHOWN: Final = 50


def adopt_command(  # noqa: PLR0913 - each is an option
    context: Context,
    name: RouterArgument,
    *,
    services: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The BSS's export: events as `publish` takes them, or a CSV table; - is standard "
            "input. Default: the services that are known.",
        ),
    ] = None,
    import_services: Annotated[
        bool,
        typer.Option("--import-services", help="Create a service for each foreign row."),
    ] = False,
    disabled: Annotated[
        Choice | None,
        typer.Option(help="What to do with disabled rows: adopt them, or skip them."),
    ] = None,
    apply: ApplyOption = False,
    show_all: Annotated[bool, typer.Option("--all", help="List every row.")] = False,
    actor: ActorOption = "",
) -> Answer:
    """Take over the static leases, or PPP secrets, of a router that was in use before Leasewire.

    Sorts each of them: ours (it has our tag), would adopt (a service has its MAC, its name or its
    address), conflict (a person must decide), foreign (of no service). Where a service has IPv6,
    static DHCPv6 bindings are sorted too, by their prefix and the MAC in their DUID. With --apply
    the events of the file, or of the rows, are published, and our tag is written into the comments
    of the rows to adopt; nothing else on the router changes. Start with `mode = "observe"` for the
    router in the inventory: then nothing else is written until `leasewire routers manage`. Exit 0:
    nothing to adopt, or done; 1: the router refused something; 2: --disabled is missing; 4:
    something to adopt; 3: the router or Redis cannot be reached.

    Examples: leasewire adopt tower-7 --services export.csv; leasewire adopt tower-7
    --import-services --apply
    """
    config = context.router(name)
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        policy, policies = config.policy.held_in(session.entries), context.inventory.policies
        adoption = Adoption(context.store, name, policy)
        with context.publisher() as publisher:
            events = []
            if services:
                with as_file(services, "stdin") as file:
                    events = events_of_file(file, publisher, actor)
            found = adoption.sort(session, folded(context.store, events, policies))
            if import_services:
                rows = [row for row in found if disabled == "adopt" or not row.row.disabled]
                bindings = read_bindings(session, lambda: None)
                events += events_of_rows(
                    rows, bindings, name, policy, publisher=publisher, actor=actor
                )
                found = adoption.sort(session, folded(context.store, events, policies))
    undecided = [row for row in found if row.sort == "adopt" and row.row.disabled]
    if disabled is not None:
        undecided = []
    if not apply:
        hint = ["Choose for disabled rows: --disabled adopt or --disabled skip."] * bool(undecided)
        adoptable = any(row.sort == "adopt" for row in found)
        code = Exit.CHANGES if adoptable else Exit.OK
        return _answer(name, found, None, code, hint, show_all=show_all)
    if undecided:
        bad_input(
            *(f"{row.service_id}: {clean(row.row.name)} is disabled" for row in undecided),
            "Choose --disabled adopt, or --disabled skip to leave them alone.",
        )
    published = _publish(context, name, events)
    with at_router(context, name) as (session, lock):
        found = adoption.sort(session)
        chosen = [
            row
            for row in found
            if row.sort == "adopt" and (disabled == "adopt" or not row.row.disabled)
        ]
        done = adoption.apply(session, lock, chosen, actor)
        if published and not done.tagged:
            context.store.audit.record(actor, "router.rows_adopted", name, f"{published} events")
        found = adoption.sort(session)
    code = Exit.FAILED if done.refused else Exit.OK
    return _answer(name, found, done, code, (), show_all=show_all)


def _publish(context: Context, router: str, events: list[CompleteEvent]) -> int:
    """Publish the events of this router's services, and wait until all are folded.

    Returns:
        How many.
    """
    here = {
        record.service_id
        for record in folded(context.store, events, context.inventory.policies)
        if record.row_router == router
    }
    ours = [event for event in events if _service(event) in here]
    if not ours:
        return 0
    with context.publisher() as publisher:
        publisher.write(ours, lane=QUEUE_BULK)
    keys = [event.key for event in ours]
    with progress_bar("folding", len(keys)) as advance:
        left = len(keys)
        for _ in looks(_TIMEOUT_S):
            waiting = len(context.store.views.journaled(keys))
            advance(left - waiting)
            left = waiting
            if not left:
                break
    if left:
        fail(
            f"{left} of {len(keys)} events still wait for a worker: no row was tagged. Start one "
            "(`leasewire up`, `leasewire worker`), and run this again."
        )
    return len(keys)


def _service(completed: CompleteEvent) -> str:
    return str(completed.event["subject"]).removeprefix("service/")


def _answer(  # noqa: PLR0913 - all of it is shown
    router: str,
    found: list[SortedRow],
    done: Adopted | None,
    code: Exit,
    hints: Sequence[str],
    *,
    show_all: bool,
) -> Answer:
    counts = Counter(row.sort for row in found)
    differing = sum(bool(row.differs) for row in found)
    document: dict[str, Any] = {
        "router": router,
        "counts": {sort: counts[sort] for sort in SORTS} | {"differing": differing},
        "rows": [_document(row) for row in found],
    }
    text: list[Part] = []
    errors = []
    if done is not None:
        document |= {"tagged": list(done.tagged), "refused": dict(done.refused)}
        text.append(f"{router}: {len(done.tagged)} rows adopted")
        errors = [f"{service}: refused: {message}" for service, message in done.refused]
    sorts = ", ".join(f"{counts[sort]} {name}" for sort, name in SORTS.items())
    more = f" ({differing} differ from the BSS)" if differing else ""
    text.append(Line(f"{router}: {sorts}{more}", bold=True))
    notable = [row for row in found if show_all or row.sort == "conflict" or row.differs]
    columns = "sort, service, address, mac, option-82, name, duid, iaid, server, differs, reason"
    most = None if show_all else _SHOWN
    text.append(TextTable(map(_row, notable), columns, most=most, rest="--all lists every row"))
    return Answer(document, [*text, *hints], code, errors)


def _row(found: SortedRow) -> dict[str, Any]:
    differs = "; ".join(f"{d.field}: {d.found or 'none'} -> {d.wanted}" for d in found.differs)
    return _document(found) | {"sort": SORTS[found.sort], "differs": differs}


def _document(found: SortedRow) -> dict[str, Any]:
    row = found.row
    return {
        "sort": found.sort,
        "service": found.service_id or None,
        "reason": found.reason or None,
        **_client(row),
        "server": row.server,
        "comment": clean(row.comment),
        "disabled": row.disabled,
        "differs": [difference._asdict() for difference in found.differs],
    }


def _client(row: Lease | BindingRow) -> dict[str, str]:
    """What a row gives, and to whom."""
    if isinstance(row, Lease):
        return {"address": row.address, DEVICE_FIELDS[device_field(row.fields)]: row.device}
    duid, iaid = row.client
    return {"address": row.address, "mac": mac_in_duid(duid), "duid": clean(duid), "iaid": iaid}
