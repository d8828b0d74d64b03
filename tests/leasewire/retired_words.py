"""Finds retired words in the names of the code; `test_words.py` holds that there are none.

Words are compared part by part: `is_parked`, `ParkedRouter` and `"parked-since"` all hold `parked`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("contracts", "producers", "worker", "gateway", "leasewire", "simulator")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*")
_EVENT: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_LOG_METHODS: Final = ("debug", "info", "warning", "error", "critical", "exception")


class Name(NamedTuple):
    """A name, and where it stands.

    Attributes:
        file: relative to the root.
        line: from 1.
        kind: `class`, `function`, `argument`, `variable`, `key`, `log event`,
            `option` or `help`.
        text: the name, or the help text.
    """

    file: str
    line: int
    kind: str
    text: str

    @property
    def parts(self) -> list[str]:
        """Its words, in small letters."""
        return [part.lower() for part in _PART.findall(self.text)]


def names_of(path: Path, root: Path = ROOT) -> Iterator[Name]:
    """Find all names that a file defines, its log events, its keys and its help texts."""
    file = str(path.relative_to(root))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for kind, text in _named(node):
            yield Name(file, getattr(node, "lineno", 0), kind, text)


def _named(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.ClassDef(name=name):
            yield "class", name
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _named_by_function(node)
        case ast.arg(arg=name):
            yield "argument", name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield "variable", name
        case ast.Dict(keys=keys):
            for key in keys:
                if _KEY.fullmatch(_text(key)):
                    yield "key", _text(key)
        case ast.Call():
            yield from _named_by_call(node)


def _named_by_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    yield "function", node.name
    decorators = [call for call in node.decorator_list if isinstance(call, ast.Call)]
    if any(_called(call) in ("command", "callback") for call in decorators):
        yield "help", ast.get_docstring(node) or ""


def _named_by_call(node: ast.Call) -> Iterator[tuple[str, str]]:
    texts = [text for text in map(_text, node.args) if text]
    if _called(node) in _LOG_METHODS and texts:
        event = texts[0].split(maxsplit=1)[0].rstrip(",:")
        if _EVENT.fullmatch(event):
            yield "log event", event
    if _called(node) in ("Option", "Argument", "command", "Typer", "add_argument"):
        for text in texts:
            yield "option", text
    for keyword in node.keywords:
        if keyword.arg == "help" and (text := _text(keyword.value)):
            yield "help", text


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _text(node: ast.AST | None) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
    return ""
