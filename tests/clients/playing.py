"""Runs a playbook with the Ansible of `.venv-clients`: for its tests, and for what is measured."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def play(clients: Path, folder: Path, playbook: Path, variables: Mapping[str, object]) -> None:
    """Run the playbook on this machine; its variables, the password among them, are in a file.

    Args:
        clients: the environment with Ansible and its collection.
        folder: what Ansible writes goes there.
        playbook: its file.
        variables: for the playbook.

    Raises:
        AssertionError: it failed; with all that it said.
    """
    given = folder / "variables.json"
    given.write_text(json.dumps(variables))
    environ = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(clients / "collections"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "true",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    command = [str(clients / "bin/ansible-playbook"), "-c", "local", "-i", "localhost,"]
    python = f"ansible_python_interpreter={clients / 'bin/python'}"
    done = subprocess.run(
        [*command, "-e", f"@{given}", "-e", python, str(playbook)],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
