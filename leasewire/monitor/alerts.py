"""`leasewire alerts`: what is wrong now, who is told, and what nobody wants to hear of."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.host.stopping import asked_to_stop
from leasewire.printing import JsonOption, clean, local_time, print_json, print_table
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.alerts import KINDS, Alert, with_roots
from worker.core.alerting.notifications import ANY, Mute, was_notified
from worker.errors import ConfigurationError
from worker.inventory import Inventory
from worker.log_setup import configure_logging
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import check_installed, send
from worker.watching.periodic_thread import Rounds

app = typer.Typer(no_args_is_help=True, help="What is wrong now, who is told, what is muted.")

_BAD_INPUT: Final = 2
_CHECK_EVERY_S: Final = 0.2
_DISMISSED: Final = "revision-conflict"
_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS: Final = 90 * 86_400_000

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}; or {ANY}.")]
SubjectText = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="As `alerts list` shows it; else every one.")
]


@app.command("list")
def list_command(
    *,
    past: Annotated[
        bool, typer.Option("--past", help="The last 100 beginnings and ends instead.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """List what is wrong now, and what is muted. Exit 0: nothing is; 1: something is.

    Each kind must last for a while before anybody is notified, and has a page of its own that
    says what to do (`leasewire runbook`). `notified` names the targets that have taken a message of
    it. A router that is down behind another one that is down too (`behind` in the inventory)
    follows from that one, and is in the same message.

    Example: leasewire alerts list
    """
    context = Context(inventory)
    if past:
        _print_past(context, as_json=as_json)
        return
    now_ms = context.store.records.now_ms()
    mutes = context.store.notifications.mutes(now_ms)
    alerts = with_roots(context.store.alerts.open(), _behind(context))
    notified = _notified(context, alerts)
    found = [_document(each, mutes, now_ms) | {"notified": notified[each.name]} for each in alerts]
    targets = bool(_targets(context))
    if as_json:
        shown = [each._asdict() | {"until_ms": utc_time(each.until_ms)} for each in mutes]
        muted = [{n.removesuffix("_ms"): v for n, v in each.items()} for each in shown]
        print_json({"alerts": found, "mutes": muted})
    else:
        columns = ("since", "severity", "kind", "subject", "what", "notified", "muted", "follows")
        nobody = "not yet" if targets else "no target"
        print_table(
            columns,
            (
                [
                    local_time(each["since"])
                    if c == "since"
                    else ", ".join(each[c]) or nobody
                    if c == "notified"
                    else each.get(c)
                    for c in columns
                ]
                for each in found
            ),
            "Nothing is wrong.",
        )
        for kind, runbook in sorted({(each.kind, each.runbook) for each in alerts}):
            typer.echo(clean(f"What to do about {kind}: leasewire runbook {runbook}"))
        for mute in mutes:
            typer.echo(clean(_muted(mute)))
    raise typer.Exit(1 if alerts else 0)


@app.command("test")
def try_command(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET…", help="Else all of them.")
    ] = None,
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Send a message to targets now. Exit 0: each took it; 1: one did not.

    Targets are tables [alerts.NAME] of the inventory with url_env or url_file (the variable or the
    file that holds the URL, as apprise writes it), and where wanted severity ("critical": nothing
    less) and kinds (only these). Mail with TLS is mailtos://user:password@example.net?to=noc@…

    Example: leasewire alerts test mail
    """
    context = Context(inventory)
    known = context.inventory.alerts
    _need_targets(context)
    unknown = sorted(set(targets or ()) - known.keys())
    if unknown:
        problem = f"no target of alerts: {', '.join(unknown)}; there are {', '.join(known)}"
        raise ConfigurationError([problem])
    results = []
    for name in targets or list(known):
        body = "This is a test. Alerts of Leasewire come here. Nothing is wrong, nothing to do."
        title = f"Leasewire {context.inventory.installation}: test"
        results.append({"target": name, "problem": send(known[name], title, body)})
    if as_json:
        print_json({"targets": [without_empty(each) for each in results]})
    else:
        rows = ([each["target"], each["problem"] or "taken"] for each in results)
        print_table(("target", "result"), rows, "")
    if any(each["problem"] for each in results):
        raise typer.Exit(1)


@app.command()
def mute(  # noqa: PLR0913 - as many options
    kind: KindArgument,
    subject: SubjectText = "",
    *,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as 30m, 2h or 3d; 90d at the most.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for colleagues.")] = "",
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Tell nobody of some alerts for a while; what is wrong still afterwards is told then.

    They are in `alerts list` all the same.

    Example: leasewire alerts mute router-down tower-7 --for 2h --reason "new mast"
    """
    _known_kind(kind)
    lasts_ms = _milliseconds(duration)
    context = Context(inventory)
    now_ms = context.store.records.now_ms()
    made = Mute(kind, subject, now_ms + lasts_ms, actor_of(actor), reason)
    context.store.notifications.mute(made, now_ms)
    if as_json:
        print_json(made._asdict() | {"until_ms": made.until_ms})
    else:
        typer.echo(clean(_muted(made)))


@app.command()
def unmute(
    kind: KindArgument,
    subject: SubjectText = "",
    *,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """End a mute before its time.

    Example: leasewire alerts unmute router-down tower-7
    """
    _known_kind(kind)
    store = Context(inventory).store
    if not store.notifications.unmute(kind, subject, actor_of(actor), store.records.now_ms()):
        typer.echo(f"There is no such mute: {clean(f'{kind} {subject}'.strip())}", err=True)
        raise typer.Exit(1)
    typer.echo(clean(f"Unmuted: {f'{kind} {subject}'.strip()}."))


@app.command()
def dismiss(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"Such as {_DISMISSED}.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="As `alerts list` shows it.")],
    *,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """End an alert that a person has looked into: a revision-conflict of a source.

    All others end when what is wrong is mended; `alerts mute` keeps them quiet until then.

    Example: leasewire alerts dismiss revision-conflict urn:isp:bss
    """
    if kind != _DISMISSED:
        message = (
            f"ends by itself when it is mended; only {_DISMISSED} is dismissed. To hear nothing"
        )
        raise ConfigurationError([f"{clean(kind)} {message} of it: leasewire alerts mute"])
    store, who = Context(inventory).store, actor_of(actor)
    known = store.conflicts.dismiss(subject)
    if not store.alerts.end(_DISMISSED, subject, f"dismissed by {who}") and not known:
        typer.echo(f"There is no such alert: {clean(f'{kind} {subject}')}", err=True)
        raise typer.Exit(1)
    store.notifications.note_dismissed(_DISMISSED, subject, who, store.records.now_ms())
    typer.echo("It is over. The next conflict of this source begins it anew.")


@app.command()
def deliver(*, inventory: InventoryOption = None) -> None:
    """Tell the targets of alerts, until SIGTERM or Ctrl-C.

    The workers do this too (`leasewire up`, `leasewire worker`); whoever comes first tells, the
    others wait for it to end. This is for a host that reaches the mail server where workers do not.

    Example: leasewire alerts deliver
    """
    context = Context(inventory)
    configure_logging(context.settings)
    _need_targets(context)
    targets = list(context.inventory.alerts.values())
    token = f"deliver:{secrets.token_hex(4)}"
    known = context.inventory
    tell = AlertNotifier(context.store, targets, known.installation, send, token, known.behind)
    thread = Rounds("notifications", tell.once, context.settings.alerts_every_s)
    with asked_to_stop() as stopping:
        thread.start()
        typer.echo(f"Alerts are told to {', '.join(context.inventory.alerts)}.")
        while not stopping.wait(_CHECK_EVERY_S):
            pass
        thread.stop()
    typer.echo("The delivery has stopped.")


def _need_targets(context: Context) -> None:
    if not context.inventory.alerts:
        problem = "has no table [alerts.NAME]; `leasewire alerts test --help` shows one"
        raise ConfigurationError([f"{context.settings.inventory}: {problem}"])
    check_installed(context.inventory.alerts)


def _inventory(context: Context) -> Inventory | None:
    """Who asks what is wrong is answered, too, when the inventory is what is wrong."""
    try:
        return context.unpinned_inventory
    except ConfigurationError:
        return None


def _behind(context: Context) -> Mapping[str, str]:
    inventory = _inventory(context)
    return inventory.behind if inventory else {}


def _targets(context: Context) -> Sequence[str]:
    inventory = _inventory(context)
    return list(inventory.alerts) if inventory else ()


def _notified(context: Context, alerts: Sequence[Alert]) -> dict[str, list[str]]:
    """Name of an alert -> the targets that have had a message of it."""
    notified = {
        target: context.store.notifications.notified(target) for target in _targets(context)
    }
    return {
        each.name: [target for target, names in notified.items() if was_notified(each, names)]
        for each in alerts
    }


def _known_kind(kind: str) -> None:
    if kind not in (ANY, *KINDS):
        raise ConfigurationError([f"{clean(kind)} is no kind of alert: {', '.join(KINDS)}, {ANY}"])


def _milliseconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    lasts_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < lasts_ms <= _LONGEST_MS:
        raise ConfigurationError(
            [f"--for {clean(text)}: must be such as 30m, 2h or 3d, 90d at most"]
        )
    return lasts_ms


def _document(alert: Alert, mutes: Sequence[Mute], now_ms: int) -> dict[str, Any]:
    muted = [mute for mute in mutes if mute.covers(alert, now_ms)]
    return without_empty(
        {
            "since": utc_time(alert.since_ms),
            "severity": alert.severity,
            "kind": alert.kind,
            "subject": alert.subject,
            "what": alert.text,
            "muted": f"by {muted[0].by}" if muted else "",
            "follows": f"behind {alert.root.partition('|')[2]}" if alert.root else "",
            "runbook": alert.runbook,
        }
    )


def _muted(mute: Mute) -> str:
    subject = f" {mute.subject}" if mute.subject else ""
    why = f": {mute.reason}" if mute.reason else ""
    until = local_time(utc_time(mute.until_ms))
    return f"Muted until {until} by {mute.by}: {mute.kind}{subject}{why}"


def _print_past(context: Context, *, as_json: bool) -> None:
    changes = [
        {
            "at": utc_time(each.at_ms),
            "what": each.what,
            "kind": each.alert.kind,
            "subject": each.alert.subject,
            "text": each.text,
        }
        for each in context.store.alerts.changes()
    ]
    if as_json:
        print_json({"changes": changes})
        return
    columns = ("at", "what", "kind", "subject", "text")
    rows = ([local_time(e["at"]) if c == "at" else e[c] for c in columns] for e in changes)
    print_table(columns, rows, "Nothing has been told yet.")
