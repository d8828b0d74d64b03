"""`leasewire routers manage|rebuild`: let workers write a whole plan to a router."""

from leasewire.answer import Answer, ApplyOption, Exit
from leasewire.context import ActorOption, Context, RouterArgument
from leasewire.routers.plan import exit_code, is_to_write, plan_text, read
from worker.admin.plan_documents import plan_document
from worker.admin.router_actions import obstacle, rebuild, to_rebuild
from worker.admin.router_reads import errors_of
from worker.convergence.full_read import FullRead


def manage_command(
    context: Context,
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Let workers write to a router that was only observed so far.

    Remove `mode = "observe"` from the inventory and restart the workers first: they still write
    nothing until this command. Shows the whole plan; with --apply workers write it. Exit 0: done,
    or managed already; 4: only shown; 1 or 3: as `leasewire plan`.

    Example: leasewire routers manage tower-7
    """
    config = context.router(name)
    applied = context.store.fleet.policies().get(name)
    ready = config.policy.mode == "manage"
    if ready and (applied is None or not applied.observes):
        return Answer({"router": name, "mode": "manage"}, [f"{name}: already managed"])
    result = read(context, [name])[name]
    document = plan_document(name, result)
    code = exit_code([result], lambda _: True)
    message = 'First remove `mode = "observe"` from the inventory and restart the workers.'
    if apply and ready and code is Exit.CHANGES:
        queued = context.store.fleet.apply_policy(name, config.policy, actor)
        document["queued"] = queued
        message, code = f"{name}: managed; {queued} services queued", Exit.OK
    elif apply and code is Exit.CHANGES:
        code = Exit.BAD_INPUT
    elif ready:
        message = "Run with --apply to let workers write this."
    return Answer(document, [*plan_text(document), message], code, errors_of([result]))


def rebuild_command(
    context: Context,
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Let workers write the rows that are missing from a router.

    When many of our rows are missing, as after a reset, the router is blocked with the cause
    rebuild: it may be another router. Shows the whole plan; with --apply workers write it. The
    approval lasts six hours, or until the rows are there. A few missing rows need no approval.
    Exit 0: workers write it, or nothing is missing; 4: only shown; 1: approved, but workers cannot
    write now, with the reason; 1 or 3: as `leasewire plan`.

    Example: leasewire routers rebuild tower-7 --apply
    """
    config = context.router(name)
    result = read(context, [name])[name]
    code = exit_code([result], is_to_write)
    to_write = code is Exit.CHANGES
    document = plan_document(name, result) | {"approved": apply and to_write}
    text, errors = list(plan_text(document)), errors_of([result])
    if apply and to_write and isinstance(result, FullRead):
        services = to_rebuild(result)
        document["queued"] = len(services)
        reason = obstacle(context.store, config)
        rebuild(context.store, name, services, actor)
        if reason:
            code = Exit.FAILED
            document["not_written"] = reason
            errors.append(f"{name}: approved, but nothing is written yet: {reason}")
        else:
            code = Exit.OK
            text.append(f"{name}: approved; {len(services)} services queued")
    elif to_write:
        text.append("Run with --apply to let workers write this.")
    return Answer(document, text, code, errors)
