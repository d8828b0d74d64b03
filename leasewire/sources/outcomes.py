"""`leasewire outcomes`: tells a BSS by webhooks what became of its events."""

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from contracts.webhook_signature import new_secret
from gateway.outcomes.deliveries import Deliveries, Undelivered
from gateway.outcomes.targets import Target, TargetsError, load_targets
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from leasewire.printing import JsonOption, local_time, print_json, print_table
from worker.admin.json_fields import utc_time, without_empty
from worker.errors import ConfigurationError
from worker.log_setup import configure_logging, hide_secret
from worker.settings import environment

if TYPE_CHECKING:
    from gateway.outcomes.delivery import Courier
    from gateway.outcomes.delivery_thread import Delivering
    from gateway.outcomes.posting import Answer

app = typer.Typer(no_args_is_help=True, help="Webhooks to the BSS: what became of its events.")

FILE: Final = "outcomes.toml"
"""Beside the inventory; where outcome webhooks go."""
_BAD_INPUT: Final = 2

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="As `targets` names it.")]


@app.command()
def deliver(*, inventory: InventoryOption = None) -> None:
    """Deliver outcomes to the targets of outcomes.toml, until SIGTERM or Ctrl-C.

    That file stands beside the inventory. Each target is a table [targets.NAME] in it, with url,
    sources (of whose events it is told) and secret_file or secret_env (of `outcomes secret`), and
    where wanted states (only these), ca_file and timeout_s.

    Each change is a POST, signed as Standard Webhooks has it, of a CloudEvent. What a target does
    not take is tried again for three days, then kept for `outcomes failed`. `leasewire up` does
    this too, and more than one may run: one of them delivers to a target.

    Example: leasewire outcomes deliver
    """
    context = Context(inventory)
    configure_logging(context.settings)
    context.report_failed_checks()
    targets = targets_of(context)
    if not targets:
        problem = f"there is no target; `leasewire outcomes deliver --help` shows {FILE}"
        raise ConfigurationError([problem])
    context.check_login()
    with asked_to_stop() as stopping, delivering(context, targets) as running:
        typer.echo(f"Outcomes are delivered to {', '.join(each.name for each in targets)}.")
        run_until_stopped(running, stopping)
    typer.echo("The delivery has stopped.")


@app.command("targets")
def targets_command(*, as_json: JsonOption = False, inventory: InventoryOption = None) -> None:
    """List targets: how far each is, what waits, what could not be delivered.

    Example: leasewire outcomes targets
    """
    context = Context(inventory)
    found = []
    for each in targets_of(context, signing=False):
        state = _deliveries(context, each.name).state()
        found.append(_document(each, state))
    if as_json:
        print_json({"targets": found})
        return
    columns = ("target", "state", "delivered", "last_at", "retried", "failed", "message")
    times = {"last_at", "next_at"}
    print_table(
        columns,
        (
            [local_time(each.get(c)) if c in times else each.get(c) for c in columns]
            for each in found
        ),
        f"No targets: `leasewire outcomes deliver --help` shows {FILE}.",
    )


@app.command()
def failed(
    target: TargetArgument, *, as_json: JsonOption = False, inventory: InventoryOption = None
) -> None:
    """List what a target did not take for three days.

    Example: leasewire outcomes failed billing
    """
    context = Context(inventory)
    _named(context, target)
    dead = [_failed_document(each) for each in _deliveries(context, target).dead()]
    if as_json:
        print_json({"failed": dead})
        return
    columns = ("id", "service", "event", "state", "tries", "message")
    print_table(columns, ([each.get(c) for c in columns] for each in dead), "Nothing failed.")


@app.command()
def retry(  # noqa: PLR0913 - as many options
    target: TargetArgument,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Try again what a target did not take, at once and for three more days.

    Example: leasewire outcomes retry billing --all
    """
    if bool(ids) == everything:
        typer.echo("Name the ids, as `outcomes failed` lists them, or --all.", err=True)
        raise typer.Exit(_BAD_INPUT)
    context = Context(inventory)
    _named(context, target)
    deliveries = _deliveries(context, target)
    wanted = [each.id for each in deliveries.dead()] if everything else list(ids or ())
    now_ms = context.store.records.now_ms()
    action = {"at_ms": now_ms, "by": actor_of(actor), "what": "retried", "target": target}
    done = deliveries.retry(wanted, now_ms, json.dumps(action | {"ids": wanted[:100]}))
    if as_json:
        print_json({"target": target, "retried": done})
    else:
        typer.echo(f"{done} of {len(wanted)} are tried again.")
    if done < len(wanted):
        raise typer.Exit(1)


@app.command("test")
def trial_command(
    target: TargetArgument, *, as_json: JsonOption = False, inventory: InventoryOption = None
) -> None:
    """Send a signed test outcome to a target now, once, and say what it answered.

    Its type is leasewire.outcome.test.v1. The exit code is 1 where the target did not take it.

    Example: leasewire outcomes test billing
    """
    context = Context(inventory)
    _named(context, target)
    (found,) = (each for each in targets_of(context) if each.name == target)
    moment = round(time.time() * 1000)
    # Imported here: an HTTP client takes a while to import.
    from gateway.outcomes.posting import trial_event  # noqa: PLC0415 - see above

    event = trial_event(
        secrets.token_hex(8),
        context.inventory.installation,
        utc_time(moment) or "",
        found.sources[0],
    )
    answer = asyncio.run(_posted(found, event, moment // 1000))
    taken = answer.verdict == "taken"
    if as_json:
        said = {"target": target, "id": event["id"], "taken": taken, "answer": answer.message}
        print_json(said)
    else:
        typer.echo(f"{target}: {event['id']} was {'' if taken else 'not '}taken: {answer.message}")
    if not taken:
        raise typer.Exit(1)


@app.command()
def secret() -> None:
    """Make a secret for the signatures of a target: for its secret_file, and for the BSS.

    Example: leasewire outcomes secret > secrets/billing-webhook
    """
    typer.echo(new_secret())


def targets_of(context: Context, *, signing: bool = True) -> list[Target]:
    """The targets of `outcomes.toml`, which stands beside the inventory.

    Args:
        context: says where that is.
        signing: False for who sends them nothing, and need not be able to read their secrets.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    try:
        return load_targets(
            context.settings.inventory.parent / FILE,
            sources=frozenset(context.inventory.sources),
            environ=environment(),
            on_secret=hide_secret,
            signing=signing,
        )
    except TargetsError as error:
        raise ConfigurationError(error.problems) from None


@contextmanager
def delivering(context: Context, targets: Sequence[Target]) -> Iterator["Delivering"]:
    """Deliver to targets while the block runs."""
    # An HTTP client takes a while to import, and other commands need none.
    from gateway.outcomes.delivery import Courier  # noqa: PLC0415 - see above
    from gateway.outcomes.delivery_thread import Delivering  # noqa: PLC0415 - see above

    installation = context.inventory.installation

    def couriers(stopping: asyncio.Event) -> list["Courier"]:
        return [
            Courier(
                target,
                deliveries=_deliveries(context, target.name),
                feed=context.store.feed,
                installation=installation,
                clock_ms=lambda: round(time.time() * 1000),
                stopping=stopping,
            )
            for target in targets
        ]

    with Delivering(couriers) as running:
        yield running


async def _posted(target: Target, event: dict[str, Any], now_s: int) -> "Answer":
    # An HTTP client takes a while to import, and other commands need none.
    from gateway.outcomes.posting import Poster  # noqa: PLC0415 - see above

    poster = Poster(target)
    try:
        return await poster.post(event, now_s)
    finally:
        await poster.close()


def _deliveries(context: Context, target: str) -> Deliveries:
    return Deliveries(context.store.client, context.settings.key_prefix, target)


def _named(context: Context, name: str) -> None:
    known = [each.name for each in targets_of(context, signing=False)]
    if name not in known:
        problem = f"there is no target {name}; known are: {', '.join(known) or 'none'}"
        raise ConfigurationError([problem])


def _document(target: Target, state: dict[str, str]) -> dict[str, Any]:
    failing = "failing_since" in state
    return without_empty(
        {
            "target": target.name,
            "url": urlsplit(target.url)._replace(query="").geturl(),  # keys stand there
            "sources": list(target.sources),
            "state": "failing" if failing else "well" if "last_at" in state else "nothing yet",
            "failing_since": utc_time(int(state.get("failing_since", 0))),
            "next_at": utc_time(int(state.get("next_at", 0))),
            "message": state.get("message", ""),
            "delivered": int(state.get("delivered", 0)),
            "last_at": utc_time(int(state.get("last_at", 0))),
            "retried": int(state["aside"]),
            "failed": int(state["dead"]),
            "cursor": state["cursor"],
        }
    )


def _failed_document(each: Undelivered) -> dict[str, Any]:
    data = each.event["data"]
    return {
        "id": each.id,
        "service": data.get("service"),
        "event": data.get("event"),
        "state": data.get("state"),
        "tries": each.tries,
        "first_at": datetime.fromtimestamp(each.first_ms / 1000, UTC).isoformat(),
        "message": each.message,
        "body": each.event,
    }
