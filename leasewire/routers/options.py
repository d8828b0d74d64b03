"""`leasewire options collect`: remove our DHCP option rows that nothing uses any more."""

from contextlib import closing

from leasewire.answer import Answer, App, ApplyOption, Exit
from leasewire.context import ActorOption, Context, RouterArgument
from leasewire.routers.at_router import at_router
from worker.convergence.option_collection import Collected, collect_options, find_unnamed
from worker.routeros.sessions import Sessions

app = App("DHCP options that services share.")


@app.command()
def collect(
    context: Context,
    router: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Remove our DHCP option rows that no lease, network or option set uses.

    A row is removed when two runs with --apply in succession found it unused. Rows with other
    names, and of other installations, stay. Exit 0: done, or nothing to do; 4: something to do;
    1: the router refused something.

    Example: leasewire options collect tower-7 --apply
    """
    context.router(router)
    installation = context.inventory.installation
    if not apply:
        with closing(Sessions(context.inventory, context.settings).open(router)) as session:
            found = find_unnamed(context.store, session, router, installation)
        removable = [row.option for row in found.collect]
        unused = sorted(found.unnamed - set(removable))
        code = Exit.CHANGES if found.unnamed else Exit.OK
        return _answer(Collected(removable, (), unused), "would_remove", code)
    with at_router(context, router) as (session, lock):
        done = collect_options(context.store, session, lock, installation, actor)
    if done.removed:
        detail = ", ".join(done.removed)
        context.store.audit.record(actor, "router.options_removed", router, detail)
    return _answer(done, "removed", Exit.FAILED if done.refused else Exit.OK)


def _answer(done: Collected, word: str, code: Exit) -> Answer:
    text = [f"{name}: {word.replace('_', ' ')}" for name in done.removed]
    text += [f"{name}: unused; removed by the next run if still unused" for name in done.unnamed]
    return Answer(
        {word: list(done.removed), "refused": dict(done.refused), "unused": list(done.unnamed)},
        text or ([] if done.refused else ["No unused option rows."]),
        code,
        [f"{name}: refused: {message}" for name, message in done.refused],
    )
