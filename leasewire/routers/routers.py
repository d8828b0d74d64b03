"""`leasewire routers`: the state of the routers, a check, and what people decide about them."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from leasewire.answer import Answer, App, Exit, Line, Part, TextTable, clean, local_time
from leasewire.context import Context, RouterArgument
from leasewire.routers import mode, names, policy, setup
from worker.admin.json_fields import utc_time, without_empty
from worker.admin.lease_documents import lease_documents, orphans_of, read_lease_table
from worker.admin.router_checks import state_checks
from worker.admin.router_documents import router_documents, shown_state
from worker.routeros.check import check_router
from worker.routeros.sessions import Sessions

app = App("Routers: their state, a check, set-up, policies, pauses and names.")

_SIGNS: Final = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@app.command("list")
def list_(context: Context) -> Answer:
    """List the routers of the inventory.

    State is up, unreachable (retried automatically), blocked (a person must act: `routers check`),
    policy-changed (`routers apply`), paused (`routers resume`), probing (being retried now),
    draining (up again, its backlog is being written), observed (up, and never written to, as its
    `mode = "observe"` says) or new (never reached). Backlog counts services to be checked, oldest
    shows since when the first of them is due, waiting counts those that cannot proceed.

    Example: leasewire routers list
    """
    configs = context.inventory.routers  # its mistakes are reported even if Redis is down
    routers = router_documents(context.store, list(configs.values()))
    columns = (
        "router, state=shown, since, services, backlog, oldest=oldest_due, waiting, "
        "next try=next_try_at, +host, +message"
    )
    table = TextTable(
        [router | {"shown": shown_state(router)} for router in routers],
        columns,
        "The inventory has no routers.",
    )
    messages = [f"{r['router']}: {clean(r['message'])}" for r in routers if r.get("message")]
    return Answer({"routers": routers}, [table, *([""] if messages else []), *messages])


@app.command()
def check(context: Context, name: RouterArgument) -> Answer:
    """Check whether workers can work with a router, and what to do if not; writes nothing.

    Checks the permissions of our user, clock, sessions, DHCP servers, networks, overlaps, how long
    a change takes to reach devices, and what keeps suspensions and rates from acting (FastTrack,
    the order of firewall rules, IPv6). Shows the fingerprint of a certificate that is not pinned
    yet, and sends no password then. The last lines say why workers write nothing to the router, if
    so: blocked, paused, policy changed. Exit 0: all well; 1: something fails; 3: the router cannot
    be reached.

    Example: leasewire routers check tower-7
    """
    config = context.router(name, unpinned=True)
    now = datetime.now(UTC)  # noqa: TID251 - this is the composition root
    checks = [
        *check_router(config, context.settings, now),
        *state_checks(lambda: context.store, name, _when),
    ]
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


@app.command()
def leases(context: Context, name: RouterArgument) -> Answer:
    """Show a router's lease table as it is now, and whose each row is; writes nothing.

    Where a service has IPv6 the DHCPv6 bindings are shown too. ours, with the service; orphan: it
    has our tag, but no such service exists; foreign: made by somebody else, never changed;
    service-device and unknown-device: a dynamic row of a device that a service has on this router,
    or none.

    Example: leasewire routers leases tower-7
    """
    context.router(name)
    store, installation = context.store, context.inventory.installation
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        rows = read_lease_table(store, session, name)
    orphans = orphans_of(store, rows, installation)
    documents = lease_documents(store, name, rows, installation, orphans)
    columns = "address, mac, duid, iaid, server, block, whose, service, kind, comment"
    return Answer(
        {"router": name, "leases": documents}, [TextTable(documents, columns, "No leases.")]
    )


def _when(at_ms: int) -> str:
    return local_time(utc_time(at_ms))


app.command("setup")(setup.setup_command)
app.command("apply")(policy.apply_command)
app.command("manage")(mode.manage_command)
app.command("rebuild")(mode.rebuild_command)
app.command("replace")(policy.replace_command)
app.command("pause")(policy.pause_command)
app.command("resume")(policy.resume_command)
app.command("retire")(names.retire_command)
app.command("rename")(names.rename_command)
