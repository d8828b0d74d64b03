"""`leasewire claims`: who holds which MAC, address or prefix on a router, and who waits for it."""

from contextlib import suppress
from typing import Annotated, Final

import typer

from contracts.errors import ContractViolation
from contracts.values import Ipv4, Mac48
from leasewire.answer import Answer, App, ApplyOption, Exit, TextTable, bad_input, fail
from leasewire.context import ActorOption, Context
from worker.core.entry.entry import Claim, Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.rows.prefixes import ClaimKeys, claim_text, prefix_key
from worker.core.rows.rows import OPTION_82, scopes_meet
from worker.store.claims import HeldClaim

app = App("Who holds a MAC, an address or a prefix on a router, and who waits for it.")
_NAME: Final = "name:"
_IDS: Final = f"{OPTION_82}:"
KeyArgument = Annotated[
    str, typer.Argument(metavar=f"MAC|IP|PREFIX|{_NAME}LOGIN|{_IDS}CIRCUIT+REMOTE")
]


@app.command("list")
def list_(
    context: Context,
    *,
    router: Annotated[str | None, typer.Option(help="Only this router.")] = None,
    waited_for: Annotated[
        bool, typer.Option("--waited-for", help="Only those that a service waits for.")
    ] = False,
) -> Answer:
    """List claims: which service holds what on which router.

    A vacating claim is kept only until the old row of its service is removed.

    Example: leasewire claims list --router tower-7 --waited-for
    """
    names = [router] if router else sorted(context.inventory.routers)
    claims = [claim for name in names for claim in context.store.claims.at(name)]
    if router and not claims:
        context.router(router)
    return _answer([claim for claim in claims if claim.waiters or not waited_for])


@app.command()
def show(context: Context, key: KeyArgument) -> Answer:
    """Show who holds a MAC, an address or a prefix, on every router.

    Of a prefix it shows all that overlap it: the one that it lies in, and those that lie in it.

    Example: leasewire claims show 198.51.100.10
    """
    wanted, names = [_claim_key(key)], sorted(context.inventory.routers)
    return _answer([claim for name in names for claim in context.store.claims.at(name, wanted)])


@app.command()
def move(  # noqa: PLR0913 - as many options
    context: Context,
    key: KeyArgument,
    *,
    router: Annotated[str, typer.Option(help="On which router.")],
    holder: Annotated[str, typer.Option("--from", help="The service that gives it up.")],
    to: Annotated[str, typer.Option("--to", help="The service that gets it.")],
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Move a claim to the service that waits for it; its former holder then waits for it.

    The former holder's device has no address until one of the two services wants another one, so
    correct the BSS too.

    Example: leasewire claims move 198.51.100.10 --router tower-7 --from SVC-1 --to SVC-2 --apply
    """
    store, name = context.store, _claim_key(key)
    policy = context.router(router).policy
    records = store.records.read([holder, to])
    entries = wanted_entries(records[to].record, {router: policy})
    wants = entries.get(router, Entry(to, None)).claims
    met = ClaimKeys([name])
    wanted = next((claim for claim in wants if any(met.met_by(claim.key))), None)
    if wanted is None:
        shown = claim_text(name)
        fail(f"Service {to} does not want {shown} on {router}: an event must ask for it first.")
    claim = _held(store.claims.at(router, [wanted.key]), holder, wanted)
    if claim is None:
        shown = claim_text(wanted.key)
        fail(f"Service {holder} does not hold {shown} on {router}; see `claims show {key}`.")
    before, after = records[holder].record.status, records[to].record.status
    text = f"{claim.text} on {router}: from {holder} ({before}) to {to} ({after})."
    document = {"claim": claim.text, "router": router, "from": holder, "to": to, "applied": apply}
    if not apply:
        return Answer(document, [text, "Run with --apply to move it."], Exit.CHANGES)
    moved = store.claims.move(claim, records[to], wants, by=actor, at_ms=store.records.now_ms())
    if moved.changed:
        fail("Nothing was changed: one of the services just changed. Try again.")
    if not moved.moved:
        others = ", ".join(
            f"{claim_text(what)} is held by {service}" for what, service in moved.refused
        )
        fail(f"Nothing was changed: {to} could not get all that it wants: {others}.")
    return Answer(document, [text, f"Done: {holder} waits for it now; both services are queued."])


def _held(claims: list[HeldClaim], holder: str, wanted: Claim) -> HeldClaim | None:
    for claim in claims:
        if claim.holder == holder and claim.is_held and scopes_meet(claim.scope, wanted.scope):
            return claim
    return None


def _claim_key(text: str) -> str:
    """A MAC, an address, a prefix, a name or ids of option 82 as the key of their claims."""
    if text.startswith((_NAME, _IDS)) and text not in (_NAME, _IDS):
        return text
    for kind, value in (("address", Ipv4), ("mac", Mac48)):
        with suppress(ValueError, ContractViolation):
            return f"{kind}:{value(text)}"
    with suppress(ValueError):
        return prefix_key(text)
    words = f"{_NAME}LOGIN or {_IDS}CIRCUIT+REMOTE"
    return bad_input(f"{text} is no MAC, no address, no IPv6 prefix and no {words}.")


def _answer(claims: list[HeldClaim]) -> Answer:
    documents = [
        {
            "router": claim.router,
            "claim": claim.text,
            "scope": claim.scope,
            "service": claim.holder,
            "state": "held" if claim.is_held else "vacating",
            "waiters": list(claim.waiters),
        }
        for claim in claims
    ]
    columns = "router, claim, scope, service, state, waited for by=waiters"
    return Answer({"claims": documents}, [TextTable(documents, columns, "No such claims.")])
