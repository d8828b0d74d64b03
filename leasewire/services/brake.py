"""`leasewire brake`: what is held because unusually many services would lose their entries."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NoReturn

import typer

from contracts.values import parse_time
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, local_time, print_fields, print_json, print_table
from worker.admin import approvals
from worker.admin.approvals import Approval, Decision
from worker.admin.documents import approval_document
from worker.admin.json_fields import utc_time, without_empty
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.normal import seconds
from worker.store.brake import Announcement

FAILED: Final = 1
BAD_INPUT: Final = 2
_SHOWN: Final = 10
_SHOW_ALL: Final = "leasewire brake list"

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `brake list` names it.")]
DigestOption = Annotated[
    str, typer.Option(help="Of the list that you were shown: another list is not touched.")
]

app = typer.Typer(
    no_args_is_help=True,
    help="What is held because unusually many services would lose their entries.",
)


@app.command("list")
def list_(
    approval_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="All services of this one.")
    ] = None,
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """List what the brake holds, what it is about, and what was announced to it.

    A limit is that of a source or of a router. Nothing is held without its digest, which approve
    and reject ask for.

    Example: leasewire brake list 3f9a1c20
    """
    context = Context(inventory)
    now_ms = context.store.records.now_ms()
    found = [
        each
        for each in approvals.approvals(context.store, policies_of(context))
        if approval_id in (None, each.id)
    ]
    if approval_id is not None and not found:
        _fail(f"Nothing is held under {approval_id}; see `{_SHOW_ALL}`.")
    announced = context.store.brake.announced(now_ms)
    if as_json:
        documents = [approval_document(each) for each in found]
        print_json({"approvals": documents, "announced": [_expected(each) for each in announced]})
        return
    for each in found:
        _print(each, all_of_it=approval_id is not None)
    if not found:
        typer.echo("Nothing is held.")
    if announced and approval_id is None:
        typer.echo("\nAnnounced, and not held:")
        columns = ("scope", "name", "services", "used", "until", "by", "reason")
        rows = ([_expected(each).get(column) for column in columns] for each in announced)
        print_table(columns, rows, "")


@app.command()
def approve(
    approval_id: IdArgument,
    *,
    digest: DigestOption,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Let a list through as it was shown: its services lose their entries now.

    What comes afterwards is counted anew. A list that has changed since is not let through.

    Example: leasewire brake approve 3f9a1c20 --digest 91b2c0d4e5f6
    """
    context = Context(inventory)
    decision = approvals.approve(
        context.store, policies_of(context), approval_id, digest, actor_of(actor)
    )
    scope = _decided(decision, approval_id)
    typer.echo(f"{len(scope.services)} services go on: {_kinds(scope)}.")


@app.command()
def reject(
    approval_id: IdArgument,
    *,
    digest: DigestOption,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Undo what a list says: each of its services is again as its router has it.

    Publishes a snapshot of each in an operator's name. The BSS's next word beats it, so mend the
    BSS first: what it cancels again counts, and is held, again.

    Example: leasewire brake reject 3f9a1c20 --digest 91b2c0d4e5f6
    """
    context = Context(inventory)
    with context.publisher() as publisher:
        decision = approvals.reject(
            context.store,
            policies_of(context),
            approval_id,
            digest,
            actor_of(actor),
            publisher.publish,
        )
    scope = _decided(decision, approval_id)
    restored = sum(held.kind is not None for held in scope.services)
    typer.echo(f"{restored} services are restored and keep their entries.")


@app.command()
def expect(  # noqa: PLR0913 - as many options
    *,
    services: Annotated[
        int, typer.Option(help="How many may lose their entries; 0 ends the announcement.", min=0)
    ],
    source: Annotated[
        str | None, typer.Option(help="By events of this source.", show_default=False)
    ] = None,
    router: Annotated[str | None, typer.Option(help="On this router.", show_default=False)] = None,
    until: Annotated[
        str | None, typer.Option(help="Until when, like 2026-12-01T06:00:00Z.", show_default=False)
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="Or for how long, like 2h.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who read it.")] = "",
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Announce a dunning run or a migration: so many services are neither counted nor held.

    A new announcement for the same source or router takes the place of the one before. What is
    held already is not let through by it: approve that.

    Example: leasewire brake expect --source urn:isp:bss:example --services 400 --for 3h
    --reason "dunning run of November"
    """
    context = Context(inventory)
    if (source is None) == (router is None):
        _fail("Say whose: --source or --router.", BAD_INPUT)
    if source is not None and source not in context.inventory.sources:
        _fail(f"There is no source {source} in the inventory.", BAD_INPUT)
    if router is not None and router not in context.inventory.routers:
        _fail(f"There is no router {router} in the inventory.", BAD_INPUT)
    now_ms = context.store.records.now_ms()
    announced = Announcement(
        scope=f"source:{source}" if source is not None else f"router:{router}",
        services=services,
        used=0,
        from_ms=now_ms,
        until_ms=_end(now_ms, until, for_) if services else now_ms,
        by=actor_of(actor),
        reason=reason,
    )
    context.store.brake.expect(announced, now_ms)
    if services:
        end = local_time(utc_time(announced.until_ms))
        typer.echo(f"Until {end} {services} services may lose their entries.")
    else:
        typer.echo("The announcement is withdrawn.")


def policies_of(context: Context) -> Mapping[str, RouterPolicy]:
    """The policies of the inventory, by router."""
    return {name: config.policy for name, config in context.inventory.routers.items()}


def _decided(done: Decision, approval_id: str) -> Approval:
    if done.result == "unknown" or done.approval is None:
        _fail(f"Nothing is held under {approval_id}; see `{_SHOW_ALL}`.")
    if done.result == "changed":
        _fail(
            f"Nothing was done: the list has changed. Its digest is now {done.approval.digest}; "
            f"see `{_SHOW_ALL} {approval_id}`."
        )
    return done.approval


def _end(now_ms: int, until: str | None, for_: str | None) -> int:
    if (until is None) == (for_ is None):
        _fail("Say how long: --until or --for.", BAD_INPUT)
    end_ms = now_ms + 1000 * (seconds(for_ or "") or 0)
    if until is not None:
        try:
            end_ms = round(parse_time(until).timestamp() * 1000)
        except ValueError as error:
            _fail(f"--until {until}: {error}", BAD_INPUT)
    elif end_ms == now_ms:
        _fail(f"--for {for_}: must be a time such as 2h or 90m.", BAD_INPUT)
    if end_ms <= now_ms:
        _fail(f"--until {until} is over already.", BAD_INPUT)
    return end_ms


def _expected(each: Announcement) -> dict[str, Any]:
    scope, _, name = each.scope.partition(":")
    return without_empty(
        {
            "scope": scope,
            "name": name,
            "services": each.services,
            "until": utc_time(each.until_ms),
            "by": each.by,
            "reason": each.reason,
        }
    ) | {"used": each.used}


def _print(scope: Approval, *, all_of_it: bool) -> None:
    document = approval_document(scope)
    print_fields(
        [
            ("scope", scope.id),
            ("limit of", f"{scope.scope} {scope.name}"),
            ("since", local_time(utc_time(scope.since_ms))),
            ("services", f"{len(scope.services)}: {_kinds(scope)}"),
            ("digest", scope.digest),
        ]
    )
    columns = ("service", "router", "kind", "mac", "address", "becomes", "event")
    shown: Sequence[dict[str, Any]] = document["services"]
    if not all_of_it:
        shown = shown[:_SHOWN]
    print_table(columns, ([each.get(name) for name in columns] for each in shown), "")
    if len(shown) < len(scope.services):
        more = len(scope.services) - len(shown)
        typer.echo(clean(f"… and {more} more: `{_SHOW_ALL} {scope.id}`"))
    typer.echo(
        f"Let them go: leasewire brake approve {scope.id} --digest {scope.digest}\n"
        f"Undo them:   leasewire brake reject {scope.id} --digest {scope.digest}\n"
    )


def _kinds(scope: Approval) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in scope.kinds.items())


def _fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
