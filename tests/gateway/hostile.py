"""An installation of its own with a gateway, by `leasewire up --gateway`, to be attacked."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.forking import run
from tests.installation import Installation, end

A, B = "urn:isp:bss:a", "urn:isp:bss:b"
HOOKS = f"""\
[hooks.billing]
adapter = "generic"
source = "{A}"
success = 202
signature = {{ header = "X-Signature", prefix = "sha256=", secret.env = "BILLING_SECRET" }}
constants = {{ router = "R1" }}
[hooks.billing.fields]
event = "action"
service_id = "service"
revision = "revision"
[hooks.billing.events]
note = "ignored"
"""
SECRET = "signing-secret-9d2f41"
MEMORY_KB = 200 * 1024
HEALTH_S = 0.1


@dataclass
class Target:
    """What is attacked."""

    url: str
    pid: int
    here: Installation
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @property
    def most_memory_kb(self) -> int:
        """What its process took at the most."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def command(self, *message: str) -> str:
        """What `leasewire` says in this installation."""
        where = {"env": environ_of(self.here), "cwd": self.here.directory}
        done = run([sys.executable, "-m", "leasewire", *message], text=True, **where)
        done.check_returncode()
        return str(done.stdout)

    def key(self, name: str, *options: str) -> str:
        """A new API key."""
        return self.command("keys", "create", name, *options, "--only-key").strip()


def environ_of(here: Installation) -> dict[str, str]:
    """The variables of `up` and of commands beside it: its Valkey is its own."""
    environ = here.environ | {"BILLING_SECRET": SECRET}
    del environ["LEASEWIRE_REDIS_URL"]
    return environ


@contextmanager
def target(directory: Path) -> Iterator[Target]:
    """Run one while the block runs."""
    sources = {A: "revisions", B: "revisions"}
    log = directory / "up.log"
    with Installation(directory, sources=sources) as here, log.open("wb") as lines:
        (directory / "hooks.toml").write_text(HOOKS)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "leasewire", "up", "--gateway", "--port", "0"],
            env=environ_of(here),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=lines,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = "The gateway listens on "
            listens = next((each for each in process.stdout if each.startswith(said)), None)
            assert listens, log.read_text()
            url = listens.removeprefix(said).split(";")[0].strip()
            yield Target(url, process.pid, here, log)
        finally:
            end(process)
