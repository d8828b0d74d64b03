"""How commands answer: text for people or one JSON document for programs, and an exit code.

A command returns an `Answer`; `App` gives it the options `--json`, `-o wide` and `--no-header`, and
prints what it returns. If it has a parameter `context`, `App` gives it `--inventory` too. What a
router, a BSS or a file said is printed as text and never as markup or terminal control.
"""

import json
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from leasewire.tables import TextTable as TextTable  # noqa: PLC0414 - commands import it from here
from worker.admin.json_fields import clean as clean  # noqa: PLC0414 - commands import it from here
from worker.core.texts import counted as counted  # noqa: PLC0414 - as above


class Exit(IntEnum):
    """Exit codes of every command but `status`, which exits like a monitoring plugin."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    CHANGES = 4
    INTERRUPTED = 130


class Health(IntEnum):
    """Exit codes of `status`, in the convention of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


EXIT_CODES: Final = """\
0 done, all well; 1 something failed, was refused or does not exist; 2 the input or the
configuration is wrong, or Redis refuses the login; 3 Redis or a router cannot be reached, or a wait
timed out; 4 there is something to do, such as a change that --apply makes; 130 interrupted."""


Layout = Literal["table", "wide", "json"]
"""How tables are printed."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
LayoutOption = Annotated[
    Layout, typer.Option("--output", "-o", help="wide: every column, whatever the width.")
]
NoHeaderOption = Annotated[bool, typer.Option("--no-header", help="Print tables without headings.")]
ApplyOption = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Make the changes. Without it they are only shown, and the exit code is 4 if there "
        "are any.",
    ),
]


class Line(NamedTuple):
    """A line in a colour of its own."""

    text: str
    colour: str | None = None
    bold: bool = False


class Fields(dict[str, Any]):
    """Names and values, one a line; those without a value are left out."""

    def lines(self) -> Iterable[str]:
        """The lines, with the values below each other."""
        shown = {name.replace("_", " "): cell(value) for name, value in self.items()}
        width = max((len(name) for name, text in shown.items() if text), default=0)
        return [f"{name:{width}}  {text}" for name, text in shown.items() if text]


Part = str | Line | Fields | TextTable


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say.

    Attributes:
        document: for `--json`.
        text: the same for people, from above to below.
        code: the exit code.
        errors: lines for standard error, in both forms.
    """

    document: Any
    text: Iterable[Part] = ()
    code: Exit | Health = Exit.OK
    errors: Iterable[str] = ()


def write(answer: Answer, layout: Layout = "table", *, header: bool = True) -> None:
    """Print an answer, and end the command where its exit code is not 0."""
    if layout == "json":
        typer.echo(json.dumps(answer.document, indent=2, ensure_ascii=True))
    else:
        for part in answer.text:
            write_part(part, layout, header=header)
    for error in answer.errors:
        typer.secho(clean(error), fg="red", err=True)
    if answer.code:
        raise typer.Exit(answer.code)


def write_part(part: Part, layout: Layout = "table", *, header: bool = True) -> None:
    """Print one part of an answer for people."""
    match part:
        case str():
            typer.echo(clean_lines(part))
        case Line(text, colour, bold):
            typer.secho(clean_lines(text), fg=colour, bold=bold)
        case Fields():
            for line in part.lines():
                typer.echo(line)
        case TextTable():
            # A pipe gets every row in one line.
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            for line in part.lines(cell, width, wide=layout == "wide", header=header):
                typer.echo(line)


def fail(*lines: object, code: Exit = Exit.FAILED) -> NoReturn:
    """End the command with lines on standard error."""
    for line in lines:
        typer.echo(clean_lines(str(line)), err=True)
    raise typer.Exit(code)


bad_input: Final = partial(fail, code=Exit.BAD_INPUT)


def clean_lines(text: str) -> str:
    """Printable text that keeps its line breaks; for sentences of ours."""
    return "\n".join(map(clean, text.split("\n")))


_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def cell(value: object) -> str:
    """A value of a document as people read it, in one line."""
    match value:
        case None | "" | [] | ():  # a pattern {} would match every mapping
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case dict():
            parts = {name: cell(part) for name, part in value.items() if part}
            nested = {name for name in parts if isinstance(value[name], dict)}
            return " ".join(
                f"{name}=({text})" if name in nested else f"{name}={text}"
                for name, text in parts.items()
            )
        case str() if _UTC.fullmatch(value):
            return local_time(value)
        case _:
            return clean(value)


def local_time(moment: str | None) -> str:
    """A time in RFC 3339 as local time to the second; empty for none."""
    if not moment:
        return ""
    return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")


class Group(TyperGroup):
    """A group of commands whose summaries are printed whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - private to Typer
        """Write the commands with their summaries."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(n, c.get_short_help_str(limit=1000)) for n, c in commands if c and not c.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class App(typer.Typer):
    """Commands of one noun, with options as `typer.Typer` takes them."""

    def __init__(self, text: str, **options: Any) -> None:  # noqa: ANN401 - theirs
        chosen: dict[str, Any] = {"cls": Group, "add_completion": False} | options
        super().__init__(
            help=text,
            no_args_is_help=True,
            # An expected failure is a line on standard error; any other is a bug with a traceback.
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            **chosen,
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[..., Any]:  # noqa: ANN401 - theirs
        """Register a function as a command; the answer that it returns is printed."""
        register = super().command(name, **options)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            register(answering(function))
            return function

        return decorate


def answering(function: Callable[..., Any]) -> Callable[..., None]:
    """A function for Typer: prints the answer of a command, and ends quietly at Ctrl-C.

    A command with a parameter `context` has the option `--inventory`, from which that is made.
    """
    own = signature(function, eval_str=True)
    parameters = dict(own.parameters)
    of_context = parameters.pop("context", None)
    if of_context is not None:
        parameters["inventory"] = _optional("inventory", of_context.annotation.option, None)
    answers = own.return_annotation is Answer
    added = {
        "as_json": _optional("as_json", JsonOption, default=False),
        "layout": _optional("layout", LayoutOption, "table"),
        "no_header": _optional("no_header", NoHeaderOption, default=False),
    }

    def command(**given: Any) -> None:  # noqa: ANN401 - the signature below says
        output = {name: given.pop(name) for name in added} if answers else {}
        try:
            with interruptible():
                if of_context is not None:
                    given["context"] = of_context.annotation(given.pop("inventory"))
                answer = function(**given)
                if answers:
                    layout: Layout = "json" if output["as_json"] else output["layout"]
                    write(answer, layout, header=not output["no_header"])
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = Signature(  # type: ignore[attr-defined]  # read by inspect
        [*parameters.values(), *(added.values() if answers else ())]
    )
    return command


def _optional(name: str, kind: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


class interruptible:  # noqa: N801 - a context manager
    """Let Ctrl-C raise KeyboardInterrupt while the block runs; outside it ends the process.

    `leasewire/__main__.py` says why. An ignored SIGINT, as in the background of a shell, stays so.
    """

    def __enter__(self) -> None:
        self._was_default = signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        if self._was_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._was_default:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
