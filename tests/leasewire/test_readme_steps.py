"""README's way from a clone to the first event over HTTP, typed as it stands there."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.leasewire.test_documents import ROOT, text_of
from tests.namespaces import Lab, need_namespaces
from tests.needs import missing

MOST = 8
HEADING = "## First use"
ADDRESS = "ADDRESS-OF-THIS-REPOSITORY"
ENDS_S = 60


def terminals():
    """What is typed in each terminal: a list of commands, some of several lines."""
    section = text_of("README.md").split(HEADING)[1].split("\nThe answer is 200")[0]
    return [commands(block) for block in re.findall(r"```\n(.*?)```", section, re.DOTALL)]


def commands(block):
    found, typed = [], ""
    for line in block.splitlines():
        typed += f"{line}\n"
        try:
            shlex.split(typed)
        except ValueError:  # a quote is open
            continue
        found, typed = [*found, typed], ""
    assert typed == ""
    return found


def test_from_a_clone_to_the_first_event_are_eight_commands_at_most():
    typed = [command for terminal in terminals() for command in terminal]
    assert typed[0].startswith("git clone ")
    assert "curl" in typed[-1]
    assert len(typed) <= MOST
    alone = [shlex.split(command) for command in typed]
    assert not [message for message in alone if {"&&", ";", "|"} & set(message)]


@pytest.mark.redis
@pytest.mark.router
@pytest.mark.e2e
def test_the_first_event_over_http_is_applied(short_path):
    """But for what `make` installs: that is the environment of these tests."""
    need_namespaces()  # the ports are README's, and others may listen there
    if not (ROOT / ".git").exists():
        missing("no clone can be made of what is no checkout")
    (clone, *first), second = terminals()
    subprocess.run(
        ["bash", "-ec", clone.replace(ADDRESS, str(ROOT))],  # noqa: S607 - as README's reader
        cwd=short_path,
        check=True,
        capture_output=True,
    )
    installed(short_path / "leasewire" / ".venv")
    with ExitStack() as stack:
        alone = Lab.inside(own_network(stack))
        lab = subprocess.Popen(
            [*alone, "bash", "-ec", "".join(first)],
            cwd=short_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        stack.callback(lab.communicate, timeout=ENDS_S)
        stack.callback(os.killpg, lab.pid, signal.SIGINT)
        said = said_until(lab, "The gateway listens on http://127.0.0.1:8080")
        typed = subprocess.run(
            [*alone, "bash", "-ec", "".join(second)],
            cwd=short_path,
            capture_output=True,
            text=True,
            timeout=ENDS_S,
            check=False,
        )
        head, _, body = typed.stdout.partition("\n\n")
        assert head.startswith("HTTP/1.1 200"), typed.stdout + typed.stderr + said
        [receipt] = json.loads(body)["receipts"]
        assert receipt["status"] == "applied"


def installed(environment):
    """What `make` would install in the clone: the environment that runs this test."""
    shutil.copytree(Path(sys.prefix) / "bin", environment / "bin", symlinks=True)
    (environment / ".ready").touch()


def own_network(stack):
    """The id of a process in a network namespace with a loopback of its own."""
    command = ["unshare", "-Urn", "sh", "-c", "ip link set lo up && echo ready; exec cat"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stack.callback(holder.communicate)
    assert holder.stdout.readline() == b"ready\n"
    return holder.pid


def said_until(process, message):
    """What a process says up to a line with these words."""
    late = threading.Timer(ENDS_S, process.kill)
    late.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if message in line:
            break
    else:
        pytest.fail("".join(said))
    late.cancel()
    return "".join(said)
