"""`leasewire outcomes`: sends the outcomes of its events to a BSS by webhook."""

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from contracts.webhook_signature import new_secret
from gateway.outcomes.deliveries import Undelivered
from gateway.outcomes.targets import Target
from leasewire.answer import Answer, App, Exit, TextTable, bad_input
from leasewire.context import ActorOption, Context
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from leasewire.sources.delivering import FILE, Delivery, Targets, deliveries_to, targets_of
from worker.admin.json_fields import utc_time, without_empty
from worker.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.outcomes.posting import PostResult

app = App("Outcomes of events, sent to the BSS by webhook.")

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="As in `outcomes targets`.")]


@app.command()
def deliver(context: Context) -> None:
    """Deliver outcomes to the targets of outcomes.toml, until SIGTERM or Ctrl-C.

    The file is beside the inventory. Each target is a table [targets.NAME] in it, with url, sources
    (whose events it receives), secret_file or secret_env (from `outcomes secret`), and optionally
    states (only these), ca_file and timeout_s.

    Each change of an outcome is a POST of a CloudEvent, signed by Standard Webhooks. What a target
    does not accept is retried for three days, then kept for `outcomes failed`. `leasewire up`
    delivers too. Several may run: one of them delivers to a target. At SIGHUP it reads the targets
    and the inventory again.

    Example: leasewire outcomes deliver
    """
    context.log_as_set()
    targets = Targets(context)
    if not targets.now:
        problem = f"there is no target; `leasewire outcomes deliver --help` shows {FILE}"
        raise ConfigurationError([problem])
    context.check_login()
    with asked_to_stop(reloads=True) as stopping, Delivery(targets) as delivery:
        typer.echo(f"Delivering outcomes to {', '.join(target.name for target in targets.now)}.")
        run_until_stopped(delivery, stopping, delivery.reload)
    typer.echo("Stopped.")


@app.command("targets")
def targets_command(context: Context) -> Answer:
    """List targets: their progress, what waits, and what could not be delivered.

    Example: leasewire outcomes targets
    """
    documents = [
        _document(target, deliveries_to(context, target.name).state())
        for target in targets_of(context, signing=False)
    ]
    columns = "target, state, delivered, last at=last_at, retried, failed, message, +url"
    empty = f"No targets: `leasewire outcomes deliver --help` shows {FILE}."
    return Answer({"targets": documents}, [TextTable(documents, columns, empty)])


@app.command()
def failed(context: Context, target: TargetArgument) -> Answer:
    """List what a target did not accept for three days.

    Example: leasewire outcomes failed billing
    """
    _check_known(context, target)
    dead = [_failed_document(undelivered) for undelivered in deliveries_to(context, target).dead()]
    columns = "id, service, event, state, tries, message"
    return Answer({"failed": dead}, [TextTable(dead, columns, "Nothing failed.")])


@app.command()
def retry(
    context: Context,
    target: TargetArgument,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    actor: ActorOption = "",
) -> Answer:
    """Retry what a target did not accept, at once and for three more days.

    Example: leasewire outcomes retry billing --all
    """
    if bool(ids) == everything:
        bad_input("Give the ids, as in `outcomes failed`, or --all.")
    _check_known(context, target)
    deliveries = deliveries_to(context, target)
    wanted = list(ids or ())
    if everything:
        wanted = [undelivered.id for undelivered in deliveries.dead()]
    now_ms = context.store.records.now_ms()
    done = deliveries.retry(wanted, now_ms, actor)
    return Answer(
        {"target": target, "retried": done},
        [f"{done} of {len(wanted)} are retried."],
        Exit.FAILED if done < len(wanted) else Exit.OK,
    )


@app.command("test")
def trial_command(context: Context, target: TargetArgument) -> Answer:
    """Send a signed test outcome to a target now, once, and show its answer.

    Its type is leasewire.outcome.test.v1. Exit 0: the target accepted it; 1: it did not.

    Example: leasewire outcomes test billing
    """
    # Imported here: an HTTP client takes a while to import.
    from gateway.outcomes.posting import trial_event  # noqa: PLC0415 - see above

    _check_known(context, target)
    found = next(known for known in targets_of(context) if known.name == target)
    moment = round(time.time() * 1000)
    event = trial_event(
        secrets.token_hex(8),
        context.inventory.installation,
        utc_time(moment) or "",
        found.sources[0],
    )
    answer = asyncio.run(_posted(found, event, moment // 1000))
    accepted = answer.verdict == "taken"
    verb = "accepted" if accepted else "not accepted"
    return Answer(
        {"target": target, "id": event["id"], "accepted": accepted, "answer": answer.message},
        [f"{target}: {event['id']} was {verb}: {answer.message}"],
        Exit.OK if accepted else Exit.FAILED,
    )


@app.command()
def secret() -> None:
    """Create a secret for the signatures of a target: for its secret_file, and for the BSS.

    Example: leasewire outcomes secret > secrets/billing-webhook
    """
    typer.echo(new_secret())


async def _posted(target: Target, event: dict[str, Any], now_s: int) -> "PostResult":
    # An HTTP client takes a while to import, and other commands need none.
    from gateway.outcomes.posting import Poster  # noqa: PLC0415 - see above

    poster = Poster(target)
    try:
        return await poster.post(event, now_s)
    finally:
        await poster.close()


def _check_known(context: Context, name: str) -> None:
    known = [target.name for target in targets_of(context, signing=False)]
    if name not in known:
        problem = f"There is no target {name}; targets: {', '.join(known) or 'none'}."
        raise ConfigurationError([problem])


def _document(target: Target, state: dict[str, str]) -> dict[str, Any]:
    failing = "failing_since" in state
    return without_empty(
        {
            "target": target.name,
            "url": urlsplit(target.url)._replace(query="").geturl(),  # it may hold keys
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


def _failed_document(undelivered: Undelivered) -> dict[str, Any]:
    data = undelivered.event["data"]
    return {
        "id": undelivered.id,
        "service": data.get("service"),
        "event": data.get("event"),
        "state": data.get("state"),
        "tries": undelivered.tries,
        "first_at": utc_time(undelivered.first_ms),
        "message": undelivered.message,
        "body": undelivered.event,
    }
