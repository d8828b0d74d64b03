"""`leasewire keys`: who may publish and read over HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.api.api_keys import DEFAULT_RATE, LEAST_RATE, ApiKeys, KeyScope
from leasewire.answer import Answer, App, Fields, Part, TextTable, cell, fail
from leasewire.context import ActorOption, Context
from worker.errors import ConfigurationError

app = App("API keys of the gateway.")


@app.command()
def create(  # noqa: PLR0913 - a key has as many sides
    context: Context,
    name: Annotated[str, typer.Argument(help="Display name of its owner, for lists and logs.")],
    *,
    source: Annotated[
        list[str] | None, typer.Option(help="A source that it may publish and read; repeatable.")
    ] = None,
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(
            help="publish, read (of its sources), ops (everything, with dead letters), override "
            "(may change services of others); repeatable. Default: publish and read.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Events a second.", min=LEAST_RATE)] = DEFAULT_RATE,
    signed: Annotated[
        bool, typer.Option("--signed", help="Require signatures on what it publishes.")
    ] = False,
    only_key: Annotated[
        bool, typer.Option("--only-key", help="Print only the key, for scripts.")
    ] = False,
    actor: ActorOption = "",
) -> Answer:
    """Create a key. It is shown once: Redis stores only a hash.

    With it comes a secret for signatures by Standard Webhooks, which --signed requires; a signature
    that is not required is verified too.

    Example: leasewire keys create billing --source urn:isp:bss:example
    """
    scopes = scope or [KeyScope.PUBLISH, KeyScope.READ]
    _warn_of_unknown(context, source or ())
    made = _keys(context).create(
        name,
        source or (),
        scopes,
        rate=rate,
        signature_required=signed,
        actor=actor,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251 - a command reads the clock
    )
    document = made.key.document() | {
        "key": made.token,
        "signing_secret": made.key.signing_secret,
    }
    text: list[Part] = [made.token]
    if not only_key:
        warning = "\nSave the key and the signing secret now: they are not shown again."
        text = [Fields(document), warning]
    return Answer(document, text)


@app.command("list")
def list_() -> Answer:
    """List keys, and in which hour each was last used; never the keys themselves.

    Example: leasewire keys list
    """
    keys = _keys()
    used = keys.used()
    found = [key.document() | {"last_used": used.get(key.id)} for key in keys.all()]
    rows = [key | {"last_used": cell(key["last_used"])[:16] or "never"} for key in found]
    columns = "id, name, sources, scopes, rate, signed, created at=created_at, last used=last_used"
    return Answer({"keys": found}, [TextTable(rows, columns, "No keys.")])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As in `keys list`.")],
    *,
    actor: ActorOption = "",
) -> Answer:
    """Revoke a key; it stops working within a second.

    Example: leasewire keys revoke 3f9c02ab77d1
    """
    if not _keys().revoke(key_id, actor):
        fail(f"There is no key {key_id}; see `leasewire keys list`.")
    return Answer({"id": key_id, "revoked": True}, [f"Key {key_id} is revoked."])


def _warn_of_unknown(context: Context, sources: Sequence[str]) -> None:
    """Warn of sources that are not in the inventory, if there is one."""
    path = context.settings.inventory
    if not sources or not path.exists():
        return
    try:
        known = context.inventory.sources
    except ConfigurationError as error:
        typer.echo(f"Warning: sources were not checked: {error}", err=True)
        return
    for source in sources:
        if source not in known:
            message = "its events are refused until it is"
            typer.echo(f"Warning: {source} is not in [sources] of {path}: {message}.", err=True)


def _keys(context: Context | None = None) -> ApiKeys:
    context = context or Context()
    return ApiKeys(context.store.client, context.settings.key_prefix)
