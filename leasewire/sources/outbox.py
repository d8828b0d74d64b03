"""`leasewire outbox`: events out of a BSS's own database."""

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from leasewire.context import Context
from leasewire.host.stopping import asked_to_stop
from leasewire.printing import clean
from producers.http_transport import HttpTransport
from producers.publisher import Publisher
from worker.errors import ConfigurationError
from worker.log_setup import configure_logging, hide_secret

if TYPE_CHECKING:
    from producers.outbox.relay import OutboxRelay

FAILED: Final = 1
BAD_INPUT: Final = 2
OUT_OF_REACH: Final = 3

app = typer.Typer(
    no_args_is_help=True,
    help="""Take events out of a table in the BSS's own database (PostgreSQL).

    The BSS writes each event into the table in the transaction that changes the service, so that
    either both are committed or none; `relay` publishes the rows in order and marks them.

    Example: leasewire outbox ddl | psql billing; leasewire outbox relay --database
    postgresql://billing@db.example/billing
    """,
)


@app.command()
def ddl() -> None:
    """Print the SQL that makes the table, with an example of how to write to it.

    Running it again changes nothing.

    Example: leasewire outbox ddl | psql billing
    """
    _check_installed()
    from producers.outbox.relay import ddl as sql  # noqa: PLC0415 - an extra

    typer.echo(sql(), nl=False)


@app.command()
def relay(  # noqa: PLR0913 - each is an option
    *,
    database: Annotated[
        str,
        typer.Option(
            help="postgresql://USER@HOST/DATABASE; libpq finds the password (~/.pgpass).",
            show_default=False,
        ),
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Publish what is there, and end: for cron.")
    ] = False,
    keep_days: Annotated[
        int, typer.Option(help="Remove rows published so many days ago; 0: never.", min=0)
    ] = 30,
    gateway: Annotated[
        str | None,
        typer.Option(help="URL of a gateway; else the Redis of LEASEWIRE_REDIS_URL is used."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the gateway's API key (scope publish).")
    ] = None,
    signing_secret_file: Annotated[
        Path | None, typer.Option(help="File with the key's signing secret, where it signs.")
    ] = None,
) -> None:
    """Publish the rows of the outbox in order, until SIGTERM or Ctrl-C; mark those that are safe.

    At least once: a row may be published again after a crash, which does no harm. One relay at a
    time works, others wait for it to go away. A row that is refused for ever is marked with the
    reason and holds up nothing: mend its body, and set refused_at to NULL.

    Exit codes with --once: 0 all published; 1 rows were refused, or another relay works; 3 the
    database or the way in cannot be reached.

    Example: leasewire outbox relay --database postgresql://billing@db.example/billing
    """
    _check_installed()
    from producers.outbox.relay import OutboxRelay, open_database  # noqa: PLC0415 - an extra

    try:
        engine = open_database(database)
    except ValueError as error:
        _end(BAD_INPUT, f"--database {error}")
    context = Context()
    configure_logging(context.settings)
    with (
        _publisher(context, gateway, key_file, signing_secret_file) as publisher,
        asked_to_stop() as stopping,
    ):
        relay = OutboxRelay(engine, publisher, keep_days=keep_days)
        if once:
            _run_once(relay, stopping)
        else:
            typer.echo("The relay works; Ctrl-C ends it after the batch in hand.")
            relay.run(stopping)
            typer.echo("The relay has stopped.")


def _run_once(relay: "OutboxRelay", stopping: Event) -> None:
    from producers.outbox.relay import AnotherRelay, DatabaseFailed  # noqa: PLC0415 - an extra

    # On standard error, and on a terminal only: a pipe gets the result alone.
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("rows")
        try:
            done = relay.run_once(
                stopping, lambda rows, total: progress.update(bar, completed=rows, total=total)
            )
        except AnotherRelay as error:
            _end(FAILED, str(error))
        except DatabaseFailed as error:
            _end(OUT_OF_REACH, f"the database: {error}")
    typer.echo(f"{done.published} rows published, {done.refused} refused.")
    if done.failure is not None:
        _end(OUT_OF_REACH, done.failure.reason)
    if done.refused:
        raise typer.Exit(FAILED)


def _publisher(
    context: Context, gateway: str | None, key_file: Path | None, secret_file: Path | None
) -> Publisher:
    if gateway is None:
        if key_file or secret_file:
            _end(BAD_INPUT, "--key-file and --signing-secret-file are for a --gateway")
        context.check_login()
        return context.publisher()
    if key_file is None:
        _end(BAD_INPUT, "--gateway needs --key-file: `leasewire keys create` makes a key")
    secret = _secret(secret_file) if secret_file else None
    try:
        transport = HttpTransport(gateway, _secret(key_file), signing_secret=secret)
    except ValueError as error:
        _end(BAD_INPUT, f"--gateway {error}")
    now = lambda: datetime.now(UTC)  # noqa: E731, TID251 - this is the composition root
    return Publisher(transport, clock=now)


def _secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        _end(BAD_INPUT, f"{path}: cannot be read: {error}")
    if not secret:
        _end(BAD_INPUT, f"{path}: is empty")
    hide_secret(secret)
    return secret


def _check_installed() -> None:
    if find_spec("sqlalchemy") is None or find_spec("psycopg") is None:
        problem = "the outbox needs SQLAlchemy and psycopg: install `leasewire[outbox]`"
        raise ConfigurationError([problem])


def _end(code: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(clean(line), err=True)
    raise typer.Exit(code)
