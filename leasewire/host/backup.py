"""`leasewire backup` and `restore`: all state of an installation in one file."""

from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from leasewire.context import ActorOption, Context, InventoryOption
from leasewire.given_files import as_file
from leasewire.host.backup_file import BackupError, Head, check, entries, write
from leasewire.host.embedded import EmbeddedServer
from leasewire.host.up import only_one, running
from leasewire.progress import progress_bar
from worker.admin.json_fields import utc_time
from worker.core.service.formats import STORE_FORMATS
from worker.store.backup import UNDER_WAY, copy, put_back
from worker.version import installed_version


def backup_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; - is standard output.")],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file once the new one is complete.")
    ] = False,
) -> None:
    """Write all state in Redis to one file, as of one moment, while everything keeps running.

    Writes pause for some milliseconds at the end. The file holds customers' data: protect it like
    Redis itself. Ctrl-C leaves no file behind.

    Examples: leasewire backup /var/backups/leasewire-monday.gz --overwrite; docker compose exec -T
    worker leasewire backup - > monday.gz
    """
    to_output = str(file) == "-"
    if file.exists() and not overwrite and not to_output:
        raise BackupError(f"{file} exists already: choose another file, or use --overwrite")
    context = Context()
    store = context.any_store
    installation = store.client.get(store.keys.installation)
    keys = int(store.client.dbsize())
    if installation is None:
        raise BackupError("this Redis holds no installation: there is nothing to back up")
    if installation == UNDER_WAY:
        raise BackupError("a restore was interrupted here: run it again with --replace")
    head = Head(str(installation), store.records.now_ms(), installed_version())
    with (
        progress_bar("keys", keys, keep=True) as advance,
        closing(context.any_bytes_client()) as plain,
    ):
        count = write(file, head, copy(plain, store.keys, advance))
    size = "" if to_output else f", {file.stat().st_size / 1e6:.1f} MB"
    typer.echo(f"{file}: {count} entries of {head.installation}{size}.", err=to_output)


def restore_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; - is standard input.")],
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace the services that Redis holds."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Restore into the Valkey of a stopped `leasewire up` with this directory.",
            show_default=False,
        ),
    ] = None,
    actor: ActorOption = "",
    inventory: InventoryOption = None,
) -> None:
    """Restore a backup to Redis, and pause all routers.

    Events after the backup are not in it, and routers may have newer rows. So nothing is written to
    a router until you resume it: first publish a snapshot of every service from the BSS, then check
    `leasewire plan`. Events that wait in the journal are kept. No worker may run meanwhile.

    Examples: leasewire restore /var/backups/leasewire-monday.gz --data leasewire-data; docker
    compose run --rm -T worker restore - < monday.gz
    """
    server = None if data is None else EmbeddedServer(data)
    with as_file(file, "stdin.gz") as given:
        with progress_bar("lines read", None, keep=True) as advance:
            head = check(given, lambda: advance(1))
        with (
            nullcontext() if data is None else only_one(data),
            nullcontext() if server is None else running(server),
        ):
            context = Context(inventory, redis_url=server.url if server else None)
            routers = _restore(context, given, head, replace=replace, actor=actor)
    typer.echo(
        f"Restored {head.entries} entries as of {utc_time(head.at_ms)}. Paused until you resume "
        f"them: {', '.join(routers) or 'no router'}.\n"
        "Next: start the workers, publish a snapshot of every service, check `leasewire plan`, and "
        "`leasewire orphans list NAME` for rows of services that came after the backup; then "
        "`leasewire routers resume NAME`."
    )


def _restore(context: Context, file: Path, head: Head, *, replace: bool, actor: str) -> list[str]:
    store, installation = context.any_store, context.inventory.installation
    if head.store_format not in STORE_FORMATS:
        raise BackupError(
            f"{file} has store format {head.store_format}, and this version reads "
            f"{', '.join(map(str, STORE_FORMATS))}: restore it with Leasewire {head.written_by}"
        )
    if installation != head.installation:
        raise BackupError(
            f"{file} is of installation {head.installation!r}, the inventory of {installation!r}: "
            "use the inventory or the backup of the same installation"
        )
    if alive := store.heartbeats.workers():
        raise BackupError(f"workers are running ({', '.join(alive)}): stop them, and wait 15 s")
    if not replace and next(iter(store.views.services()), None) is not None:
        raise BackupError("this Redis holds services: --replace replaces them by those of the file")
    reason = f"restored from a backup of {utc_time(head.at_ms)}"
    with (
        progress_bar("entries", head.entries, keep=True) as advance,
        closing(context.any_bytes_client()) as plain,
        put_back(plain, store.keys) as put,
    ):
        put(entries(file), advance)
        store.alerts.restored()
        named = {name for stored in store.views.services() for name in stored.record.placements}
        routers = sorted(named | context.inventory.routers.keys())
        for router in routers:
            stored = store.views.router_services(router)
            services = [entry.record.service_id for entry in stored]
            store.fleet.recheck(router, services, "", "", actor)
            store.fleet.pause(router, reason, actor, audited=False)
        store.audit.record(actor, "backup.restored", installation, reason)
    return routers
