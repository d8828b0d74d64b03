"""`leasewire routers`: the state of the routers, a check, and what people decide about them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

from leasewire.answer import Answer, App, Exit, Line, Part, clean, local_time
from leasewire.context import Context, InventoryOption, RouterArgument
from leasewire.routers import mode, names, policy, setup
from leasewire.tables import TextTable
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.alerts import AWAY
from worker.core.policy.circuit import NEW, RouterState
from worker.core.policy.policy import AppliedPolicy
from worker.core.policy.router_check import CheckLine
from worker.core.rows.rows import Lease, parse_tag
from worker.errors import StoreUnavailable
from worker.inventory import RouterConfig
from worker.routeros.check import check_router
from worker.routeros.sessions import Sessions
from worker.store.router_admin import Pause
from worker.store.views import RouterView

app = App("Routers: their state, a check, set-up, policies, pauses and names.")

_SIGNS: Final = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@app.command("list")
def list_(*, inventory: InventoryOption = None) -> Answer:
    """List the routers of the inventory.

    State is up, unreachable (retried automatically), blocked (a person must act: `routers check`),
    policy-changed (`routers apply`), paused (`routers resume`), probing (being retried now),
    draining (up again, its backlog is being written), observed (up, and never written to, as its
    `mode = "observe"` says) or new (never reached). Backlog counts services to be checked, oldest
    shows since when the first of them is due, waiting counts those that cannot proceed.

    Example: leasewire routers list
    """
    context = Context(inventory)
    configs = context.inventory.routers  # its mistakes are reported even if Redis is down
    views, fleet = context.store.views, context.store.fleet
    paused, applied, contacted = fleet.paused(), fleet.policies(), fleet.contacted()
    routers = [
        _document(
            config,
            _reached(context, views.router(name), contacted),
            paused.get(name),
            applied.get(name),
        )
        for name, config in configs.items()
    ]
    columns = (
        "router, state=shown, since, services, backlog, oldest=oldest_due, waiting, "
        "next try=next_try_at, +host, +message"
    )
    table = TextTable(
        [router | {"shown": _shown_state(router)} for router in routers],
        columns,
        "The inventory has no routers.",
    )
    messages = [f"{r['router']}: {clean(r['message'])}" for r in routers if r.get("message")]
    return Answer({"routers": routers}, [table, *([""] if messages else []), *messages])


@app.command()
def check(name: RouterArgument, *, inventory: InventoryOption = None) -> Answer:
    """Check whether workers can work with a router, and what to do if not; writes nothing.

    Checks the permissions of our user, clock, sessions, DHCP servers, networks, overlaps, how long
    a change takes to reach devices, and what keeps suspensions and rates from acting (FastTrack,
    the order of firewall rules, IPv6). Shows the fingerprint of a certificate that is not pinned
    yet, and sends no password then. The last lines say why workers write nothing to the router, if
    so: blocked, paused, policy changed. Exit 0: all well; 1: something fails; 3: the router cannot
    be reached.

    Example: leasewire routers check tower-7
    """
    context = Context(inventory)
    config = context.router(name, unpinned=True)
    now = datetime.now(UTC)  # noqa: TID251 - this is the composition root
    checks = [*check_router(config, context.settings, now), *_state_checks(context, name)]
    text: list[Part] = []
    for line in checks:
        sign, colour = _SIGNS[line.level]
        text.append(Line(f"{sign} {line.what}: {clean(line.detail)}", colour))
        if line.advice:
            text.append(f"  {line.advice}.")
    failed = [line.what for line in checks if line.level == "fail"]
    code = Exit.OK
    if failed:
        code = Exit.UNREACHABLE if failed == ["connection"] else Exit.FAILED
    documents = [without_empty(line._asdict()) for line in checks]
    return Answer({"router": name, "checks": documents}, text, code)


def _state_checks(context: Context, name: str) -> Iterator[CheckLine]:
    """Why workers write nothing to the router, which the router itself cannot tell."""
    try:
        store = context.store
        state = store.views.router(name).state
        found = store.alerts.all_open()
        alerts = [alert for alert in found if alert.router == name and alert.kind in AWAY]
    except StoreUnavailable as error:
        message = f"Redis is not available, so the workers' view is unknown: {error}"
        yield CheckLine("warn", "workers", message, "See `leasewire status`")
        return
    match state.state:
        case "blocked":
            texts = (alert.text.partition(f"{state.message}. ")[2] for alert in alerts)
            advice = next((text for text in texts if text), "see `leasewire alerts list`")
            yield CheckLine("fail", state.cause, state.message, advice.removesuffix("."))
        case "paused":
            advice = f"`leasewire routers resume {name}` lets workers write to it again"
            yield CheckLine("fail", "paused", state.message, advice)
        case "policy-changed":
            advice = f"`leasewire routers apply {name}` shows what the new policy changes"
            yield CheckLine("fail", "policy-changed", state.message, advice)
        case "unreachable":
            since = local_time(utc_time(state.since_ms))
            next_try = local_time(utc_time(state.next_at_ms))
            message = f"unreachable for the workers since {since}: {state.message}"
            yield CheckLine("warn", "workers", message, f"Next automatic retry: {next_try}")
        case "up" | "new" | "unknown":
            pass


@app.command()
def leases(name: RouterArgument, *, inventory: InventoryOption = None) -> Answer:
    """Show a router's lease table as it is now, and whose each row is; writes nothing.

    ours (with the service), static (made by somebody else, never changed), dynamic, radius.

    Example: leasewire routers leases tower-7
    """
    context = Context(inventory)
    context.router(name)
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        rows = session.read_leases(None, lambda: None)
    installation = context.inventory.installation
    documents = [_lease(row, installation) for row in sorted(rows, key=_by_address)]
    columns = "address, mac, server, block, whose, service, comment"
    return Answer(
        {"router": name, "leases": documents}, [TextTable(documents, columns, "No leases.")]
    )


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
    """The view, as `new` where the router was never reached: neither new nor up has a state."""
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


def _document(
    config: RouterConfig, view: RouterView, pause: Pause | None, applied: AppliedPolicy | None
) -> dict[str, Any]:
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
            "paused_by": pause.by if pause else None,
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


app.command("setup")(setup.setup_command)
app.command("apply")(policy.apply_command)
app.command("manage")(mode.manage_command)
app.command("rebuild")(mode.rebuild_command)
app.command("replace")(policy.replace_command)
app.command("pause")(policy.pause_command)
app.command("resume")(policy.resume_command)
app.command("actions")(policy.actions_command)
app.command("retire")(names.retire_command)
app.command("rename")(names.rename_command)
