"""The page of a runbook: what to check and what to do about a kind of alert."""

import re
from typing import Annotated, Final

import htpy as h
from fastapi import Query
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import Pages
from worker.admin.runbooks import runbooks

_ITEM: Final = re.compile(r"(?:-|\d+\.) ")
_LINE_BREAK: Final = re.compile(r"\n(?!(?:-|\d+\.) ) *")
"""The next line goes on with the same sentence: it begins no item of a list."""


class RunbookPage(Pages):
    """The page."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/runbook", read, show, title="Runbook {name}")


def read(name: Annotated[str, Query(max_length=64, description="Of the runbook")]) -> Document:
    """A runbook."""
    text = runbooks().get(name)
    if text is None:
        raise Refused("not-found", "there is no runbook of this name")
    return {"name": name, "text": text}


def show(document: Document, viewer: Viewer) -> Node:
    """Its text as it is written, without the title."""
    del viewer
    text = document["text"].partition("\n")[2].strip()
    return h.div(".text")[[_block(block) for block in text.split("\n\n")]]


def _block(block: str) -> Node:
    """A heading, a block of code, a list or a paragraph; other Markdown is shown as it is."""
    if block.startswith("## "):
        return h.h2[block.removeprefix("## ")]
    if block.lstrip().startswith("```"):
        return h.pre["\n".join(line for line in block.split("\n") if "```" not in line)]
    lines = _LINE_BREAK.sub(" ", block).split("\n")
    if all(_ITEM.match(line) for line in lines):
        kind = h.ol if lines[0][0].isdecimal() else h.ul
        return kind[[h.li[ui.with_code(_ITEM.sub("", line))] for line in lines]]
    return h.p[ui.with_code("\n".join(lines))]
