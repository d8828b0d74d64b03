"""What the documents name is there: commands with their options, files, links."""

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from gateway.outcomes.targets import load_targets
from leasewire.cli import app
from worker.inventory import load_inventory

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/[hr]*/*.md",
        "gateway/*/*.md",
        "clients/*/*.md",
        "deploy/runbooks/*.md",
    )
    for path in sorted(ROOT.glob(pattern))
]


def text_of(document):
    return (ROOT / document).read_text("utf-8")


def commands_in(text):
    """The `leasewire …` lines of code blocks and comments, as arguments."""
    joined = re.sub(r"\\\n[# ]*", "", text)
    found = re.findall(
        r"^(?:[#\s]*(?:docker compose exec \w+ )?|LEASEWIRE_\S+ )(leasewire .*)",
        joined,
        re.MULTILINE,
    )
    return [shlex.split(line, comments=True)[1:] for line in found]


COMMANDS = [
    arguments
    for document in (*DOCUMENTS, "docker-compose.yml")
    if not document.startswith("docs/reference/commands")  # made from the commands themselves
    for arguments in commands_in(text_of(document))
]


def test_documents_hold_commands():
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_command_of_a_document_is_understood(arguments):
    command, message = typer.main.get_command(app), list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[message.pop(0)]
    # Parses options and arguments, and runs nothing.
    command.make_context(command.name, message)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_that_a_sentence_names_exist(document):
    unknown = []
    for text in re.findall(r"`leasewire\s([^`]+)`", text_of(document)):
        command, words = typer.main.get_command(app), text.split()
        while words and hasattr(command, "list_commands") and re.fullmatch("[a-z-]+", words[0]):
            below = command.get_command(command.context_class(command), words[0])
            if below is None:
                unknown.append(text)
                break
            command, words = below, words[1:]
        known = {flag for each in command.params for flag in each.opts} | {"--help"}
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        unknown += [f"{text}: {flag}" for flag in sorted(flags - known)]
    assert unknown == []


def commands_below(command, name):
    """Every command that does something, by the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    return {
        path: found
        for word, each in below.items()
        for path, found in commands_below(each, f"{name} {word}").items()
    }


def test_every_help_has_an_example_of_its_command():
    found = commands_below(typer.main.get_command(app), "leasewire")
    assert len(found) > 80
    without = [
        name
        for name, each in found.items()
        if name.removesuffix(" file") not in " ".join(each.help.split())
    ]
    assert without == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_files_of_a_document_are_there(document):
    text = text_of(document)
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    roots = "contracts|producers|worker|gateway|simulator|leasewire|docs|tests|deploy"
    files = re.findall(rf"`((?:{roots})/[\w./*-]+)`", text)
    here = (ROOT / document).parent
    gone = [link for link in links if not (here / link).exists()]
    gone += [file for file in files if not list(ROOT.glob(file))]
    assert gone == []


def test_the_lab_of_the_compose_file_knows_its_source_and_its_listener():
    inventory = load_inventory(ROOT / "deploy" / "lab" / "config" / "routers.toml")
    known = frozenset(inventory.sources)
    outcomes = ROOT / "deploy" / "lab" / "config" / "outcomes.toml"
    (target,) = load_targets(outcomes, sources=known, environ={})
    port = urlsplit(target.url).port
    assert f'HTTPServer(("127.0.0.1", {port})' in text_of("deploy/lab/config/listener.py")
    for source in target.sources:
        assert f"--source {source}" in text_of("docs/how-to/run-with-containers.md")


ACTS = {
    "brake approve",
    "brake announce",
    "brake reject",
    "routers pause",
    "routers resume",
    "alerts dismiss",
    "alerts mute",
    "alerts unmute",
    "dead-letters retry",
    "keys create",
    "keys revoke",
    "outcomes retry",
    "people add",
    "people password",
    "people remove",
    "people role",
    "restore",
    "services restore",
}
"""What a person names outright is done at once; all else shows first what it would do."""


def test_what_is_worked_out_is_shown_before_it_is_done():
    found = commands_below(typer.main.get_command(app), "leasewire")
    options = {
        name.removeprefix("leasewire "): {flag for each in command.params for flag in each.opts}
        for name, command in found.items()
        if not name.startswith("leasewire publish")
    }
    at_once = {
        name
        for name, flags in options.items()
        if "--actor" in flags and not flags & {"--apply", "--yes"}
    }
    assert at_once == ACTS
