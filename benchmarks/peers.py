"""The public clients used for comparison, each in its own process.

They are in `.venv-clients`, which `make bench` installs from `requirements-clients.lock`. They
speak the plain API, which is cheaper than our TLS.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from librouteros import connect

from benchmarks.stage import Stage
from tests.clients.playing import play
from tests.installation import LEASES, PASSWORD, SERVER

CLIENTS = Path(__file__).parent.parent / ".venv-clients"
MISSING = "no .venv-clients: `make bench` installs it where a package index is in reach"
PIPELINE = """
import json, sys, time
from routeros_client import Api
port, user, password, rows, window = json.load(sys.stdin)
api = Api("127.0.0.1", user, password, port=port, pipeline_window=window, max_chunk_size=len(rows))
began = time.monotonic()
api.bulk_add("/ip/dhcp-server/lease", rows, pipeline=True)
print(time.monotonic() - began)
"""
WINDOW = 128

Row = dict[str, str]


def installed(clients: Path = CLIENTS) -> bool:
    """Whether the clients are there."""
    return (clients / ".ready").exists()


def entries(count: int) -> list[Row]:
    """Leases of devices and addresses that no service of the benchmarks has."""
    return [
        {
            "address": f"100.80.{n >> 8}.{n & 255}",
            "mac-address": f"00:00:5E:C0:{n >> 8:02X}:{n & 255:02X}",
            "server": SERVER,
            "comment": f"peer-{n}",
        }
        for n in range(count)
    ]


def pipelined(here: Stage, rows: Sequence[Row]) -> float:
    """Seconds that routeros-client takes to add rows, with a window of commands in flight."""
    router = here.ready["routers"][0]
    asked = [router["api_port"], here.ready["user"], PASSWORD, rows, WINDOW]
    done = subprocess.run(  # noqa: S603 - a client that we pinned
        [CLIENTS / "bin/python", "-c", PIPELINE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def by_ansible(here: Stage, rows: Sequence[Row]) -> tuple[float, float]:
    """Seconds of one task `api_modify` with these rows, and of a play without any task."""
    router = here.ready["routers"][0]
    module = {
        "hostname": router["host"],
        "port": router["api_port"],
        "username": here.ready["user"],
        "password": PASSWORD,
        "tls": False,
        "path": "ip dhcp-server lease",
        "data": rows,
    }
    with tempfile.TemporaryDirectory(prefix="lw-") as folder:
        empty_s = _played(Path(folder), [], {})
        task = {"community.routeros.api_modify": {name: f"{{{{ {name} }}}}" for name in module}}
        return _played(Path(folder), [task], module) - empty_s, empty_s


def _played(folder: Path, tasks: Sequence[object], variables: Mapping[str, object]) -> float:
    playbook = folder / "playbook.json"  # each JSON text is YAML
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    began = time.monotonic()
    play(CLIENTS, folder, playbook, variables)
    return time.monotonic() - began


def usual_script(here: Stage, mac: str, address: str) -> float:
    """Seconds of the script that many an ISP has: log in, print all, filter, add."""
    router = here.ready["routers"][0]
    began = time.monotonic()
    api = connect(router["host"], here.ready["user"], PASSWORD, port=router["api_port"])
    leases = api.path(*LEASES.strip("/").split("/"))
    if not [row for row in leases if row.get("mac-address") == mac]:
        leases.add(**{"mac-address": mac, "address": address, "server": SERVER})
    took_s = time.monotonic() - began
    api.close()
    return took_s
