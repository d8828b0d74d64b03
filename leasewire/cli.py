"""The command line: its commands by section, and the exit codes of errors.

A command's module is imported when the command is called: `--help` needs none of them.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from leasewire.answer import EXIT_CODES, App, Group, clean
from worker.version import installed_version

SECTIONS: Final = {
    "Start here": {
        "demo": ("host.demo:demo_command", "Show what Leasewire does, each step checked."),
        "init": ("host.first_inventory:init_command", "Write a first inventory."),
        "up": ("host.up:up_command", "Run everything on this host, with a Valkey of its own."),
        "simulator": ("host.simulator:simulator_command", "Run simulated RouterOS routers."),
    },
    "Services": {
        "services": ("services.services:app", "List services; show, verify, restore, purge one."),
        "why": ("services.why:why_command", "Explain why a customer has no address."),
        "events": ("services.events:app", "Show or follow what became of events."),
        "schedule": ("services.schedule:app", "List events that take effect later."),
        "claims": ("services.claims:app", "Show who holds a MAC, an address or a prefix."),
        "pools": ("services.pools:app", "Show pools of addresses that Leasewire assigns."),
        "brake": ("services.brake:app", "Approve or reject an unusual number of losses."),
        "dead-letters": ("services.dead_letters:app", "List, retry, edit or discard failures."),
    },
    "Routers": {
        "routers": ("routers.routers:app", "List, check, set up, pause or rename routers."),
        "plan": ("routers.plan:plan_command", "Show what would be written to routers."),
        "drift": ("routers.drift:drift_command", "Show what was changed on routers by hand."),
        "reconcile": ("routers.drift:reconcile_command", "Undo what was changed by hand."),
        "adopt": ("routers.adopt:adopt_command", "Take over the leases of a router in use."),
        "orphans": ("routers.orphans:app", "List or remove rows of services unknown here."),
        "options": ("routers.options:app", "Remove DHCP options that nothing uses."),
        "selftest": ("routers.selftest:selftest_command", "Ask a spare router how RouterOS acts."),
    },
    "Sources": {
        "publish": ("sources.publish:app", "Publish events from a file or from options."),
        "import": ("sources.import_services:import_command", "Import services from a file."),
        "export": ("sources.export:export_command", "Export services to a file."),
        "resync": ("sources.resync:resync_command", "Compare all services of a source."),
        "sources": ("sources.sources:app", "List sources; rebase one, transfer its services."),
        "keys": ("sources.keys:app", "Create, list and revoke API keys of the gateway."),
        "hooks": ("sources.hooks:app", "List and try webhooks of BSS systems."),
        "outcomes": ("sources.outcomes:app", "Deliver outcomes to a BSS by webhook."),
        "outbox": ("sources.outbox:app", "Publish events from a table in the BSS's database."),
    },
    "Monitoring": {
        "status": ("monitor.status:status_command", "Show the health of the installation."),
        "alerts": ("monitor.alerts:app", "List, mute, test and deliver alerts."),
        "audit": ("monitor.audit:app", "List or export who did what."),
        "runbook": ("host.packaged:runbook_command", "Print what to do about an alert."),
        "metrics": ("monitor.metrics:metrics_command", "Serve metrics for Prometheus."),
        "health": ("host.worker:health_command", "Check this host's workers."),
    },
    "Operation": {
        "worker": ("host.worker:worker_command", "Run the worker processes."),
        "gateway": ("host.gateway:gateway_command", "Accept events over HTTP."),
        "people": ("host.people:app", "Add and remove people of the console."),
        "config": ("host.config:app", "Check routers.toml and the files beside it."),
        "reload": ("host.config:reload_command", "Let `leasewire up` read the inventory again."),
        "backup": ("host.backup:backup_command", "Write all state to one file."),
        "restore": ("host.backup:restore_command", "Restore a backup; pauses all routers."),
        "deploy-files": ("host.packaged:deploy_files_command", "Write systemd units and the like."),
        "upgrade": ("host.upgrade:app", "Check an upgrade of all processes."),
        "redis-logins": ("host.redis_logins:redis_logins_command", "Make logins for Redis."),
    },
}
"""Section -> command -> the app or function, below `leasewire`; and what it does."""

if TYPE_CHECKING:
    _Loaded = Mapping[str, Any]
else:
    _Loaded = Mapping


class Commands(_Loaded):
    """The commands by name, each imported when it is looked up."""

    def __init__(self) -> None:
        self._places = {
            name: place for section in SECTIONS.values() for name, (place, _) in section.items()
        }
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - private to Typer
        if name not in self._loaded:
            module, _, attribute = self._places[name].partition(":")
            found = getattr(import_module(f"{__package__}.{module}"), attribute)
            if not isinstance(found, typer.Typer):
                alone = App("")
                alone.command(name)(found)
                self._loaded[name] = get_command(alone)
            else:
                self._loaded[name] = get_group(found)
                self._loaded[name].name = name
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Root(Group):
    """All commands, by section."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's
        super().__init__(**attributes)
        self.commands = Commands()  # type: ignore[assignment]  # nobody adds to it

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - private to Typer
        """Write the sections."""
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{n:{width}}", text) for n, (_, text) in commands.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - private to Typer
        """Complete the name of a command, or an option, without importing a command."""
        real, self.commands = (
            self.commands,
            {
                name: TyperCommand(name, help=summary)
                for section in SECTIONS.values()
                for name, (_, summary) in section.items()
            },
        )
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self.commands = real


_ENDING: Final = f"""\
Redis is the one in LEASEWIRE_REDIS_URL; without it, that of `leasewire up` if
./leasewire-data/valkey.sock exists; else redis://127.0.0.1:6379/0.

Exit codes: {EXIT_CODES} `status` exits like a monitoring plugin: 0 ok, 1 warning, 2 critical.

NO_COLOR switches colours off.
"""

app = App(
    "Turns provisioning events of an ISP's BSS into DHCP leases on MikroTik routers.",
    cls=Root,
    add_completion=True,
    epilog=_ENDING,
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"leasewire {installed_version()}")
        raise typer.Exit


@app.callback(help=app.info.help)
def root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Handle the options before the command."""
    if os.environ.get("NO_COLOR"):  # noqa: TID251 - the settings are not loaded for --help
        context.color = False


def main() -> None:
    """Run the command line of this process; ends it with an exit code."""
    try:
        app()
    except Exception as error:
        from leasewire.context import explained  # noqa: PLC0415 - `--help` needs none of it

        found = explained(error)
        if found is None:
            raise
        code, lines = found
        for line in lines:
            sys.stderr.write(f"{clean(line)}\n")
        sys.exit(code)
