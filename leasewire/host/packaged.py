"""`leasewire runbook` and `deploy-files`: what an operator needs, out of the installed package."""

import difflib
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final

import typer

from leasewire.printing import clean, print_table
from worker.errors import ConfigurationError

_FILES: Final = files("leasewire") / "files"
_FOLDERS: Final = ("redis", "systemd", "prometheus", "grafana", "runbooks")


def runbook_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="As `alerts list` and messages name it; else a list."),
    ] = None,
) -> None:
    """Print what to look at and what to do about a kind of alert; without a name, which there are.

    Example: leasewire runbook router-down
    """
    pages = {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in sorted((_FILES / "runbooks").iterdir(), key=lambda page: page.name)
    }
    if name is None:
        rows = ([each, _first_sentence(text)] for each, text in pages.items())
        print_table(("name", "about"), rows, "")
        return
    wanted = name.removesuffix(".md")
    if wanted not in pages:
        near = difflib.get_close_matches(wanted, pages, n=1)
        hint = f"did you mean {near[0]}?" if near else "`leasewire runbook` lists them"
        raise ConfigurationError([f"there is no runbook {wanted}: {hint}"])
    typer.echo(pages[wanted], nl=False)


def deploy_files_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if missing.")],
) -> None:
    """Write configuration and users of Redis, units, rules, dashboard and runbooks into a folder.

    Nothing that is there already is overwritten: then it ends, and says what is in the way.

    Example: leasewire deploy-files leasewire-deploy
    """
    wanted = {directory / folder / file.name: file for folder in _FOLDERS for file in _in(folder)}
    if there := [path for path in wanted if path.exists()]:
        raise ConfigurationError([f"{path} is there already" for path in there])
    try:
        for path, file in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with as_file(file) as source:
                path.write_bytes(source.read_bytes())
    except OSError as error:
        problem = f"{error.filename}: cannot be written: {error.strerror}"
        raise ConfigurationError([problem]) from error
    typer.echo(clean(f"Wrote {len(wanted)} files into {directory}: {', '.join(_FOLDERS)}."))


def _in(folder: str) -> list[Traversable]:
    return sorted((_FILES / folder).iterdir(), key=lambda file: file.name)


def _first_sentence(text: str) -> str:
    """Of a page: what stands under its title, in one line."""
    paragraph = text.split("\n\n")[1].replace("\n", " ")
    return paragraph.split(". ")[0].rstrip(".:")
