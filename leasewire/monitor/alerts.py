"""`leasewire alerts`: open alerts, targets, mutes."""

import re
import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, App, Exit, TextTable, clean, fail, local_time
from leasewire.context import ActorOption, Context
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.alerts import KINDS, Alert, AlertKind, with_roots
from worker.core.alerting.notifications import ANY, Mute, was_notified
from worker.errors import ConfigurationError
from worker.inventory import Inventory
from worker.log_setup import configure_logging
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import check_installed, send
from worker.watching.periodic_thread import PeriodicThread

app = App("Open alerts, the targets they are sent to, and mutes.")

_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS: Final = 90 * 86_400_000
_LAST_ROUND_S: Final = 5.0

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}; or {ANY}.")]
SubjectText = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="As in `alerts list`. Default: all.")
]


@app.command("list")
def list_command(
    context: Context,
    *,
    past: Annotated[
        bool, typer.Option("--past", help="List the last 100 changes of alerts instead.")
    ] = False,
) -> Answer:
    """List open alerts and mutes. Exit 0: no alert is open; 1: some are.

    An alert must last for a while before anybody is notified; `leasewire runbook` says what to do
    about each kind. `notified` names the targets that have received it. A router that is down
    behind another router that is down (`behind` in the inventory) is in the same message.

    Example: leasewire alerts list
    """
    if past:
        return _past(context)
    now_ms = context.store.records.now_ms()
    mutes = context.store.notifications.mutes(now_ms)
    known = _inventory(context)
    alerts = with_roots(context.store.alerts.all_open(), known.behind if known else {})
    targets = list(known.alerts) if known else []
    notified = _notified(context, alerts, targets)
    documents = [
        _document(alert, mutes, now_ms) | {"notified": notified[alert.name]} for alert in alerts
    ]
    nobody = ["not yet" if targets else "no target"]
    rows = [document | {"notified": document["notified"] or nobody} for document in documents]
    columns = "since, severity, kind, subject, message, notified, muted, follows"
    runbooks = sorted({(alert.kind, alert.runbook) for alert in alerts})
    return Answer(
        {"alerts": documents, "mutes": [_mute_document(mute) for mute in mutes]},
        [
            TextTable(rows, columns, "No alerts are open."),
            *(f"What to do about {kind}: leasewire runbook {page}" for kind, page in runbooks),
            *(_muted(mute) for mute in mutes),
        ],
        Exit.FAILED if alerts else Exit.OK,
    )


@app.command("test")
def try_command(
    context: Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET…", help="Default: all.")
    ] = None,
) -> Answer:
    """Send a test message to targets now. Exit 0: each accepted it; 1: one did not.

    Targets are tables [alerts.NAME] of the inventory with url_env or url_file (the variable or the
    file that holds the URL, in the format of apprise), and optionally severity ("critical": only
    critical alerts) and kinds (only these). Mail: mailtos://user:password@example.net?to=noc@…

    Example: leasewire alerts test mail
    """
    known = context.inventory.alerts
    _need_targets(context, context.inventory)
    unknown = sorted(set(targets or ()) - known.keys())
    if unknown:
        problem = f"no such target: {', '.join(unknown)}; targets: {', '.join(known)}"
        raise ConfigurationError([problem])
    results = []
    for name in targets or list(known):
        body = "This is a test. Alerts of Leasewire are sent here. Nothing is wrong."
        title = f"Leasewire {context.inventory.installation}: test"
        results.append({"target": name, "problem": send(known[name], title, body)})
    rows = [result | {"result": result["problem"] or "accepted"} for result in results]
    failed = any(result["problem"] for result in results)
    return Answer(
        {"targets": [without_empty(result) for result in results]},
        [TextTable(rows, "target, result")],
        Exit.FAILED if failed else Exit.OK,
    )


@app.command()
def mute(  # noqa: PLR0913 - as many options
    context: Context,
    kind: KindArgument,
    subject: SubjectText = "",
    *,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as 30m, 2h or 3d; at most 90d.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for colleagues.")] = "",
    actor: ActorOption = "",
) -> Answer:
    """Mute some alerts for a while; alerts that are still open afterwards are sent then.

    `alerts list` shows muted alerts too.

    Example: leasewire alerts mute router-down tower-7 --for 2h --reason "new mast"
    """
    _known_kind(kind)
    lasts_ms = _milliseconds(duration)
    now_ms = context.store.records.now_ms()
    made = Mute(kind, subject, now_ms + lasts_ms, actor, reason)
    context.store.notifications.mute(made, now_ms)
    return Answer(_mute_document(made), [_muted(made)])


@app.command()
def unmute(
    context: Context,
    kind: KindArgument,
    subject: SubjectText = "",
    *,
    actor: ActorOption = "",
) -> Answer:
    """End a mute early.

    Example: leasewire alerts unmute router-down tower-7
    """
    _known_kind(kind)
    store = context.store
    if not store.notifications.unmute(kind, subject, actor, store.records.now_ms()):
        fail(f"There is no such mute: {kind} {subject}".strip())
    return Answer({"kind": kind, "subject": subject}, [f"Unmuted: {kind} {subject}".strip()])


@app.command()
def dismiss(
    context: Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="revision-conflict or host-silent.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="As `alerts list` shows it.")],
    *,
    actor: ActorOption = "",
) -> Answer:
    """Dismiss an alert that a person has looked into.

    revision-conflict of a source: what holds now is right. host-silent of a host: it is gone for
    good, and its silent processes are forgotten. All others are resolved when their cause is gone;
    `alerts mute` silences them until then.

    Example: leasewire alerts dismiss host-silent noc-2
    """
    dismissed: AlertKind = "host-silent" if kind == "host-silent" else "revision-conflict"
    if kind != dismissed:
        problem = "is resolved when its cause is gone, and cannot be dismissed"
        raise ConfigurationError([f"{clean(kind)} {problem}. To silence it: leasewire alerts mute"])
    store = context.store
    if dismissed == "host-silent":
        known = bool(store.heartbeats.forget_silent(subject))
        text = "Dismissed. A process of this host that is alive is seen again within seconds."
    else:
        known = store.conflicts.dismiss(subject)
        text = "Dismissed. The next conflict of this source reopens it."
    if not store.alerts.resolve(dismissed, subject, f"dismissed by {actor}") and not known:
        fail(f"There is no such alert: {kind} {subject}")
    store.audit.record(actor, "alert.dismissed", f"{kind} {subject}")
    return Answer({"kind": kind, "subject": subject}, [text])


@app.command()
def deliver(context: Context) -> None:
    """Send alerts to their targets, until SIGTERM or Ctrl-C.

    Workers do this too (`leasewire up`, `leasewire worker`); one process sends, the others stand
    by. Use this on a host that reaches the mail server if the workers do not. At SIGHUP it reads
    the inventory again.

    Example: leasewire alerts deliver
    """
    configure_logging(context.settings)
    _need_targets(context, context.inventory)
    token = f"deliver:{secrets.token_hex(4)}"
    known = context.inventory
    targets = list(known.alerts.values())
    notifier = AlertNotifier(context.store, targets, known.installation, send, token, known.behind)

    def check(found: Inventory) -> Sequence[str]:
        _need_targets(context, found)
        return ()

    def reload() -> None:
        if context.reload(check):
            notifier.targets = list(context.inventory.alerts.values())
            notifier.behind = context.inventory.behind

    every_s = context.settings.alerts_every_s
    # what was sent and not noted is sent once more by whoever sends next
    thread = PeriodicThread("notifications", notifier.once, every_s, stop_s=_LAST_ROUND_S)
    with asked_to_stop(reloads=True) as stopping, context.heartbeat("alerts"), thread:
        typer.echo(f"Sending alerts to {', '.join(context.inventory.alerts)}.")
        run_until_stopped(thread, stopping, reload)
    typer.echo("Stopped.")


def _need_targets(context: Context, inventory: Inventory) -> None:
    if not inventory.alerts:
        problem = "has no table [alerts.NAME]; `leasewire alerts test --help` shows one"
        raise ConfigurationError([f"{context.settings.inventory}: {problem}"])
    check_installed(inventory.alerts)


def _inventory(context: Context) -> Inventory | None:
    """The inventory; None if it has mistakes: alerts are listed all the same."""
    try:
        return context.unpinned_inventory
    except ConfigurationError:
        return None


def _notified(
    context: Context, alerts: Sequence[Alert], targets: Sequence[str]
) -> dict[str, list[str]]:
    """Name of an alert -> the targets that have received it."""
    notified = {target: context.store.notifications.notified(target) for target in targets}
    return {
        alert.name: [target for target, names in notified.items() if was_notified(alert, names)]
        for alert in alerts
    }


def _known_kind(kind: str) -> None:
    if kind not in (ANY, *KINDS):
        raise ConfigurationError(
            [f"{clean(kind)} is no kind of alert; kinds: {', '.join(KINDS)}, {ANY}"]
        )


def _milliseconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    lasts_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < lasts_ms <= _LONGEST_MS:
        raise ConfigurationError(
            [f"--for {clean(text)}: must be a duration such as 30m, 2h or 3d, at most 90d"]
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
            "message": alert.text,
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


def _mute_document(mute: Mute) -> dict[str, Any]:
    document = mute._asdict()
    return document | {"until": utc_time(document.pop("until_ms"))}


def _past(context: Context) -> Answer:
    changes = [
        {
            "at": utc_time(change.at_ms),
            "what": change.what,
            "kind": change.alert.kind,
            "subject": change.alert.subject,
            "text": change.text,
        }
        for change in context.store.alerts.changes()
    ]
    columns = "at, what, kind, subject, text"
    return Answer({"changes": changes}, [TextTable(changes, columns, "No alert was opened yet.")])
