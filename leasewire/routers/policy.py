"""`leasewire routers apply|replace|pause|resume`: what people decide about routers."""

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, ApplyOption, Exit, Part, bad_input, clean, fail
from leasewire.context import ActorOption, Context, RouterArgument
from leasewire.routers.plan import exit_code, plan_text, read
from worker.admin.plan_documents import plan_document
from worker.admin.router_reads import errors_of
from worker.core.entry.wanted import with_rows_at
from worker.core.policy.policy import AppliedPolicy, Change
from worker.routeros.sessions import Sessions

_SAME = "The applied policies are those of the inventory."
_MENTIONS = re.compile('"user_manager"').search
"""Whether the text of an applied policy says on which router rows stand."""


def apply_command(
    context: Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME…", help="Names in the inventory. Default: all whose policy differs."
        ),
    ] = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Apply the inventory's policy to routers.

    Workers write nothing to a router whose policy in the inventory differs from the applied one.
    Shows which fields differ and what would be written, by service; with --apply the policy is
    applied and all services of the router are queued. The first policy of a router needs no apply.
    After `user_manager` has changed, rows move to the router that holds them now: first have the
    workers read the new inventory.
    Exit 0: nothing to do, or done; 4: something differs; 1 or 3: as `leasewire plan`.

    Example: leasewire routers apply tower-7
    """
    stored = context.store.fleet.policies()
    changes = _changes(context, stored, names)
    moving = _moving(context, stored, names)
    changes |= {name: [] for name in moving if name not in changes}
    if not changes:
        return Answer({"routers": []}, [_SAME])
    if apply:
        return _apply(context, changes, moving, actor)
    results = read(context, list(changes))
    text: list[Part] = []
    plans = {name: plan_document(name, result) for name, result in results.items()}
    for name, changed in changes.items():
        if name not in stored:
            text.append(f"{name}: no policy applied yet; the first worker to connect applies this")
        text += [f"{name}: {change.field}: {change.was} -> {change.now}" for change in changed]
        if name in moving:
            text.append(f"{name}: the rows of {len(moving[name])} services move to another router")
        text += plan_text(plans[name])
    documents = [_document(name, changes[name], moving) | plan for name, plan in plans.items()]
    return Answer(
        {"routers": documents},
        text,
        exit_code(results.values(), lambda _: True),
        errors_of(results.values()),
    )


def _changes(
    context: Context, stored: dict[str, AppliedPolicy], names: list[str] | None
) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for name in names or context.inventory.routers:
        policy = context.router(name).policy
        before, now = stored.get(name), AppliedPolicy.of(policy)
        if before is None:
            if names:
                changes[name] = []
        elif before.observes and policy.mode != "observe":
            bad_input(
                f"{name}: was observed and is to be managed: `leasewire routers manage {name}`"
            )
        elif before.digest != now.digest:
            changes[name] = before.changes_to(now)
    return changes


def _moving(
    context: Context, stored: Mapping[str, AppliedPolicy], names: list[str] | None
) -> dict[str, list[str]]:
    """By router, its services whose rows stand on another router than the inventory says now."""
    policies, found = context.inventory.policies, defaultdict[str, list[str]](list)
    applied = (policy.fields for policy in stored.values())
    if names or any(p.user_manager for p in policies.values()) or any(map(_MENTIONS, applied)):
        for read in context.store.views.services():
            record = read.record
            if record.router is None or (names and record.router not in names):
                continue
            # What is placed nowhere is placed by its next event.
            if record.placements and with_rows_at(record, policies).rows_at != record.rows_at:
                found[record.router].append(record.service_id)
    return dict(found)


def _apply(
    context: Context, changes: dict[str, list[Change]], moving: dict[str, list[str]], actor: str
) -> Answer:
    documents, text = [], []
    for name, changed in changes.items():
        queued = context.store.fleet.apply_policy(name, context.router(name).policy, actor)
        context.store.schedule.look_again(moving.get(name, []))
        documents.append(_document(name, changed, moving) | {"queued": queued})
        text.append(f"{name}: applied; {queued} services queued")
        if name in moving:
            text.append(f"{name}: the rows of {len(moving[name])} services are moving")
    return Answer({"routers": documents}, text)


def _document(name: str, changes: list[Change], moving: Mapping[str, list[str]]) -> dict[str, Any]:
    document = {"router": name, "changes": [change._asdict() for change in changes]}
    return document | ({"moving": len(moving[name])} if name in moving else {})


def replace_command(
    context: Context,
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Confirm that a router's hardware was replaced or reset: all its services are written again.

    Reads the serial number (or system id) of the router that answers now; with --apply it is bound
    to the name in place of the former one.

    Example: leasewire routers replace tower-7 --apply
    """
    context.router(name)
    store = context.store
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        serial, identity = session.serial, session.identity
    if not serial:
        fail(f"Router {name} reports neither a serial number nor a system id.")
    bound = store.fleet.serials().get(name, "none")
    same = " (unchanged: it was reset)" if bound == serial else ""
    text = f"{name}: serial {clean(bound)} -> {clean(serial)}{same}, identity {clean(identity)}"
    document = {"router": name, "was": bound, "serial": serial, "applied": apply}
    if not apply:
        services = store.views.router(name).services
        hint = f"Run with --apply to bind it; {services} services will be queued."
        return Answer(document, [text, hint], Exit.CHANGES)
    # The rows of a replaced router are missing: approve that they are written again.
    store.full_reads.approve(name, None, store.records.now_ms())
    queued = store.fleet.replace(name, serial, actor)
    if isinstance(queued, tuple):
        fail(f"This is router {', '.join(queued)}: its serial number is bound to that name.")
    return Answer(document, [text, f"{name}: bound; {queued} services queued"])


def pause_command(
    context: Context,
    name: RouterArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; `routers list` shows it.")],
    actor: ActorOption = "",
) -> Answer:
    """Pause a router: no worker writes to it until `routers resume`; its work waits.

    Example: leasewire routers pause tower-7 --reason "firmware upgrade"
    """
    context.router(name)
    left_ms = context.store.fleet.pause(name, reason, actor)
    ends = f"; the current pass ends within {left_ms / 1000:.0f} s" if left_ms else ""
    return Answer({"router": name, "paused": True, "reason": reason}, [f"{name}: paused{ends}"])


def resume_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in `routers list`.")],
    *,
    actor: ActorOption = "",
) -> Answer:
    """Resume a paused router: workers write to it again.

    Example: leasewire routers resume tower-7
    """
    if not Context().store.fleet.resume(name, actor):
        fail(f"Router {name} is not paused.")
    return Answer({"router": name, "paused": False}, [f"{name}: resumed"])
