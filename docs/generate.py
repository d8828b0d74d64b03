"""Writes the pages of `docs/reference/` that follow from the code.

`python -m docs.generate` writes them; `--check` says which differ. Settings and their texts are
those of `worker/settings.py`, commands show their own `--help`, and the keys of `routers.toml` have
their types and defaults from the models that check the file, and their texts from
`routers-toml.texts.toml`: a key without a text, or a text without a key, is an error.
"""

import ast
import inspect
import re
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leasewire.cli import app
from worker import settings
from worker.inventory import alert_keys, file, policy_keys, pool_keys, setup_keys

FOLDER: Final = Path(__file__).parent / "reference"
WIDTH: Final = 96
NOTE: Final = "<!-- Written by `python -m docs.generate`; do not edit. -->\n"

PATTERNS: Final = {
    policy_keys.Rate: "rate, such as `10M/50M`",
    policy_keys.Time: "time, such as `30m`",
    policy_keys.ListName: "name of an address list",
    pool_keys.PoolRange: "`FIRST-LAST`, a network or one address",
    pool_keys.PoolExclusion: "`FIRST-LAST`, a network or one address",
    pool_keys.RouterPattern: "name of routers, with `*`",
    setup_keys.Address: "IPv4 address",
    setup_keys.Host: "IPv4 or IPv6 address",
    setup_keys.Prefix: "IPv4 prefix",
    setup_keys.Range: "`FIRST-LAST` or one address",
    file.RouterName: "name of a router",
}
"""What a person calls a type of the models."""

TEXTS: Final = Path(__file__).with_name("routers-toml.texts.toml")
MODELS: Final[dict[str, type[BaseModel]]] = {
    model.__name__.lstrip("_"): model
    for model in (
        file._Installation,  # noqa: SLF001 - the models of the file are its alone
        file._Router,  # noqa: SLF001
        policy_keys.PolicyKeys,
        policy_keys.PlanKeys,
        file._Source,  # noqa: SLF001
        file._Brake,  # noqa: SLF001
        pool_keys.PoolKeys,
        alert_keys.AlertKeys,
        setup_keys.SetupKeys,
        setup_keys.DhcpKeys,
        setup_keys.OptionKeys,
    )
}


def settings_page() -> str:
    """Describe every variable `LEASEWIRE_…`."""
    rows = [
        f"| `{settings.PREFIX}{name.upper()}` | {_default(field)} | {_one_line(text)} |"
        for name, text in _attribute_texts(settings.Settings).items()
        for field in [settings.Settings.model_fields[name]]
    ]
    return "\n".join(
        [
            NOTE,
            "# Settings\n",
            "Every process reads its settings from variables. An empty variable counts as not set,",
            "and a variable that is almost the name of a setting is refused. Names that end in",
            "`_S` are seconds.\n",
            "| variable | default | what it does |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def inventory_page() -> str:
    """Describe every key of `routers.toml`.

    Raises:
        ValueError: a key has no text, or a text has no key.
    """
    parts = [
        NOTE,
        "# Keys of `routers.toml`\n",
        "The inventory: routers, sources, plans, limits and targets of alerts.",
        "`leasewire init` writes a first one. An unknown key is an error, and every error is",
        "reported with its place.\n",
    ]
    texts = tomllib.loads(TEXTS.read_text("utf-8"))
    if list(texts) != list(MODELS):
        raise ValueError(f"{TEXTS.name} has {list(texts)}, the file has {list(MODELS)}")
    for name, table in texts.items():
        model, heading = MODELS[name], table["heading"]
        own = inspect.get_annotations(model)
        fields = {key: field for key, field in model.model_fields.items() if key in own}
        if fields.keys() != table["keys"].keys():
            raise ValueError(f"{heading}: differs in {fields.keys() ^ table['keys'].keys()}")
        title = f"`{heading}`" if "[" in heading else heading
        parts += [f"## {title}\n", table["text"], ""]
        parts += ["| key | values | default | what it does |", "| --- | --- | --- | --- |"]
        parts += [
            f"| `{key}` | {_values(field)} | {_default(field)} | {table['keys'][key]} |"
            for key, field in fields.items()
        ]
        parts.append("")
    return "\n".join(parts)


def commands_page() -> str:
    """Show the `--help` of every command."""
    root = typer.main.get_command(app)
    parts = [
        NOTE,
        "# Commands\n",
        "The `--help` of each command. [Exit codes](exit-codes.md) are listed apart.\n",
    ]
    group = ""
    for path, text in _helps(root, root.context_class(root, info_name="leasewire", **_FORM)):
        noun = path.split()[1]
        if noun != group:
            group = noun
            parts.append(f"## `leasewire {noun}`\n")
        if path != f"leasewire {noun}":
            parts.append(f"### `{path}`\n")
        parts += ["```text", text, "```", ""]
    return "\n".join(parts)


_FORM: Final[dict[str, Any]] = {"terminal_width": WIDTH, "max_content_width": WIDTH}


def _helps(command: Any, context: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - click's own
    if not hasattr(command, "list_commands"):
        yield context.command_path, command.get_help(context).rstrip()
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if not below.hidden:
            inside = below.context_class(below, info_name=name, parent=context, **_FORM)
            yield from _helps(below, inside)


def _attribute_texts(model: type[BaseModel]) -> dict[str, str]:
    """Find the text below each attribute of a class: name -> text."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - for mypy
    texts = {}
    for node, following in zip(body.body, body.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = following.value.value if _is_text(following) else None  # type: ignore[attr-defined]
            if text is None:
                raise ValueError(f"{model.__name__}.{node.target.id} has no text below it")
            texts[node.target.id] = text
    return texts


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == [] or isinstance(value, BaseModel):
        return ""
    return f"`{value}`" if not isinstance(value, bool) else f"`{str(value).lower()}`"


def _values(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    return _kind(kind)


def _kind(kind: Any) -> str:  # noqa: ANN401, PLR0911 - one return for each kind of type
    for known, text in PATTERNS.items():
        if kind == known:
            return text
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return ", ".join(_kind(part) for part in arguments if part is not type(None))
    if origin is list:
        return f"list: {_kind(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    names = {str: "text", int: "number", float: "number", bool: "`true`, `false`", dict: "table"}
    return names.get(kind, str(kind))


def pages() -> dict[str, str]:
    """Make the text of every page, by its name in `FOLDER`."""
    made = {
        "settings.md": settings_page(),
        "routers-toml.md": inventory_page(),
        "commands.md": commands_page(),
    }
    return {name: re.sub(r" +$", "", text, flags=re.MULTILINE) for name, text in made.items()}


def differing() -> list[str]:
    """Name the pages that are missing or stale."""
    return sorted(
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text("utf-8") != text
    )


def main(arguments: list[str]) -> int:
    """Write the pages; with `--check` only say which differ, by an exit code of 1."""
    names = differing()
    if arguments == ["--check"]:
        sys.stderr.writelines(f"{FOLDER / name} differs; run make docs\n" for name in names)
        return 1 if names else 0
    for name in names:
        (FOLDER / name).write_text(pages()[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
