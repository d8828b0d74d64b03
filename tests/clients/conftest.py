import json
import shutil
import subprocess
from pathlib import Path

import pytest

from simulator.testing import running
from tests.needs import missing

HERE = Path(__file__).parent
PYTHON_CLIENTS = HERE.parent.parent / ".venv-clients"
NODE_CLIENTS = HERE / "node"


@pytest.fixture(scope="session")
def python_clients():
    """The folder with the environment of the clients written in Python."""
    if not (PYTHON_CLIENTS / ".ready").exists():
        missing("no .venv-clients: `make test` installs it where a package index is in reach")
    return PYTHON_CLIENTS


@pytest.fixture(scope="session")
def node():
    """The program `node`, with the packages beside `story.js` in place."""
    program = shutil.which("node")
    if program is None:
        missing("node is not installed")
    if not (NODE_CLIENTS / "node_modules/.package-lock.json").exists():
        missing("no node_modules: `make test` installs it where npm and a registry are in reach")
    return program


@pytest.fixture
def run_story():
    """Give a program its task as JSON, and give what it tells as JSON."""

    def run(*command, asked):
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def sim():
    with running(seed_guide=True) as simulation:
        yield simulation
