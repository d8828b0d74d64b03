"""`--help` is quick, whole and in sections; completion, version, colours and Ctrl-C work."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib

import pytest
import typer

from leasewire.answer import EXIT_CODES, Exit
from leasewire.cli import SECTIONS, app
from tests.leasewire.test_documents import ROOT
from worker.version import release_of

HEAVY = ("celery", "kombu", "redis", "httpx", "fastapi", "pydantic", "structlog", "librouteros")
LIGHT = {
    "worker.errors",
    "worker.version",
    *("worker.admin", "worker.admin.json_fields", "worker.core", "worker.core.storage_format"),
    "worker.core.texts",
}
"""They load nothing beside the standard library."""
LOADED = """
import sys, json, atexit
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
import runpy
sys.argv[0] = "leasewire"
runpy.run_module("leasewire", run_name="__main__")
"""


def run(*arguments, program=("-m", "leasewire"), **environment):
    command = [sys.executable, *program, *arguments]
    env = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_it_imports_nothing_heavy(arguments):
    done = run(*arguments, program=("-c", LOADED))
    modules = json.loads(done.stderr)
    assert done.returncode == 0
    heavy = [name for name in modules if name.partition(".")[0] in HEAVY]
    heavy += [name for name in modules if name.startswith(("worker.", "gateway", "contracts"))]
    assert set(heavy) <= LIGHT


def test_completing_a_command_imports_none():
    words = {"COMP_WORDS": "leasewire r", "COMP_CWORD": "1"}
    done = run(program=("-c", LOADED), _LEASEWIRE_COMPLETE="complete_bash", **words)
    assert done.stdout.split() == [
        *("routers", "reconcile", "resync", "runbook", "reload", "restore", "redis-logins")
    ]
    assert not [name for name in json.loads(done.stderr) if name.startswith("leasewire.routers")]


def test_help_has_sections_and_no_summary_is_cut_off():
    text = run("--help").stdout
    for title, commands in SECTIONS.items():
        assert f"\n{title}:\n" in text
        for name, (_, summary) in commands.items():
            assert re.search(rf"^  {name} +{re.escape(summary)}$", text, re.MULTILINE), name
    assert "..." not in run("services", "--help").stdout.partition("Commands:")[2]


def test_every_command_in_the_sections_is_there():
    commands = typer.main.get_command(app).commands
    for section in SECTIONS.values():
        for name in section:
            assert commands[name].name == name


def test_every_exit_code_is_explained():
    text = " ".join(run("--help").stdout.split())
    assert " ".join(EXIT_CODES.split()) in text
    assert {int(code) for code in re.findall(r"\b\d+\b", EXIT_CODES)} == set(map(int, Exit))


def test_the_version_is_that_of_the_project_and_of_the_changelog():
    """The newest release; between releases the next one, of which the changelog says nothing."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert run("--version").stdout == f"leasewire {version}\n"
    released = re.findall(
        r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    if ".dev" in version:
        assert release_of(version) > release_of(released[0])
    else:
        assert released[0] == version


def test_no_color_switches_colours_off_on_a_terminal():
    for value, coloured in (("", True), ("1", False)):
        script = (
            "import sys, typer\n"
            "from leasewire import cli\n"
            "from leasewire.answer import App\n"
            "sys.stdout.isatty = lambda: True\n"
            "cli.SECTIONS['Start here']['paint'] = ('paint:paint', 'Paint.')\n"
            "import types\n"
            "module = sys.modules['leasewire.paint'] = types.ModuleType('leasewire.paint')\n"
            "module.paint = lambda: typer.secho('x', fg='red')\n"
            "sys.argv = ['leasewire', 'paint']\n"
            "cli.main()\n"
        )
        done = run(program=("-c", script), NO_COLOR=value)
        assert ("\x1b[31m" in done.stdout) == coloured, (done.stdout, done.stderr)


def test_ctrl_c_in_a_command_ends_it_without_a_traceback():
    script = (
        "import sys, types, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "from leasewire import cli\n"
        "module = sys.modules['leasewire.slow'] = types.ModuleType('leasewire.slow')\n"
        "def slow():\n    print('running', flush=True)\n    signal.pause()\n"
        "module.slow = slow\n"
        "cli.SECTIONS['Start here']['slow'] = ('slow:slow', 'Wait.')\n"
        "sys.argv = ['leasewire', 'slow']\n"
        "cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (Exit.INTERRUPTED, "")
