"""Redis is killed, loses power, is full, or has a full disk; all goes on, and no event is lost."""

import os
import shutil
import signal
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from producers.connection import open_publisher
from producers.errors import PublishFailed
from tests.faults.harness import Harness
from tests.faults.load import Load, activated
from tests.waiting import eventually

pytestmark = [pytest.mark.redis]
whole = [pytest.mark.e2e, pytest.mark.router]


def clock():
    return datetime.now(UTC)


@pytest.mark.e2e
@pytest.mark.router
def test_ten_kills_of_redis_under_load_lose_nothing_that_was_taken(short_directory):
    with Harness(short_directory) as here:
        here.valkey.appendfsync = "always"
        here.client.config_set("appendfsync", "always")
        here.start_workers("events", "routers")
        load = Load(here.publisher)
        load.start()
        try:
            for kill in range(10):
                before = len(load.taken)
                eventually(
                    lambda more=before + 5: len(load.taken) > more, f"load {kill}", within_s=20
                )
                here.valkey.kill()
                here.valkey.start()
        finally:
            load.ends.set()
            load.join()
        here.wait_until_settled(60)
        assert len(here.rows("R1")) == len(load.taken)
        assert here.without_final_outcome(load.taken) == []


def aof(server):
    [file] = server.directory.glob("appendonlydir/*.incr.aof")
    return file


def lose_power(server, synced):
    """End the server, and keep of its file what was synced to the disk."""
    file = aof(server)
    server.kill()
    os.truncate(file, synced)
    server.start()


def test_a_power_loss_takes_nothing_where_every_write_is_synced(own_valkey, prefix):
    own_valkey.appendfsync = "always"
    with (
        own_valkey.client() as client,
        open_publisher(own_valkey.url, clock=clock, prefix=prefix) as publisher,
    ):
        client.config_set("appendfsync", "always")
        publisher.publish([activated(1)])
        synced = aof(own_valkey).stat().st_size
    lose_power(own_valkey, synced)
    with own_valkey.client() as client:
        assert client.hlen(f"{prefix}journal:events") == 1


def test_a_power_loss_takes_what_came_after_the_last_sync_of_every_second(own_valkey, prefix):
    with (
        own_valkey.client() as client,
        open_publisher(own_valkey.url, clock=clock, prefix=prefix) as publisher,
    ):
        publisher.publish([activated(1)])
        # Redis itself says when all is on the disk: within a second, as the docs promise.
        assert client.execute_command("WAITAOF", 1, 0, 1_900)[0] == 1
        synced = aof(own_valkey).stat().st_size
        publisher.publish([activated(2)])
        assert client.hlen(f"{prefix}journal:events") == 2
    lose_power(own_valkey, synced)
    with own_valkey.client() as client:
        [body] = client.hvals(f"{prefix}journal:events")
    assert "SVC-1" in body


def wait_for_rows(here, wanted):
    """Wait for services' rows, where workers may have ended that could not note a message."""

    def written():
        here.start_ended()  # Celery ends one; its supervisor starts another, which waits
        return wanted <= here.rows("R1").keys()

    eventually(written, f"the rows of {wanted}", within_s=30)


@pytest.mark.e2e
@pytest.mark.router
def test_a_redis_full_to_the_brim_loses_nothing_and_all_goes_on_when_there_is_room(short_directory):
    with Harness(short_directory) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(lambda: here.rows("R1"), "a first row", within_s=20)
        here.wait_until_settled()
        [events, _] = [worker.process for worker in here.workers]
        events.send_signal(signal.SIGSTOP)
        here.client.rpush("lw:events", b"no message \xff")
        here.publisher.publish([activated(2)])
        here.client.config_set("maxmemory", 1)
        events.send_signal(signal.SIGCONT)
        eventually(lambda: not here.client.llen("lw:events"), "both were taken", within_s=20)
        eventually(
            lambda: "message.dropped" in here.log_text(), "the broken one is told", within_s=20
        )
        eventually(
            lambda: "used memory >" in here.log_text(), "the full Redis is told", within_s=20
        )
        with pytest.raises(ResponseError, match="used memory"):
            here.client.set("x", "y")
        here.client.config_set("maxmemory", 0)

        wait_for_rows(here, {"SVC-2"})
        here.wait_until_settled()


@pytest.fixture
def small_disk():
    """A file system of 4 MB; only root may mount one."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(directory)],
        check=False,
        capture_output=True,
    )
    if not done or done.returncode:
        directory.rmdir()
        pytest.skip("a small file system can only be mounted by root")
    yield directory
    subprocess.run([shutil.which("umount"), "-l", str(directory)], check=True)
    directory.rmdir()


@pytest.mark.e2e
@pytest.mark.router
def test_a_full_disk_is_reported_and_work_goes_on_with_free_space(short_directory, small_disk):
    (short_directory / "valkey").symlink_to(small_disk)
    with Harness(short_directory) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(lambda: here.rows("R1"), "a first row", within_s=20)
        ballast = small_disk / "ballast"

        def refused():
            try:
                here.client.set("filler", "x" * 100_000)
                here.publisher.publish([activated(2)])
            except (PublishFailed, ResponseError) as error:
                return str(error)
            return ""

        with ballast.open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 65_536):
                    pass
            except OSError:
                pass
        eventually(lambda: "MISCONF" in refused(), "Redis takes no writes", within_s=20)
        with pytest.raises(PublishFailed, match="cannot write to its disk: free some space there"):
            here.publisher.publish([activated(3)])
        ballast.unlink()
        eventually(lambda: not refused(), "Redis takes writes again", within_s=20)
        here.publisher.publish([activated(3)])
        wait_for_rows(here, {"SVC-2", "SVC-3"})
