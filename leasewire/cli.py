"""The command line: puts the commands together, and turns verdicts into exit codes."""

import sys
from typing import Final

import typer

from leasewire.context import redis_in_use, refusal
from leasewire.host import (
    backup,
    demo,
    first_inventory,
    gateway,
    packaged,
    redis_logins,
    up,
    worker,
)
from leasewire.monitor import alerts, metrics, status
from leasewire.printing import clean
from leasewire.routers import adopt, drift, options, orphans, plan, routers
from leasewire.services import brake, claims, dead_letters, events, schedule, services, why
from leasewire.sources import (
    export,
    hooks,
    import_services,
    keys,
    outbox,
    outcomes,
    publish,
    resync,
    sources,
)
from producers.errors import KeyRefused
from simulator.cli import simulator_command
from worker.errors import (
    ConfigurationError,
    LeasewireError,
    RouterUnreachable,
    StoreRefused,
    StoreUnavailable,
)

FAILED: Final = 1
BAD_INPUT: Final = 2
OUT_OF_REACH: Final = 3

_ENDING: Final = """\
Redis is the one in LEASEWIRE_REDIS_URL; without that, the one of `leasewire up` when there is
./leasewire-data/valkey.sock; else redis://127.0.0.1:6379/0.

Exit codes: 0 all well; 1 something failed, or is not known; 2 the input or the configuration is
wrong, Redis refuses the login, or there is something to do (plan); 3 Redis or a router cannot be
reached.
"""

app = typer.Typer(
    name="leasewire",
    no_args_is_help=True,
    add_completion=False,
    # Expected failures are told in a line; an unexpected one is a bug, shown as Python does.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=_ENDING,
    help="Turns an ISP's provisioning events into DHCP leases on MikroTik routers.",
)
app.command("demo", short_help="Tell the whole story, each step checked.")(demo.demo_command)
app.command("init", short_help="Write a first inventory.")(first_inventory.init_command)
app.command("simulator", short_help="Run simulated RouterOS routers.")(simulator_command)
app.command("up", short_help="Run everything on this box.")(up.up_command)
app.command("worker", short_help="Run the worker processes.")(worker.worker_command)
app.command("health", short_help="Say whether this host's workers live.")(worker.health_command)
app.command("gateway", short_help="Take events in over HTTP.")(gateway.gateway_command)
app.add_typer(keys.app, name="keys")
app.add_typer(hooks.app, name="hooks")
app.command("export", short_help="Write the services into a file.")(export.export_command)
app.command("import", short_help="Import services of a file.")(import_services.import_command)
app.command("resync", short_help="Find what a source no longer has.")(resync.resync_command)
app.add_typer(publish.app, name="publish", short_help="Publish events.")
app.add_typer(outbox.app, name="outbox")
app.add_typer(events.app, name="events")
app.add_typer(outcomes.app, name="outcomes")
app.add_typer(services.app, name="services")
app.add_typer(schedule.app, name="schedule")
app.add_typer(sources.app, name="sources")
app.add_typer(routers.app, name="routers")
app.add_typer(options.app, name="options")
app.add_typer(orphans.app, name="orphans")
app.command("plan", short_help="Show what would be written to the routers.")(plan.plan_command)
app.command("adopt", short_help="Take over the rows of a router that is in use.")(
    adopt.adopt_command
)
app.command("drift", short_help="Show what was changed on routers by hand.")(drift.drift_command)
app.command("reconcile", short_help="Put right what was changed on routers by hand.")(
    drift.reconcile_command
)
app.command("status", short_help="Show how all is doing, for people and monitoring.")(
    status.status_command
)
app.command("metrics", short_help="Give figures for Prometheus.")(metrics.metrics_command)
app.command("why", short_help="Say why a customer has no address.")(why.why_command)
app.command("backup", short_help="Write all state into one file.")(backup.backup_command)
app.command("restore", short_help="Put a backup back; holds all routers.")(backup.restore_command)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(alerts.app, name="alerts")
app.command("runbook", short_help="Say what to do about a kind of alert.")(packaged.runbook_command)
app.command("deploy-files", short_help="Write units, users of Redis and more.")(
    packaged.deploy_files_command
)
app.command("redis-logins", short_help="Make passwords and users of Redis.")(
    redis_logins.redis_logins_command
)
app.add_typer(claims.app, name="claims")
app.add_typer(brake.app, name="brake")


def main() -> None:
    """Run the command line of this process; ends it with one of the exit codes."""
    try:
        app()
    except ConfigurationError as error:
        _end(BAD_INPUT, *error.problems)
    except StoreRefused as error:
        _end(BAD_INPUT, *refusal(error.message, error.advice))
    except KeyRefused as error:
        _end(BAD_INPUT, *refusal(str(error.__cause__ or error), error.reason.partition(" (")[0]))
    except StoreUnavailable as error:
        _end(
            OUT_OF_REACH,
            f"Redis at {redis_in_use()} does not serve us: {error}",
            f"{error.advice[:1].upper()}{error.advice[1:]}.",
        )
    except RouterUnreachable as error:
        _end(OUT_OF_REACH, str(error))
    except LeasewireError as error:
        _end(FAILED, str(error))


def _end(code: int, *lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{clean(line)}\n")
    sys.exit(code)
