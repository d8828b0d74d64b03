"""`leasewire hooks`: webhooks of BSS systems, from `hooks.toml` beside the inventory."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.hooks import generic, splynx, uisp
from gateway.hooks.config import Hook, load_hooks
from gateway.hooks.inbox import Inbox, Posted
from gateway.hooks.tables import Generic, Splynx
from gateway.hooks.verdicts import Incomplete, Publish
from gateway.hooks.work import body_of
from leasewire.answer import Answer, App, TextTable, fail
from leasewire.context import Context
from leasewire.given_files import text_in
from producers.fields import NotAnEvent, event_of
from worker.admin.json_fields import utc_time
from worker.errors import ConfigurationError
from worker.log_setup import hide_secret
from worker.settings import environment

_FILE: Final = "hooks.toml"

app = App("Webhooks of BSS systems, from hooks.toml beside the inventory.")


def hooks_of(context: Context) -> dict[str, Hook]:
    """The webhooks of `hooks.toml`; none without such a file.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    path = context.settings.inventory.parent / _FILE
    if not path.exists():
        return {}  # without reading the inventory
    return load_hooks(
        path,
        sources={name: source.order for name, source in context.inventory.sources.items()},
        environ=environment(),
        on_secret=hide_secret,
    )


@app.command("list")
def list_command(
    context: Context,
    *,
    secrets: Annotated[
        bool, typer.Option("--paths", help="Show secret paths too, to set up the BSS.")
    ] = False,
) -> Answer:
    """List the webhooks, their paths, and how many requests wait to be processed.

    Example: leasewire hooks list
    """
    hooks = hooks_of(context)
    inbox = Inbox(context.store.client, context.settings.key_prefix)
    waiting = list(inbox.wanted())
    rows = []
    for hook in hooks.values():
        mine = [request for name, _, request in waiting if name == hook.name]
        since_ms = min((int(request["since"]) for request in mine), default=0)
        shown = secrets or hook.settings.path_secret is None
        rows.append(
            {
                "hook": hook.name,
                "source": hook.settings.source,
                "path": hook.path if shown else f"/v1/hooks/{hook.settings.adapter}/…",
                "to_read": len(mine),
                "since": utc_time(since_ms),
                "failing": next((request["why"] for request in mine if request.get("why")), ""),
            }
        )
    empty = f"{context.settings.inventory.parent / _FILE} has no webhooks."
    columns = "hook, source, path, to read=to_read, since, failing"
    waits = f"{inbox.depth()} webhooks wait to be processed."
    return Answer(
        {"hooks": rows, "unread": inbox.depth()}, [TextTable(rows, columns, empty), waits]
    )


@app.command("try")
def try_command(
    context: Context,
    name: Annotated[str, typer.Argument(metavar="HOOK")],
    body: Annotated[Path, typer.Argument(metavar="BODY", help="- is standard input.")],
    *,
    form: Annotated[bool, typer.Option("--form", help="The body is a form, not JSON.")] = False,
) -> Answer:
    """Show the event that the body of a webhook makes, or what is missing; sends nothing.

    Example: leasewire hooks try billing body.json
    """
    hooks = hooks_of(context)
    if name not in hooks:
        raise ConfigurationError([f"there is no hook {name}; see `leasewire hooks list`"])
    raw = text_in(body)
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
        fail(f"dead letter: {error}")
    if not made:
        return Answer({"ignored": str(verdict)}, [str(verdict)])
    return Answer(made, [json.dumps(made, indent=2)])
