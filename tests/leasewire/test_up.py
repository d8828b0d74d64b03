"""`leasewire up` holds its directory alone, and stops and starts without losing anything."""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.webhook_signature import new_secret
from gateway.api.api_keys import ApiKeys, KeyScope
from gateway.keys import GatewayKeys
from leasewire.context import Context
from leasewire.host.embedded import EmbeddedServer
from leasewire.host.first_inventory import init_command
from simulator.testing import PASSWORD
from simulator.testing import running as simulated
from tests.builders import activated
from tests.forking import Forked, runs
from worker.inventory import CLI_SOURCE
from worker.version import installed_version

pytestmark = [
    pytest.mark.redis,
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]

DEADLINE_S = 20
PROC = Path("/proc")


def wait_for(holds, what):
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def up(short_path):
    """Starts `leasewire up` in a directory of its own; whatever is left is ended."""
    started = []
    init_command(short_path / "routers.toml")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LEASEWIRE_")}

    def start(*options, stdin=None, as_installed=False):
        # -P: as the installed command, which does not look for modules where it is started.
        python = [sys.executable, "-P"] if as_installed else [sys.executable]
        process = (subprocess.Popen if as_installed else Forked)(
            [*python, "-m", "leasewire", "up", "--data", "data", *options],
            cwd=short_path,
            env=environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE_S)
    server_in(short_path).end_orphan()


def server_in(directory):
    return EmbeddedServer(directory / "data")


def ready(process):
    line = process.stdout.readline()
    assert line.startswith(f"Leasewire {installed_version()} is up: "), line + process.stderr.read()
    return process


def workers_of(process):
    """Process ids of the workers that a supervisor started."""
    children = (PROC / f"{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if runs(int(pid), "worker.runtime.process")]


def alive(pid):
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_second_one_is_refused_and_ctrl_c_stops_workers_and_server_in_order(up, short_path):
    process = ready(up())
    second = up()
    out, err = second.communicate(timeout=DEADLINE_S)
    assert (second.returncode, out) == (1, "")
    assert f"in use by another `leasewire up` (process {process.pid})" in err
    wait_for(lambda: len(workers_of(process)) == 2, "two workers run")
    workers = workers_of(process)
    assert (short_path / "data").stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert out.endswith("Leasewire has stopped.\n")
    assert "Traceback" not in err
    assert not any(alive(pid) for pid in workers)
    with closing(server_in(short_path).client()) as client, pytest.raises(RedisConnectionError):
        client.ping()


def test_a_start_prints_at_most_ten_lines_and_runs_nothing_in_the_working_folder(up, short_path):
    """Not even under the names of what we are made of, as whoever knows Celery calls their file."""
    for name in ("worker", "contracts", "structlog"):
        (short_path / f"{name}.py").write_text(f"open({f'{name}-was-run'!r}, 'w')\n")
    process = ready(up("--gateway", "--port", "0", "--maxmemory", "64MB", as_installed=True))
    with closing(server_in(short_path).client()) as client:
        wait_for(lambda: client.zcard("lw:processes") == 3, "gateway and workers sent a heartbeat")
        assert client.info("memory")["maxmemory"] == 64 << 20
    assert len(workers_of(process)) == 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert list(short_path.glob("*-was-run")) == []
    first_line = 1  # `ready` has read it
    started = [line for line in (out + err).splitlines() if line and "stopped" not in line]
    assert first_line + len(started) <= 10, started
    assert all(len(line) < 400 for line in started), started


def test_up_brings_a_gateway_along(up):
    process = ready(up("--gateway", "--port", "0"))
    lines = [process.stdout.readline() for _ in range(2)]
    url = lines[1].removeprefix("The gateway listens on ").strip()
    assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err


NOC = "urn:isp:bss:noc"


def poster(context, url):
    """What posts an event to the gateway with a key of that source."""
    keys = ApiKeys(context.store.client, context.settings.key_prefix)
    made = keys.create(
        "noc", [NOC], [KeyScope.PUBLISH], created_at="2026-11-24T09:15:00Z", actor="ann"
    )
    headers = {
        "Authorization": f"Bearer {made.token}",
        "Content-Type": "application/cloudevents+json",
    }
    return lambda event: httpx.post(f"{url}/v1/events", headers=headers, json=event)


def served(inventory, router):
    """The inventory, with one more router that is reached; and with a source that may override."""
    more = f"""
[routers.tower-9]
host = "{router.host}"
port = {router.api_ssl_port}
fingerprint = "{router.fingerprint_sha256}"
password_file = "secrets/tower-9"
dhcp_server = "dhcp-vlan-32"
[sources."{NOC}"]
order = "times"
scopes = ["publish", "override"]
"""
    return inventory.read_text() + more


TARGET = f"""\
[targets.noc]
url = "http://127.0.0.1:9/"
sources = ["{NOC}"]
secret_file = "secrets/webhook"
"""


def test_a_router_that_was_added_is_used_within_seconds_of_a_reload(up, short_path, leasewire):
    inventory = short_path / "routers.toml"
    with simulated(seed_guide=True, user="leasewire") as simulation:
        (short_path / "secrets" / "tower-9").write_text(PASSWORD)
        (short_path / "secrets" / "tower-9").chmod(0o600)
        process = ready(up("--gateway", "--port", "0"))
        lines = [process.stdout.readline() for _ in range(2)]
        url = lines[1].removeprefix("The gateway listens on ").strip()
        wait_for(lambda: len(workers_of(process)) == 2, "two workers run")
        before = set(workers_of(process))
        context = Context(inventory, server_in(short_path).url)
        with context.publisher() as publisher:
            given = {"source": CLI_SOURCE, "revision": None, "ipv4": "223.203.225.40"}
            publisher.publish([activated("SVC-9", router="tower-9", server=None, **given)])
        post = poster(context, url)
        assert post(activated("SVC-8", source=NOC, revision=None)).status_code == 202

        inventory.write_text(served(inventory, simulation.router))
        (short_path / "outcomes.toml").write_text(TARGET)
        (short_path / "secrets" / "webhook").write_text(new_secret())
        where = ("--data", str(short_path / "data"), "--inventory", str(inventory))
        said = leasewire("reload", *where)
        assert (said.code, "2 routers" in said.out) == (0, True), said
        delivers = GatewayKeys("lw:").target("noc").holder
        wait_for(lambda: context.store.client.exists(delivers), "its first target is delivered to")
        wait_for(lambda: simulation.router.rows("/ip/dhcp-server/lease"), "its service was written")
        wait_for(lambda: not before & set(workers_of(process)), "both workers are new ones")
        assert process.poll() is None
        refused = post(activated("SVC-8", source=NOC, revision=None, id_="another"))
        assert (refused.status_code, "scope override" in refused.text) == (403, True)


def test_a_terminal_that_is_closed_ends_it_and_a_hang_up_at_one_does_not(up, short_path):
    ours, its = pty.openpty()
    process = ready(up(stdin=its))
    os.close(its)
    wait_for(lambda: len(workers_of(process)) == 2, "two workers run")
    before = set(workers_of(process))
    process.send_signal(signal.SIGHUP)
    wait_for(
        lambda: len(workers_of(process)) == 2 and not before & set(workers_of(process)),
        "both are others",
    )
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out.endswith("Leasewire has stopped.\n")) == (0, True), err
    assert (short_path / "data" / "up.lock").read_text() == ""


def test_after_a_kill_the_next_up_takes_over_and_nothing_is_lost(up, short_path):
    first = ready(up())
    wait_for(lambda: len(workers_of(first)) == 2, "two workers run")
    workers = workers_of(first)
    with closing(server_in(short_path).client()) as client:
        client.set("kept", "yes")
        server_pid = client.info("server")["process_id"]
    first.kill()
    first.wait()
    ready(up())
    with closing(server_in(short_path).client()) as client:
        assert client.get("kept") == "yes"
        assert client.info("server")["process_id"] != server_pid
    wait_for(lambda: not any(map(alive, workers)), "the orphaned workers end by themselves")
    assert not alive(server_pid)


def test_server_that_dies_is_started_again(up, short_path):
    ready(up())
    with closing(server_in(short_path).client()) as client:
        client.set("kept", "yes")
        server_pid = client.info("server")["process_id"]
        os.kill(server_pid, signal.SIGKILL)

        def answers():
            try:
                return client.info("server")["process_id"] != server_pid
            except (RedisConnectionError, BusyLoadingError):
                return False

        wait_for(answers, "another server")
        assert client.get("kept") == "yes"


def test_files_are_checked_before_anybody_reads_them_again(leasewire, tmp_path):
    init_command(tmp_path / "routers.toml")
    said = leasewire("config", "check")
    assert (said.code, said.out) == (0, "routers.toml is correct: 1 router, 2 sources.\n"), said
    assert leasewire("config", "check", "--json").document["routers"] == 1
    said = leasewire("reload")
    assert (said.code, "No `leasewire up` runs in" in said.err) == (1, True), said
    (tmp_path / "outcomes.toml").write_text("[targets.bss]\n")
    (tmp_path / "secrets" / "simulator").unlink()
    for command in (("config", "check"), ("reload",)):
        said = leasewire(*command)
        assert said.code == 2
        assert "outcomes.toml: targets.bss" in said.err
        assert "secrets/simulator is empty or cannot be read" in said.err


@pytest.mark.parametrize("size", ["lots", "0", "-1", "2 gb"])
def test_a_limit_that_is_no_size_is_refused(leasewire, size):
    said = leasewire("up", "--data", "data", "--maxmemory", size)
    assert (said.code, "must be a size such as 512mb" in said.err) == (2, True), said.err


def test_directory_of_something_else_is_left_alone(leasewire, tmp_path):
    init_command(tmp_path / "routers.toml")
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    said = leasewire("up", "--data", "data")
    assert said.code == 1
    assert "neither empty nor a data directory of Leasewire" in said.err
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755
