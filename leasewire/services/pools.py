"""`leasewire pools`: the pools of the inventory, from which Leasewire assigns addresses."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, App, ApplyOption, Exit, Fields, Part, TextTable, fail
from leasewire.context import ActorOption, Context
from worker.admin.json_fields import utc_time
from worker.admin.pool_documents import in_quarantine, pool_document, pool_documents, pool_named

app = App("Pools of the inventory, from which Leasewire assigns addresses and prefixes.")

_NONE: Final = "No pools: `[pools.NAME]` in the inventory makes one."
_DAYS: Final = 14
"""Days of samples in the text; the JSON has all."""
_HEAD: Final = (
    *("pool", "kind", "known_as", "routers", "ranges", "exclude", "prefix_length", "quarantine_s"),
    *("size", "given", "quarantine", "free", "waiting", "used_percent", "days_left"),
)
PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="Name in the inventory.")]


@app.command("list")
def list_(context: Context) -> Answer:
    """List pools: how much is used, in quarantine and free, and how many services wait.

    The days left are until a pool is full, at the rate of the last weeks. From 90 % on there is an
    alert, assigned-pool-nearly-full.

    Example: leasewire pools list
    """
    pools = pool_documents(context.store, context.inventory.pools)
    columns = (
        "pool, kind, known as=known_as, routers, size, given, quarantine, free, waiting, "
        "used %=used_percent, days left=days_left"
    )
    return Answer({"pools": pools}, [TextTable(pools, columns, _NONE)])


@app.command()
def show(
    context: Context,
    pool: PoolArgument,
    *,
    values: Annotated[
        int, typer.Option(help="So many values that are not free.", min=0, max=1_000_000)
    ] = 20,
    skip: Annotated[int, typer.Option(help="Skip so many of them.", min=0)] = 0,
) -> Answer:
    """Show a pool: its ranges, who waits, how it was used, and which service has which value.

    The values of services come first, then those in quarantine by its end. States: given; leaving
    (given back, but its row may still be on a router); quarantine; foreign-row (a row on a router
    that is not ours has it).

    Examples: leasewire pools show home; leasewire pools show home --values 100000 --json
    """
    found = pool_named(context.inventory.pools, pool)
    document = pool_document(context.store, found, skip, values)
    return Answer(document, _text(document))


def _text(document: dict[str, Any]) -> Iterator[Part]:
    yield Fields({name.replace("_", " "): document.get(name) for name in _HEAD})
    yield ""
    yield TextTable(document["waiting_services"], "waiting service=service, since")
    yield TextTable(
        _by_day(document["samples"])[-_DAYS:], "day, most given=given, quarantine, waiting"
    )
    yield TextTable(document["values"], "value, state, service, until", "All values are free.")
    if document["more"]:
        yield "There are more: see --values and --skip."


def _by_day(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The highest figures of each day."""
    days: dict[str, dict[str, Any]] = {}
    for sample in samples:
        day = days.setdefault(sample["at"][:10], {"day": sample["at"][:10]})
        for name in ("given", "quarantine", "waiting"):
            day[name] = max(day.get(name, 0), sample[name])
    return list(days.values())


@app.command()
def free(
    context: Context,
    pool: PoolArgument,
    value: Annotated[str, typer.Argument(metavar="IP|PREFIX", help="As `pools show` has it.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """End the quarantine of a value before its time: any service may get it then.

    Do so when you know that no device uses it any more. A value that a service has is freed by an
    event of that service.

    Example: leasewire pools free home 100.64.0.10 --apply
    """
    store, found = context.store, pool_named(context.inventory.pools, pool)
    held = in_quarantine(store, found, value)
    if held is None:
        document = {"pool": pool, "value": value, "freed": False}
        return Answer(document, [f"{value} of pool {pool} is free already."])
    name, until = held.value, utc_time(held.until_ms)
    document = {"pool": pool, "value": name, "service": held.service, "until": until}
    if not apply:
        text = f"{name} of pool {pool} is in quarantine until {until}."
        return Answer(
            document | {"freed": False}, [text, "Run with --apply to end that."], Exit.CHANGES
        )
    if not store.pools.free(name, pool, actor):
        fail("Nothing was changed: it just changed. Try again.")
    return Answer(document | {"freed": True}, [f"Done: any service may get {name} now."])
