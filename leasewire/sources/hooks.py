"""`leasewire hooks`: webhooks of BSS systems, from `hooks.toml` beside the inventory."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.hooks import generic, splynx, uisp
from gateway.hooks.config import Hook, HooksConfigError, load_hooks
from gateway.hooks.inbox import Inbox, Posted
from gateway.hooks.tables import Generic, Splynx
from gateway.hooks.verdicts import Incomplete, Publish
from gateway.hooks.work import body_of
from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, print_json, print_table
from producers.fields import NotAnEvent, event_of
from worker.admin.json_fields import utc_time
from worker.errors import ConfigurationError
from worker.log_setup import hide_secret
from worker.settings import environment

FAILED: Final = 1
_FILE: Final = "hooks.toml"

app = typer.Typer(
    no_args_is_help=True,
    help="Webhooks of BSS systems, as hooks.toml beside the inventory names them.",
)


def hooks_of(context: Context) -> dict[str, Hook]:
    """The webhooks of `hooks.toml`; none where there is no such file.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    path = context.settings.inventory.parent / _FILE
    if not path.exists():
        return {}
    sources = {name: each.order for name, each in context.inventory.sources.items()}
    try:
        return load_hooks(path, sources=sources, environ=environment(), on_secret=hide_secret)
    except HooksConfigError as error:
        raise ConfigurationError(error.problems) from error


@app.command("list")
def list_command(
    *,
    secrets: Annotated[
        bool, typer.Option("--paths", help="Show paths that are secret too, to be set up there.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show the webhooks, where they are posted to, and what of them is not done yet.

    Example: leasewire hooks list
    """
    context = Context(inventory)
    hooks = hooks_of(context)
    inbox = Inbox(context.store.client, context.settings.key_prefix)
    waiting = list(inbox.wanted())
    rows = []
    for hook in hooks.values():
        mine = [each for name, _, each in waiting if name == hook.name]
        since_ms = min((int(each["since"]) for each in mine), default=0)
        shown = secrets or hook.settings.path_secret is None
        rows.append(
            {
                "hook": hook.name,
                "source": hook.settings.source,
                "path": hook.path if shown else f"/v1/hooks/{hook.settings.adapter}/…",
                "to_read": len(mine),
                "since": utc_time(since_ms),
                "failing": next((each["why"] for each in mine if each.get("why")), ""),
            }
        )
    if as_json:
        print_json({"hooks": rows, "unread": inbox.depth()})
        return
    columns = ("hook", "source", "path", "to_read", "since", "failing")
    empty = f"No webhooks: {context.settings.inventory.parent / _FILE} names none."
    print_table(columns, ([row[name] for name in columns] for row in rows), empty)
    typer.echo(f"{inbox.depth()} webhooks are not worked on yet.")


@app.command("try")
def try_command(
    name: Annotated[str, typer.Argument(metavar="HOOK")],
    body: Annotated[Path, typer.Argument(metavar="BODY", help="- is standard input.")],
    *,
    form: Annotated[bool, typer.Option("--form", help="It is a form, not JSON.")] = False,
    inventory: InventoryOption = None,
) -> None:
    """Show what would be made of a webhook's body, or what is missing; nothing is sent or asked.

    Example: leasewire hooks try billing body.json
    """
    hooks = hooks_of(Context(inventory))
    if name not in hooks:
        raise ConfigurationError([f"there is no hook {name}; see `leasewire hooks list`"])
    try:
        raw = sys.stdin.read() if str(body) == "-" else body.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{body}: cannot be read: {error}"]) from error
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    try:
        document = body_of(Posted("try", name, raw, kind))
        match hooks[name].settings:
            case Generic() as settings:
                verdict = generic.read_hook(document, "try", settings)
            case Splynx() as settings:
                verdict = splynx.read_hook(document, "try", settings)
            case _:
                verdict = uisp.read_hook(document)
        made = (
            event_of(verdict.fields) | dict(verdict.envelope)
            if isinstance(verdict, Publish)
            else {}
        )
    except (Incomplete, NotAnEvent) as error:
        typer.echo(clean(f"A dead letter: {error}"), err=True)
        raise typer.Exit(FAILED) from None
    if made:
        print_json(made)
    else:
        typer.echo(clean(verdict))
