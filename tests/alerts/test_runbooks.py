"""Each kind of alert has a page that says what to do, with commands that there are."""

import re
from pathlib import Path

import pytest
import typer

from leasewire.cli import app
from worker.core.alerting.alerts import KINDS, OTHER_RUNBOOK

RUNBOOKS = Path(__file__).parents[2] / "deploy" / "runbooks"
PAGES = {**{kind: kind for kind in KINDS}, OTHER_RUNBOOK: "Another kind of alert"}
COMMAND = re.compile(r"`leasewire\s([^`]+)`")


def test_each_kind_has_one_and_so_have_those_that_we_do_not_know():
    assert {page.name for page in RUNBOOKS.iterdir()} == {f"{name}.md" for name in PAGES}


@pytest.mark.parametrize(("page", "title"), PAGES.items())
def test_a_runbook_says_what_to_check_and_what_to_do(page, title):
    text = (RUNBOOKS / f"{page}.md").read_text()
    assert text.startswith(f"# {title}\n")
    assert text.index("\n## Check\n") < text.index("\n## Fix\n")
    said = COMMAND.findall(text)
    assert said
    for message in said:
        command = typer.main.get_command(app)
        rest = message.split()
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, message
            command = command.commands[rest.pop(0)]
        known = {name for option in command.params for name in option.opts}
        assert {word for word in rest if word.startswith("--")} <= known, message
        needed = [p for p in command.params if p.param_type_name == "argument" and p.required]
        assert len([word for word in rest if not word.startswith("--")]) >= len(needed), message
