"""`leasewire brake`: losses held for approval, as they are unusually many."""

from typing import Annotated, Final

import typer

from leasewire.answer import Answer, App, Fields, Part, TextTable, bad_input, cell, counted, fail
from leasewire.context import ActorOption, Context
from worker.admin import approvals
from worker.admin.announcements import announcement_document, check_scope, end_ms
from worker.admin.approvals import Approval, Decision
from worker.admin.documents import approval_document, approval_heading
from worker.errors import NotPossible
from worker.store.brake import Announcement

_SHOWN: Final = 10

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As in `brake list`.")]
DigestOption = Annotated[
    str, typer.Option(help="Digest from `brake list`: nothing happens if the list has changed.")
]
ReasonOption = Annotated[str, typer.Option(help="Why, for colleagues.")]

app = App("Losses held for approval because unusually many services would lose their entries.")


@app.command("list")
def list_(
    context: Context,
    approval_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Show all services of this one.")
    ] = None,
) -> Answer:
    """List what is held for approval, and what was announced.

    The brake has a limit for each source and each router. approve and reject need the digest.

    Example: leasewire brake list 3f9a1c20
    """
    found = [
        approval
        for approval in approvals.approvals(context.store, context.inventory.policies)
        if approval_id in (None, approval.id)
    ]
    if approval_id is not None and not found:
        fail(f"Nothing is held under {approval_id}; see `leasewire brake list`.")
    now_ms = context.store.records.now_ms()
    announced = [announcement_document(entry) for entry in context.store.brake.announced(now_ms)]
    text: list[Part] = [] if found else ["Nothing is held."]
    for approval in found:
        text += _text(approval, show_all=approval_id is not None)
    if approval_id is None:
        columns = "scope, name, services, used, until, by, reason"
        text.append(TextTable(announced, columns, title="\nAnnounced, and not held:"))
    documents = [approval_document(approval) for approval in found]
    return Answer({"approvals": documents, "announced": announced}, text)


@app.command()
def approve(
    context: Context,
    approval_id: IdArgument,
    *,
    digest: DigestOption,
    reason: ReasonOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Approve a list as it was shown: its services lose their entries now.

    Later losses are counted from zero again. Nothing happens if the list has changed.

    Example: leasewire brake approve 3f9a1c20 --digest 91b2c0d4e5f6
    """
    decision = approvals.approve(
        context.store, context.inventory.policies, approval_id, digest, actor, reason
    )
    approval = _decided(decision, approval_id)
    text = f"{counted(len(approval.work_items), 'service')} approved."
    return Answer(approval_heading(approval), [text])


@app.command()
def reject(
    context: Context,
    approval_id: IdArgument,
    *,
    digest: DigestOption,
    reason: ReasonOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Reject a list: each of its services keeps what its router has.

    Publishes a snapshot of each as an operator's. The next event of the BSS overrides it, so
    correct the BSS first: services that it cancels again are held again.

    Example: leasewire brake reject 3f9a1c20 --digest 91b2c0d4e5f6
    """
    with context.publisher() as publisher:
        decision = approvals.reject(
            context.store,
            context.inventory.policies,
            approval_id,
            digest,
            actor,
            publisher.publish,
            reason,
        )
    approval = _decided(decision, approval_id)
    restored = sum(held.kind is not None for held in approval.services)
    text = f"{counted(restored, 'service')} restored, with the entries that routers have."
    return Answer(approval_document(approval) | {"restored": restored}, [text])


@app.command()
def announce(  # noqa: PLR0913 - as many options
    context: Context,
    *,
    services: Annotated[
        int, typer.Option(help="How many may lose their entries; 0 withdraws.", min=0)
    ],
    source: Annotated[
        str | None, typer.Option(help="By events of this source.", show_default=False)
    ] = None,
    router: Annotated[str | None, typer.Option(help="On this router.", show_default=False)] = None,
    until: Annotated[
        str | None, typer.Option(help="Until this time: 2026-12-01T06:00:00Z.", show_default=False)
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="For this long: 2h.", show_default=False)
    ] = None,
    reason: ReasonOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Announce a dunning run or a migration: so many losses are neither counted nor held.

    A new announcement for the same source or router replaces the one before. What is already held
    stays held: approve it.

    Example: leasewire brake announce --source urn:isp:bss:example --services 400 --for 3h
    --reason "dunning run of November"
    """
    if (source is None) == (router is None):
        bad_input("Give --source or --router.")
    if services and (until is None) == (for_ is None):
        bad_input("Give --until or --for.")
    scope = f"source:{source}" if source is not None else f"router:{router}"
    now_ms = context.store.records.now_ms()
    try:
        check_scope(scope, context.inventory)
        until_ms = end_ms(now_ms, until, for_) if services else now_ms
    except NotPossible as error:
        bad_input(str(error))
    announced = Announcement(
        scope=scope,
        services=services,
        used=0,
        from_ms=now_ms,
        until_ms=until_ms,
        by=actor,
        reason=reason,
    )
    context.store.brake.announce(announced, now_ms)
    document = announcement_document(announced)
    if not services:
        return Answer(document, ["The announcement is withdrawn."])
    return Answer(
        document, [f"Until {cell(document['until'])} {services} services may lose their entries."]
    )


def _decided(decision: Decision, approval_id: str) -> Approval:
    approval = decision.approval
    if decision.result == "unknown" or approval is None:
        fail(f"Nothing is held under {approval_id}; see `leasewire brake list`.")
    if decision.result == "changed":
        fail(
            f"Nothing was done: the list has changed. Its digest is now {approval.digest}; "
            f"see `leasewire brake list {approval_id}`."
        )
    return approval


def _text(approval: Approval, *, show_all: bool) -> list[Part]:
    document = approval_document(approval)
    fields = {
        "id": approval.id,
        "limit_of": f"{document['scope']} {document['name']}",
        "since": document["since"],
        "services": f"{len(approval.services)}: {_kinds(approval)}",
        "digest": approval.digest,
    }
    services = TextTable(
        document["services"],
        "service, router, kind, mac, address, prefix, becomes, event",
        most=None if show_all else _SHOWN,
        rest=f"`leasewire brake list {approval.id}` lists them",
    )
    digest = f"{approval.id} --digest {approval.digest}"
    return [
        Fields(fields),
        "",
        services,
        f"Approve: leasewire brake approve {digest}",
        f"Reject:  leasewire brake reject {digest}\n",
    ]


def _kinds(approval: Approval) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in approval.kinds.items())
