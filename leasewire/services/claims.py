"""`leasewire claims`: who holds which MAC or address on a router, and who waits for it."""

from contextlib import suppress
from typing import Annotated, Any, Final, NoReturn

import typer

from contracts import ContractViolation
from contracts.values import Ipv4, Mac48
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, print_json, print_table
from worker.core.entry.entry import Claim, Entry, claims_of
from worker.core.entry.wanted import wanted_entries
from worker.core.rows.rows import scopes_meet
from worker.store.claims import HeldClaim

FAILED: Final = 1
BAD_INPUT: Final = 2

app = typer.Typer(no_args_is_help=True, help="Who holds a MAC or an address, and who waits for it.")
KeyArgument = Annotated[str, typer.Argument(metavar="MAC|IP")]


@app.command("list")
def list_(
    *,
    router: Annotated[str | None, typer.Option(help="Of this router alone.")] = None,
    waited_for: Annotated[
        bool, typer.Option("--waited-for", help="Only those that a service waits for.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """List claims: which service holds which MAC or address on which router.

    A vacating claim is no longer wanted by its holder; only its old row is left.

    Example: leasewire claims list --router tower-7 --waited-for
    """
    context = Context(inventory)
    names = [router] if router else sorted(context.inventory.routers)
    claims = [each for name in names for each in context.store.claims.at(name)]
    _print([each for each in claims if each.waiters or not waited_for], as_json=as_json)


@app.command()
def show(
    key: KeyArgument, *, as_json: JsonOption = False, inventory: InventoryOption = None
) -> None:
    """Show who holds a MAC or an address, on every router.

    Example: leasewire claims show 198.51.100.10
    """
    context = Context(inventory)
    found = [
        each
        for name in sorted(context.inventory.routers)
        for each in context.store.claims.at(name, [_claim_key(key)])
    ]
    _print(found, as_json=as_json)


@app.command()
def move(  # noqa: PLR0913 - as many options
    key: KeyArgument,
    *,
    router: Annotated[str, typer.Option(help="On which router.")],
    holder: Annotated[str, typer.Option("--from", help="The service that gives it up.")],
    to: Annotated[str, typer.Option("--to", help="The service that gets it.")],
    apply: ApplyOption = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Give a claim to the service that waits for it: its holder then waits for it in turn.

    The former holder's device is without its address until one of the two wants another one, so
    correct the BSS too. Without --apply nothing is changed.

    Example: leasewire claims move 198.51.100.10 --router tower-7 --from SVC-1 --to SVC-2 --apply
    """
    context = Context(inventory)
    store, name = context.store, _claim_key(key)
    config = context.inventory.routers.get(router)
    if config is None:
        _fail(f"There is no router {router} in the inventory.", BAD_INPUT)
    records = store.records.read([holder, to])
    entries = wanted_entries(records[to].record, {router: config.policy})
    wants = claims_of(entries.get(router, Entry(to, None)))
    wanted = next((claim for claim in wants if claim.key == name), None)
    if wanted is None:
        _fail(f"Service {to} wants no {name} on {router}: an event must ask for it first.")
    claim = _held(store.claims.at(router, [name]), holder, wanted)
    if claim is None:
        _fail(f"Service {holder} does not hold {name} on {router}; see `claims show {key}`.")
    before, after = records[holder].record.status, records[to].record.status
    typer.echo(f"{name} on {router}: from {holder} ({before}) to {to} ({after}).")
    if not apply:
        typer.echo("Nothing was changed: add --apply to do so.")
        end_preview(changes=True)
    moved = store.claims.move(
        claim, records[to], wants, by=actor_of(actor), at_ms=store.records.now_ms()
    )
    if moved.changed:
        _fail("Nothing was changed: something was said of them just now; look again.")
    if not moved.moved:
        others = ", ".join(f"{what} is held by {who}" for what, who in moved.refused)
        _fail(f"Nothing was changed: {to} could not have all that it wants: {others}.")
    typer.echo(f"Done: {holder} waits for it now, and both are looked at.")


def _held(claims: list[HeldClaim], holder: str, wanted: Claim) -> HeldClaim | None:
    for each in claims:
        if each.holder == holder and each.is_held and scopes_meet(each.scope, wanted.scope):
            return each
    return None


def _claim_key(text: str) -> str:
    """A MAC or an IPv4 address as the key of its claims."""
    for kind, value in (("address", Ipv4), ("mac", Mac48)):
        with suppress(ValueError, ContractViolation):
            return f"{kind}:{value(text)}"
    return _fail(f"{text} is neither a MAC nor an IPv4 address.", BAD_INPUT)


def _print(claims: list[HeldClaim], *, as_json: bool) -> None:
    documents: list[dict[str, Any]] = [
        {
            "router": each.router,
            "claim": each.key,
            "scope": each.scope,
            "service": each.holder,
            "strength": "held" if each.is_held else "vacating",
            "waiters": list(each.waiters),
        }
        for each in claims
    ]
    if as_json:
        print_json({"claims": documents})
        return
    columns = ("router", "claim", "scope", "service", "strength")
    print_table(
        (*columns, "waited for by"),
        ((*(each[c] for c in columns), ", ".join(each["waiters"])) for each in documents),
        "Nobody holds that.",
    )


def _fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
