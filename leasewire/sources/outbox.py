"""`leasewire outbox`: events from a table in the BSS's database."""

from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from leasewire.answer import Answer, App, Exit, bad_input, fail, write
from leasewire.context import Context, check_extra
from leasewire.given_files import password_in
from leasewire.host.stopping import asked_to_stop
from leasewire.progress import progress_to
from producers.http_transport import HttpTransport
from producers.publisher import Publisher
from worker.log_setup import configure_logging

if TYPE_CHECKING:
    from producers.outbox.relay import OutboxRelay

app = App(
    """Publish events from a table in the BSS's own database (PostgreSQL).

    The BSS writes each event into the table in the transaction that changes the service, so both
    are committed or neither; `relay` publishes the rows in order and marks them.

    Example: leasewire outbox ddl | psql billing; leasewire outbox relay --database
    postgresql://billing@db.example/billing
    """
)


@app.command()
def ddl() -> None:
    """Print the SQL that creates the table, with an example of an insert.

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
        bool, typer.Option("--once", help="Publish the present rows and exit; for cron.")
    ] = False,
    keep_days: Annotated[
        int,
        typer.Option(help="Delete rows this long after publishing; 0: never.", min=0),
    ] = 30,
    gateway: Annotated[
        str | None,
        typer.Option(help="URL of a gateway. Default: the Redis in LEASEWIRE_REDIS_URL."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the gateway's API key (scope publish).")
    ] = None,
    signing_secret_file: Annotated[
        Path | None, typer.Option(help="File with the key's signing secret, to sign requests.")
    ] = None,
) -> None:
    """Publish the rows of the outbox in order, until SIGTERM or Ctrl-C; mark published rows.

    Delivery is at least once: a row may be published again after a crash, which does no harm. One
    relay is active at a time, others stand by. A row that is rejected is marked with the reason and
    does not block others: correct its body, and set refused_at to NULL.

    Exit codes with --once: 0 all published; 1 rows were rejected, or another relay is active; 3 the
    database, the gateway or Redis cannot be reached.

    Example: leasewire outbox relay --database postgresql://billing@db.example/billing
    """
    _check_installed()
    from producers.outbox.relay import OutboxRelay, open_database  # noqa: PLC0415 - an extra

    try:
        engine = open_database(database)
    except ValueError as error:
        bad_input(f"--database {error}")
    context = Context()
    configure_logging(context.settings)
    with (
        _publisher(context, gateway, key_file, signing_secret_file) as publisher,
        asked_to_stop() as stopping,
    ):
        relay = OutboxRelay(engine, publisher, keep_days=keep_days)
        if once:
            write(_run_once(relay, stopping))
        else:
            typer.echo("The relay is running; Ctrl-C stops it after the current batch.")
            relay.run(stopping)
            typer.echo("The relay has stopped.")


def _run_once(relay: "OutboxRelay", stopping: Event) -> Answer:
    from producers.outbox.relay import AnotherRelay, DatabaseFailed  # noqa: PLC0415 - an extra

    with progress_to("rows") as show:
        try:
            done = relay.run_once(stopping, show)
        except AnotherRelay as error:
            fail(error)
        except DatabaseFailed as error:
            fail(f"database: {error}", code=Exit.UNREACHABLE)
    text = [f"{done.published} rows published, {done.refused} rejected."]
    document = {"published": done.published, "rejected": done.refused}
    if done.failure is not None:
        return Answer(document, text, Exit.UNREACHABLE, [done.failure.reason])
    return Answer(document, text, Exit.FAILED if done.refused else Exit.OK)


def _publisher(
    context: Context, gateway: str | None, key_file: Path | None, secret_file: Path | None
) -> Publisher:
    if gateway is None:
        if key_file or secret_file:
            bad_input("--key-file and --signing-secret-file are for a --gateway")
        context.check_login()
        return context.publisher()
    if key_file is None:
        bad_input("--gateway needs --key-file: `leasewire keys create` makes a key")
    secret = password_in(secret_file).strip() if secret_file else None
    try:
        transport = HttpTransport(gateway, password_in(key_file).strip(), signing_secret=secret)
    except ValueError as error:
        bad_input(f"--gateway {error}")
    now = lambda: datetime.now(UTC)  # noqa: E731, TID251 - this is the composition root
    return Publisher(transport, clock=now)


def _check_installed() -> None:
    check_extra("outbox", "the outbox needs SQLAlchemy and psycopg", "sqlalchemy", "psycopg")
