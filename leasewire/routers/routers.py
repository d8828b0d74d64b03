"""`leasewire routers`: how the routers are doing, and what people say of them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, local_time, print_json, print_table
from leasewire.routers import mode, names, policy, setup
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.alerts import AWAY
from worker.core.policy.applied_policy import AppliedPolicy
from worker.core.policy.circuit import NEW, RouterState
from worker.core.policy.router_check import CheckLine
from worker.core.rows.ownership import parse_tag
from worker.core.rows.rows import Lease
from worker.errors import StoreUnavailable
from worker.inventory import RouterConfig
from worker.routeros.check import check_router
from worker.routeros.sessions import Sessions
from worker.store.router_admin import Pause
from worker.store.views import RouterView

app = typer.Typer(
    no_args_is_help=True, help="Routers: their state, their backlog, a check; policies and names."
)
app.command("setup")(setup.setup_command)
app.command("apply")(policy.apply_command)
app.command("manage")(mode.manage_command)
app.command("rebuild")(mode.rebuild_command)
app.command("replace")(policy.replace_command)
app.command("hold")(policy.pause_command)
app.command("release")(policy.resume_command)
app.command("actions")(policy.actions_command)
app.command("retire")(names.retire_command)
app.command("rename")(names.rename_command)

_SIGNS: Final = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@app.command("list")
def list_(*, as_json: JsonOption = False, inventory: InventoryOption = None) -> None:
    """List the routers of the inventory.

    State is up, unreachable (tried again by itself), blocked (a person must act; `routers check`
    says what to do), policy-changed (`routers apply`) or held (`routers release`); probing: it is
    being tried right now; draining: up again, what waited is being written; observed: up, and
    nothing is written to it, as its `mode = "observe"` says; new: nobody reached it yet. Backlog
    counts services to be looked at, oldest says since when the first of them is due, waiting counts
    those that cannot go on.

    Example: leasewire routers list
    """
    context = Context(inventory)
    configs = context.inventory.routers  # its mistakes are told even where Redis is away
    views, fleet = context.store.views, context.store.fleet
    held, applied, contacted = fleet.paused(), fleet.policies(), fleet.contacted()
    routers = [
        document_of(
            config,
            _reached(context, views.router(name), contacted),
            held.get(name),
            applied.get(name),
        )
        for name, config in configs.items()
    ]
    if as_json:
        print_json({"routers": routers})
        return
    print_table(
        (
            *("router", "host", "state", "since", "services", "backlog", "oldest", "waiting"),
            *("next attempt", "last words"),
        ),
        (
            (
                *(each[name] for name in ("router", "host")),
                _shown_state(each),
                local_time(each.get("since")),
                *(each[name] for name in ("services", "backlog")),
                local_time(each.get("oldest_due")),
                each["waiting"],
                local_time(each.get("next_try_at")),
                each.get("message"),
            )
            for each in routers
        ),
        "The inventory names no router.",
    )


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in the inventory.")],
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Look whether a router can be worked with, and say what to do where not; writes nothing.

    Also what our user may do too little or too much, its clock, sessions, DHCP servers, networks,
    what overlaps, and how long a change may take to reach devices.

    Shows the fingerprint of a certificate that is not pinned yet, and sends no password then.
    The last lines say why workers write nothing to it, where they do not: blocked, held, another
    policy. Exit 0: all well; 1: something fails; 3: the router cannot be reached.

    Example: leasewire routers check tower-7
    """
    context = Context(inventory)
    config = context.unpinned_inventory.routers.get(name)
    if config is None:
        typer.echo(f"There is no router {name} in {context.settings.inventory}.", err=True)
        raise typer.Exit(2)
    now = datetime.now(UTC)  # noqa: TID251 - this is the composition root
    lines = [*check_router(config, context.settings, now), *_as_workers_see_it(context, name)]
    if as_json:
        print_json({"router": name, "checks": [without_empty(each._asdict()) for each in lines]})
    else:
        for each in lines:
            sign, colour = _SIGNS[each.level]
            typer.secho(f"{sign} {each.what}: {clean(each.detail)}", fg=colour)
            if each.advice:
                typer.echo(f"  {each.advice}.")
    failed = [each.what for each in lines if each.level == "fail"]
    if failed:
        raise typer.Exit(3 if failed == ["connection"] else 1)


def _as_workers_see_it(context: Context, name: str) -> Iterator[CheckLine]:
    """Why they write nothing to it, which the router itself cannot tell."""
    try:
        store = context.store
        state = store.views.router(name).state
        notified = [
            each for each in store.alerts.open() if each.router == name and each.kind in AWAY
        ]
    except StoreUnavailable as error:
        message = f"Redis does not say what the workers know of it: {error}"
        yield CheckLine("warn", "workers", message, "`leasewire status` says more")
        return
    match state.state:
        case "blocked":
            texts = (each.text.partition(f"{state.message}. ")[2] for each in notified)
            advice = next((text for text in texts if text), "see `leasewire alerts list`")
            yield CheckLine("fail", state.cause, state.message, advice.removesuffix("."))
        case "held":
            advice = f"`leasewire routers release {name}` lets workers write to it again"
            yield CheckLine("fail", "held", state.message, advice)
        case "policy-changed":
            advice = f"`leasewire routers apply {name}` shows what the new policy changes"
            yield CheckLine("fail", "policy-changed", state.message, advice)
        case "unreachable":
            message = f"it was out of reach since {local_time(utc_time(state.since_ms))}"
            again = local_time(utc_time(state.next_at_ms))
            advice = f"It is tried again by itself, next {again}"
            yield CheckLine("warn", "workers", f"{message}: {state.message}", advice)
        case "up" | "new" | "unknown":
            pass


@app.command()
def leases(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in the inventory.")],
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show a router's lease table as it is now, and whose each row is; writes nothing.

    ours (with the service), static (made by somebody else: never touched), dynamic, radius.

    Example: leasewire routers leases tower-7
    """
    context = Context(inventory)
    if name not in context.inventory.routers:
        typer.echo(f"There is no router {name} in {context.settings.inventory}.", err=True)
        raise typer.Exit(2)
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        rows = session.read_leases(None, lambda: None)
    installation = context.inventory.installation
    found = [_lease(row, installation) for row in sorted(rows, key=_by_address)]
    if as_json:
        print_json({"router": name, "leases": found})
        return
    columns = ("address", "mac", "server", "block", "whose", "service", "comment")
    print_table(columns, ([each.get(column) for column in columns] for each in found), "No leases.")


def _by_address(row: Lease) -> tuple[bool, list[int] | str]:
    parts = row.address.split(".")
    numbers = all(part.isdecimal() for part in parts)
    return (False, [int(part) for part in parts]) if numbers else (True, row.address)


def _lease(row: Lease, installation: str) -> dict[str, Any]:
    tag = parse_tag(row.comment)
    ours = tag is not None and tag.installation == installation and not row.dynamic
    kind = "radius" if row.radius else "dynamic" if row.dynamic else "static"
    return without_empty(
        {
            "address": row.address,
            "mac": row.mac,
            "server": row.server,
            "block": row.fields.get("block-access"),
            "whose": "ours" if ours else kind,
            "service": tag.service_id if tag is not None and ours else None,
            "comment": row.comment.encode("utf-8", "backslashreplace").decode(),
            "disabled": row.disabled or None,
        }
    )


def _reached(context: Context, view: RouterView, contacted: frozenset[str]) -> RouterView:
    """No state is kept of a router that is up, nor of one that nobody reached."""
    reached = view.name in contacted or context.store.memory.knows_setup(view.name)
    return view if reached or view.state != RouterState() else view._replace(state=NEW)


def _drains(state: RouterState) -> bool:
    return state.state == "up" and bool(state.away_since_ms)


def _shown_state(router: dict[str, Any]) -> str:
    if router["circuit"] == "half-open":
        return "probing"
    if router["state"] == "up" and "mode" in router:
        return "observed"
    return "draining" if "drained" in router else str(router["state"])


def document_of(
    config: RouterConfig, view: RouterView, held: Pause | None, applied: AppliedPolicy | None
) -> dict[str, Any]:
    """A router's line for programs."""
    differs = applied is not None and applied.digest != AppliedPolicy.of(config.policy).digest
    return without_empty(
        {
            "router": config.name,
            "host": f"{config.host}:{config.port}",
            "transport": config.transport,
            "state": view.state.state,
            "mode": config.policy.mode if config.policy.mode == "observe" else None,
            "circuit": view.state.circuit(busy=view.held),
            "cause": view.state.cause,
            "held_by": held.by if held else None,
            "policy": "differs from the applied one" if differs else None,
            "since": utc_time(view.state.since_ms),
            "next_try_at": utc_time(view.state.next_at_ms),
            "attempts": view.state.attempts or None,
            "away_since": utc_time(view.state.away_since_ms),
            "drained": view.state.drained if _drains(view.state) else None,
            "services": view.services,
            "backlog": view.queued,
            "oldest_due": utc_time(view.oldest_ms),
            "waiting": view.waiting,
            "message": view.state.message,
        }
    )
