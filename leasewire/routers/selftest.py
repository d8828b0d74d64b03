"""`leasewire selftest`: asks a spare router what no source says of RouterOS."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, Exit, Fields, Part, TextTable, bad_input, clean, counted, fail
from leasewire.context import ActorOption, Context, RouterArgument
from worker.errors import RouterUnreachable, StoreUnavailable, UnreadableStoreError
from worker.selftest import lab
from worker.selftest.lab_router import LabClock, LabRouter
from worker.selftest.questions import Question
from worker.selftest.report import Answered, report
from worker.selftest.run import QUESTIONS, NotCleanedError, Place, chosen, run, seconds_of
from worker.selftest.safety import obstacles, uses
from worker.version import installed_version

_TWICE: Final = "On a router that is in use it needs --in-use, and the router's name: --confirm"


def selftest_command(  # noqa: PLR0913 - each is an option
    context: Context,
    name: RouterArgument,
    *,
    question: Annotated[
        list[str] | None,
        typer.Option("--question", help="Ask only this; may be repeated. Default: all."),
    ] = None,
    ports: Annotated[
        str | None,
        typer.Option(
            metavar="PORT,PORT",
            help="Two spare ports that a cable joins. Default: a virtual cable (7.12 and later).",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be made, and make nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    in_use: Annotated[
        bool, typer.Option("--in-use", help="Also on a router with services or leases.")
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --in-use: the router's name once more."),
    ] = None,
    clean_up: Annotated[
        bool, typer.Option("--clean", help="Remove what a killed self-test left; ask nothing.")
    ] = False,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write the report to this file, as JSON.")
    ] = None,
    actor: ActorOption = "",
) -> Answer:
    """Ask a spare router what no source says of RouterOS, such as when a changed rate acts.

    Makes a lab of its own on the router: interfaces, a DHCP server with pool and network, and a
    DHCP client. Asks one question after the other, removes all that it made, and prints the
    answers, each with what was seen; unknown where that does not decide it. Shows first what it
    makes, and asks. All questions take a quarter of an hour at most. Ctrl-C removes the lab;
    after a crash --clean does, and touches no row of others.

    The report has no names, addresses or passwords of yours. `leasewire simulator --profile FILE`
    behaves as it says; please send it to the project.

    Exit 0: done; 1: refused, or something was left on the router; 2: it cannot be made there; 3:
    the router cannot be reached; 4: --clean --dry-run, and there is something to remove.

    Example: leasewire selftest spare-1 --report report.json
    """
    config = context.router(name)
    questions = _questions(question or [])
    cabled = _ports(ports)
    if report_file and (report_file.exists() or not report_file.parent.is_dir()):
        bad_input(f"{report_file} exists, or its directory does not: name another file.")
    again = partial(LabRouter, config, context.settings, LabClock(time.monotonic, time.sleep))
    with _stopped_by_signals(), closing(again()) as router:
        if clean_up:
            return _clean(router, dry_run=dry_run)
        reasons = [*uses(router), *_services(context, name)]
        in_the_way = obstacles(router, cabled)
        if in_the_way:
            bad_input(*(f"{name}: {line}" for line in in_the_way))
        plan = _plan(router, questions, cabled, reasons)
        if dry_run:
            return plan
        _permitted(plan, name, reasons, yes=yes, in_use=in_use, confirm=confirm)
        answered = _asked(Place(router, again, cabled), questions)
        document = report(
            router,
            answered,
            wire="cable" if cabled else "macvlan",
            leasewire=installed_version(),
            now=datetime.now(UTC),  # noqa: TID251 - this is the composition root
        )
    _note(context, name, actor, answered)
    text = _text(document, answered)
    if report_file:
        report_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        text += ["", f"Report: {report_file}"]
    return Answer(document, text)


def _questions(names: Sequence[str]) -> list[Question]:
    known = [question.name for question in QUESTIONS]
    unknown = [name for name in names if name not in known]
    if unknown:
        bad_input(f"There is no question {', '.join(unknown)}; there are: {', '.join(known)}")
    return chosen(names)


def _ports(text: str | None) -> lab.Ports | None:
    if text is None:
        return None
    first, _, second = (part.strip() for part in text.partition(","))
    if not first or not second or "," in second or first == second:
        bad_input("--ports takes two ports, such as ether4,ether5")
    return first, second


def _services(context: Context, name: str) -> list[str]:
    """Services of ours on the router; that they are not known counts as if there were some."""
    try:
        number = context.store.views.router(name).services
    except (StoreUnavailable, UnreadableStoreError):
        return ["Redis is not available: whether services are on it is not known"]
    return [f"{counted(number, 'service')} of ours may have rows on it"] if number else []


def _plan(
    router: LabRouter, questions: Sequence[Question], ports: lab.Ports | None, reasons: list[str]
) -> Answer:
    made = [row.shown for row in lab.lab_rows(ports)]
    minutes = max(1, round(seconds_of(questions, by_rest=router.by_rest) / 60))
    asked = counted(len(questions), "question")
    text: list[Part] = [
        f"{router.name}: RouterOS {clean(router.version)}, {clean(router.board)}",
        *(f"! {clean(reason)}" for reason in reasons),
        "",
        "Makes for a while, and removes again:",
        *(f"  {row}" for row in made),
        f"and leases and other rows for single questions. Asks {asked}: {minutes} minutes at most.",
    ]
    document = {
        "router": router.name,
        "makes": made,
        "questions": [question.name for question in questions],
        "minutes": minutes,
        "in_use": reasons,
    }
    return Answer(document, text)


def _permitted(  # noqa: PLR0913 - as many options
    plan: Answer, name: str, reasons: list[str], *, yes: bool, in_use: bool, confirm: str | None
) -> None:
    """Let a person decide, twice where the router seems to serve somebody."""
    if reasons and not in_use:
        fail(f"{name} seems to be in use:", *(f"  {line}" for line in reasons), f"{_TWICE} {name}.")
    if confirm is not None and confirm != name:
        bad_input(f"--confirm {confirm} is not the name of the router: {name}")
    if not (yes or confirm):
        for part in plan.text:
            typer.echo(clean(part) if isinstance(part, str) else "", err=True)
    interactive = sys.stdin.isatty()
    if reasons and confirm is None:
        if not interactive:
            bad_input(f"{_TWICE} {name}.")
        typed = typer.prompt(f"Type the name of the router to go on ({name})", err=True)
        if typed != name:
            fail(f"{clean(typed)} is not {name}: nothing was done.")
    elif not reasons and not yes:
        if not interactive:
            bad_input("Without a terminal the self-test needs --yes.")
        typer.confirm("Go on?", abort=True, err=True)


def _asked(place: Place, questions: Sequence[Question]) -> list[Answered]:
    name, number = place.router.name, 0

    def progress(answered: Answered) -> None:
        nonlocal number
        number += 1
        line = f"{number}/{len(questions)} {answered.question.name}: {answered.shown}"
        typer.echo(clean(line), err=True)

    def cleaning() -> None:
        typer.echo("Removing what the self-test made …", err=True)

    try:
        return run(place, questions, progress, cleaning)
    except NotCleanedError as error:
        away = isinstance(error.__cause__, RouterUnreachable)
        fail(
            f"{name}: rows of the self-test may still be there: {clean(error)}",
            f"Remove them: leasewire selftest {name} --clean",
            code=Exit.UNREACHABLE if away else Exit.FAILED,
        )


def _clean(router: LabRouter, *, dry_run: bool) -> Answer:
    rows = [f"{menu} {row.get('name') or row['.id']}" for menu, row in lab.leftovers(router)]
    if dry_run:
        text = [*map(clean, rows), counted(len(rows), "row") + " would be removed."]
        return Answer({"would_remove": rows}, text, Exit.CHANGES if rows else Exit.OK)
    left = lab.clean(router)
    if left:
        fail(f"{router.name}: still there:", *map(clean, left), "Try again in a minute.")
    return Answer({"removed": rows}, [f"{router.name}: removed {counted(len(rows), 'row')}"])


def _text(document: dict[str, Any], answered: Sequence[Answered]) -> list[Part]:
    rows = [
        {"question": found["question"], "answer": one.shown, "seen": "; ".join(found["seen"])}
        for found, one in zip(document["answers"], answered, strict=True)
    ]
    about = {name: document[name] for name in ("routeros", "board", "date")}
    return [Fields(about), "", TextTable(rows, "question, answer, seen")]


def _note(context: Context, name: str, actor: str, answered: Sequence[Answered]) -> None:
    known = sum(result.finding.answer is not None for result in answered)
    detail = f"{known} of {counted(len(answered), 'question')} answered"
    context.note(actor, "router.self_tested", name, detail)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and the end of the terminal remove the lab, as Ctrl-C does."""
    previous = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
