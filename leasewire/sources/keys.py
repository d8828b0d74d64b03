"""`leasewire keys`: who may publish and read over HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from contracts.envelope import Source
from gateway.api.api_keys import DEFAULT_RATE, ApiKey, ApiKeys, Scope
from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, local_time, print_fields, print_json, print_table
from worker.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="API keys of the gateway.")

_BAD_INPUT = 2


@app.command()
def create(  # noqa: PLR0913 - a key has as many sides
    name: Annotated[str, typer.Argument(help="Whose it is, in words: for lists and logs.")],
    *,
    source: Annotated[
        list[str] | None, typer.Option(help="A source that it speaks for; repeatable.")
    ] = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="publish, read (of its sources), ops (all, and dead letters), override (for "
            "sources that speak of services of others); repeatable. Else publish and read.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Events a second.", min=0.1)] = DEFAULT_RATE,
    signed: Annotated[
        bool, typer.Option("--signed", help="What it publishes must be signed.")
    ] = False,
    only_key: Annotated[
        bool, typer.Option("--only-key", help="Print the key and nothing else, for scripts.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Make a key. It is shown once: Redis keeps only a hash of it.

    With it comes a secret for Standard Webhooks signatures, which --signed asks for; a request
    that is signed without it being asked is checked too.

    Example: leasewire keys create billing --source urn:isp:bss:example
    """
    if only_key and as_json:
        typer.echo("Choose --only-key or --json.", err=True)
        raise typer.Exit(_BAD_INPUT)
    scopes = scope or [Scope.PUBLISH, Scope.READ]
    if not source and set(scopes) != {Scope.OPS}:
        typer.echo("Say which sources it speaks for: --source URN; only ops needs none.", err=True)
        raise typer.Exit(_BAD_INPUT)
    for each in source or ():
        try:
            TypeAdapter[str](Source).validate_python(each)
        except ValidationError:
            typer.echo(f"--source {each}: write a URI, as urn:isp:bss:example", err=True)
            raise typer.Exit(_BAD_INPUT) from None
    context = Context(inventory)
    _warn_of_unknown(context, source or ())
    made = _keys(context).create(
        name,
        source or (),
        scopes,
        rate=rate,
        signature_required=signed,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251 - a command reads the clock
    )
    shown = _document(made.key) | {
        "key": made.token,
        "signing_secret": made.key.signing_secret,
    }
    if only_key:
        typer.echo(made.token)
    elif as_json:
        print_json(shown)
    else:
        print_fields((name, _shown(value)) for name, value in shown.items())
        typer.echo("\nKeep key and signing secret now: they are not shown again.")


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """List keys, and in which hour each was last used; never the keys themselves.

    Example: leasewire keys list
    """
    keys = _keys()
    used = keys.used()
    found = [_document(key) | {"last_used": used.get(key.id)} for key in keys.all()]
    if as_json:
        print_json({"keys": found})
        return
    columns = ("id", "name", "sources", "scopes", "rate", "signed")
    print_table(
        (*columns, "created at", "last used"),
        (
            (
                *(_shown(each[name]) for name in columns),
                local_time(str(each["created_at"])),
                local_time(str(each["last_used"]))[:16] if each["last_used"] else "never",
            )
            for each in found
        ),
        "No keys.",
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` says.")],
) -> None:
    """Take a key away: within a second it opens nothing.

    Example: leasewire keys revoke 3f9c02ab77d1
    """
    gone = _keys().revoke(key_id)
    if not gone:
        typer.echo(f"There is no key {key_id}; see `leasewire keys list`.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Key {key_id} is revoked.")


def _shown(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _warn_of_unknown(context: Context, sources: Sequence[str]) -> None:
    """Say which sources the inventory does not know; without an inventory nothing is said."""
    path = context.settings.inventory
    if not sources or not path.exists():
        return
    try:
        known = context.inventory.sources
    except ConfigurationError as error:
        typer.echo(f"Warning: sources were not checked: {error}", err=True)
        return
    for each in sources:
        if each not in known:
            message = "its events are refused until it is"
            typer.echo(f"Warning: {each} is in no [sources] of {path}: {message}.", err=True)


def _keys(context: Context | None = None) -> ApiKeys:
    context = context or Context()
    return ApiKeys(context.store.client, context.settings.key_prefix)


def _document(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "sources": sorted(key.sources),
        "scopes": sorted(each.value for each in key.scopes),
        "rate": key.rate,
        "signed": key.signature_required,
        "created_at": key.created_at,
    }
