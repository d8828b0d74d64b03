"""Worker processes are started again, ended in order, and do not outlive their supervisor."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import SOURCE, mac_changed
from tests.forking import Forked, runs
from tests.waiting import eventually
from tests.worker.desk import Desk
from worker.runtime.process import EXIT_CONFIGURATION
from worker.runtime.supervisor import Supervisor
from worker.store.store import open_store

pytestmark = [pytest.mark.redis, pytest.mark.e2e]

INVENTORY = f"""
[installation]
id = "tests"
[routers.R1]
host = "127.0.0.1"
transport = "api"
username = "leasewire"
password_env = "ROUTER_PASSWORD"
[sources."{SOURCE}"]
order = "revisions"
"""


@pytest.fixture
def supervise(short_directory, own_valkey):
    """Starts supervisors; whatever is left of them and of theirs in the end is killed."""
    inventory = short_directory / "routers.toml"
    inventory.write_text(INVENTORY)
    environ = {
        **os.environ,
        "LEASEWIRE_REDIS_URL": own_valkey.url,
        "LEASEWIRE_INVENTORY": str(inventory),
        "LEASEWIRE_ROUTER_THREADS": "4",
        "ROUTER_PASSWORD": "secret",
    }
    started = []

    def supervise(**more):
        process = Forked(
            [sys.executable, "-m", "tests.worker.supervised"],
            env=environ | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield supervise
    left = pids(own_valkey).values() if started else ()
    for process in started:
        process.kill()
    for pid in left:
        if lives(pid) and runs(pid, "worker.runtime.process"):
            os.kill(pid, signal.SIGKILL)
    for process in started:
        process.communicate(timeout=30)  # who holds its pipe outlives it


def pids(server):
    """kind: pid, of the workers that give signs of life."""
    with server.client() as client:
        names = open_store(client, "lw:").heartbeats.workers()
    return {
        kind: int(rest.rpartition(":")[2]) for kind, _, rest in (n.partition("@") for n in names)
    }


def lives(pid):
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_killed_worker_comes_back_and_all_end_with_their_supervisor(supervise, own_valkey):
    supervisor = supervise()
    eventually(lambda: len(pids(own_valkey)) == 2, "both kinds run", within_s=30)
    before = pids(own_valkey)
    os.kill(before["events"], signal.SIGKILL)
    eventually(
        lambda: pids(own_valkey).get("events", before["events"]) != before["events"],
        "another one took its place",
        within_s=30,
    )
    after = pids(own_valkey)
    assert after["routers"] == before["routers"]
    assert supervisor.poll() is None

    supervisor.send_signal(signal.SIGTERM)
    out, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert not any(map(lives, after.values()))
    assert out == "", "Celery's own text is no log line"


def test_workers_do_not_outlive_a_killed_supervisor(supervise, own_valkey):
    supervisor = supervise()
    eventually(lambda: len(pids(own_valkey)) == 2, "both kinds run", within_s=30)
    workers = list(pids(own_valkey).values())
    supervisor.kill()
    eventually(lambda: not any(map(lives, workers)), "its workers end", within_s=30)


def test_what_only_a_person_can_mend_ends_the_supervisor(supervise, short_directory):
    (short_directory / "routers.toml").write_text("[installation]\n[routers.R1]\n")
    supervisor = supervise(LEASEWIRE_CONNECT_TIMEOUT_S="soon")
    assert supervisor.wait(30) == EXIT_CONFIGURATION
    assert "LEASEWIRE_CONNECT_TIMEOUT_S" in supervisor.stderr.read()


def test_another_installations_redis_ends_the_supervisor(supervise, own_valkey):
    with own_valkey.client() as client:
        open_store(client, "lw:").bind_installation("another")
    supervisor = supervise()
    assert supervisor.wait(30) == EXIT_CONFIGURATION
    assert "another" in supervisor.stderr.read()


@pytest.mark.usefixtures("capfd")
def test_what_ends_again_and_again_is_started_ever_more_slowly():
    now = [0.0]
    broken = {"PYTHONHOME": "/nowhere"}  # no Python comes up with it
    supervisor = Supervisor(broken, events=1, routers=0, clock=lambda: now[0])

    def ended():
        return supervisor.check() and not supervisor.pids

    for wait_s in (1, 2, 4, 8, 16, 30, 30):
        assert supervisor.check()
        assert len(supervisor.pids) == 1
        eventually(ended, "it ended")
        now[0] += wait_s - 0.01
        assert ended()
        now[0] += 0.02
    assert supervisor.check()
    now[0] += 61  # it lived long, then
    eventually(ended, "it ended")
    now[0] += 0.51
    assert not ended()
    supervisor.stop()


def test_a_worker_that_waits_for_redis_does_not_outlive_its_supervisor(short_directory):
    inventory = short_directory / "routers.toml"
    inventory.write_text('[installation]\nid = "acme"\n')
    nobody = str(2**22)  # above every process id of Linux
    ended = subprocess.run(
        [sys.executable, "-m", "worker.runtime.process", "events", "--parent", nobody],
        env={
            **os.environ,
            "LEASEWIRE_INVENTORY": str(inventory),
            "LEASEWIRE_REDIS_URL": f"unix://{short_directory}/nobody-listens.sock",
        },
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0
    assert b"waiting for Redis" in ended.stdout + ended.stderr


USER = "leasewire"


def let_in(server, password):
    """Give the workers' user this password, and end the connections that it has."""
    with server.client() as client:
        client.execute_command(
            *("ACL", "SETUSER", USER, "on", "resetpass", f">{password}", "~lw:*", "&*", "+@all")
        )
        client.execute_command("CLIENT", "KILL", "USER", USER)


def next_line(supervisor, word):
    """The next line of the log with a word in it."""
    return next(line for line in supervisor.stderr if word in line)


@pytest.fixture
def login(short_directory):
    """Variables of a login; its password file."""
    file = short_directory / "redis-password"
    file.write_text("the-first-password")
    return {"LEASEWIRE_REDIS_USERNAME": USER, "LEASEWIRE_REDIS_PASSWORD_FILE": str(file)}, file


def test_a_redis_that_refuses_at_the_start_ends_the_supervisor(supervise, own_valkey, login):
    environ, file = login
    let_in(own_valkey, "another-password")
    supervisor = supervise(**environ)
    assert supervisor.wait(30) == EXIT_CONFIGURATION
    said = supervisor.stderr.read()
    assert f"Redis at {own_valkey.url} (LEASEWIRE_REDIS_URL) refuses us" in said
    assert f"the password in {file} (LEASEWIRE_REDIS_PASSWORD_FILE)" in said
    assert "the-first-password" not in said


def test_workers_outlive_another_password_and_take_it_from_the_file(supervise, own_valkey, login):
    environ, file = login
    let_in(own_valkey, "the-first-password")
    supervisor = supervise(**environ)
    eventually(lambda: len(pids(own_valkey)) == 2, "both kinds run", within_s=30)
    before = pids(own_valkey)

    let_in(own_valkey, "the-second-password")
    said = next_line(supervisor, "store.refused")
    assert "invalid username-password pair" in said
    assert "mend what does not fit" in said
    with own_valkey.client() as client:
        desk = Desk(open_store(client, "lw:"))
        desk.publish(mac_changed())
        # A worker that ends now waits, too: it was let in before.
        os.kill(before["events"], signal.SIGKILL)
        assert "store.refused" in next_line(supervisor, '"task": "start"')
        assert supervisor.poll() is None
        assert desk.store.journal.depth("events") == 1

        file.write_text("the-second-password")
        eventually(lambda: desk.store.journal.depth("events") == 0, "it is folded", within_s=40)
    eventually(
        lambda: (
            pids(own_valkey).keys() == {"events", "routers"}
            and not pids(own_valkey).items() & before.items()
        ),
        "both were started anew",
        within_s=40,
    )
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0


def test_workers_outlive_a_rule_that_forbids_what_they_need(supervise, own_valkey, login):
    environ, _ = login
    let_in(own_valkey, "the-first-password")
    supervisor = supervise(**environ)
    eventually(lambda: len(pids(own_valkey)) == 2, "both kinds run", within_s=30)
    with own_valkey.client() as client:
        client.execute_command("ACL", "SETUSER", USER, "resetkeys", "~none:*")
        # Celery's loop ends with it; whoever is started anew waits.
        assert "store.refused" in next_line(supervisor, '"task": "start"')
        desk = Desk(open_store(client, "lw:"))
        desk.publish(mac_changed())
        assert supervisor.poll() is None
        client.execute_command("ACL", "SETUSER", USER, "~lw:*")
        eventually(lambda: desk.store.journal.depth("events") == 0, "it is folded", within_s=40)
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0


def test_workers_read_the_inventory_anew_when_they_are_told_to(
    supervise, own_valkey, short_directory
):
    supervisor = supervise()
    eventually(lambda: len(pids(own_valkey)) == 2, "both kinds run", within_s=30)
    before = pids(own_valkey)
    inventory = short_directory / "routers.toml"
    inventory.write_text("[routers.R2]\n")
    supervisor.send_signal(signal.SIGHUP)
    line = next_line(supervisor, "worker.inventory_refused")
    assert "installation" in line
    assert pids(own_valkey) == before
    inventory.write_text(
        INVENTORY.replace("[routers.R1]", "[routers.R2]").replace("127.0.0.1", "127.0.0.2")
    )
    supervisor.send_signal(signal.SIGHUP)
    line = next_line(supervisor, "worker.reloading")
    assert "router R1: removed" in line
    assert "router R2: added" in line
    eventually(
        lambda: (
            len(pids(own_valkey)) == 2 and not set(pids(own_valkey).values()) & {*before.values()}
        ),
        "both are others",
        within_s=30,
    )
    assert supervisor.poll() is None
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
