"""A backup is of one moment, whole or nothing, and restored it writes to no router by itself."""

import gzip
import threading

import pytest

from leasewire.host.backup_file import BackupError, Head, check, entries, write
from tests import builders
from tests.installation import SERVER, Installation, end
from tests.store.over_tcp import open_port
from tests.store.secured import make_certificate, tls_in_front_of
from tests.waiting import eventually
from worker.store.backup import UNDER_WAY, BackupEntry, copy, put_back
from worker.store.keys import Keys

pytestmark = pytest.mark.redis

HEAD = Head("acme", 1_700_000_000_000, "0.1.0")


def ignore(_count):
    pass


def copied(plain, prefix):
    return {entry.key: entry for entry in copy(plain, Keys(prefix), ignore)}


def test_a_copy_is_of_one_moment_while_others_write(valkey, client, plain, prefix):
    for number in range(4_000):
        client.set(f"{prefix}ballast:{number}", "x")
    ends, written = threading.Event(), threading.Event()

    def keep_writing():
        with valkey.client() as writer:
            turn = 0
            while not ends.is_set():
                turn += 1
                pipe = writer.pipeline()
                for name in ("record:a", "zz:b", f"ballast:{turn % 4_000}"):
                    pipe.set(prefix + name, turn)
                pipe.hset(f"{prefix}journal:events", f"k{turn}", "event")
                pipe.hdel(f"{prefix}journal:events", f"k{turn - 1}")
                pipe.execute()
                written.set()

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        assert written.wait(5)
        for _ in range(3):
            found = copied(plain, prefix)
            turn = int(found["record:a"].value)
            assert found["zz:b"].value == str(turn)
            assert found[f"ballast:{turn % 4_000}"].value == str(turn)
            assert found["journal:events"].value == [(f"k{turn}", "event")]
            assert sum(each.kind != "none" for each in found.values()) == 4_003
    finally:
        ends.set()
        thread.join()


class Counting:
    """A client that counts the pages that are read while writes are paused."""

    def __init__(self, plain):
        self._plain, self._paused, self.pages = plain, False, 0

    def __getattr__(self, name):
        return getattr(self._plain, name)

    def client_pause(self, *arguments, **more):
        self._paused = True
        return self._plain.client_pause(*arguments, **more)

    def pipeline(self, **options):
        self.pages += self._paused
        return self._plain.pipeline(**options)


def test_writes_pause_for_little_however_much_changed_while_all_was_read(client, plain, prefix):
    ballast = [f"{prefix}ballast:{number}" for number in range(6_000)]
    client.mset(dict.fromkeys(ballast, "old"))
    rounds = []

    def write_all(_count):
        """Whenever a page was read, until the last one was."""
        rounds.append(1)
        client.mset(dict.fromkeys(ballast, f"new-{len(rounds)}"))

    counting = Counting(plain)
    found = {each.key: each.value for each in copy(counting, Keys(prefix), write_all)}
    assert {found[key.removeprefix(prefix)] for key in ballast} == {f"new-{len(rounds)}"}
    assert counting.pages == 1  # of 500 keys, and 6,000 had changed


def test_every_kind_of_key_comes_back_as_it_was_and_what_was_true_then_alone_does_not(
    client, plain, prefix, tmp_path
):
    other = f"{prefix}other:"
    client.set(prefix + "installation", "acme")
    client.set(prefix + "record:é", "1|{}")
    client.set(prefix + "outcome:1", "x", ex=3_000)
    client.rpush(prefix + "events", b"\xff\x00", "second")
    client.sadd(prefix + "router:R1:services", "a", "b")
    client.hset(prefix + "seen:1", mapping={str(n): "v" for n in range(5_000)})
    client.zadd(prefix + "schedule", {"a": 1.5, "b": 3 * 10**13 + 1_700_000_000_123})
    client.xadd(prefix + "feed", {"outcome": "é"}, "5-1")
    client.xadd(prefix + "feed", {"outcome": "b", "more": ""}, "7-0")
    client.set(prefix + "router:R1:lock", "token", px=7_000_000)
    client.zadd(prefix + "processes", {"events@h:1": 1_700_000_000_123})
    client.set(prefix + "journal:events:notified", "1", px=2_000)
    file = tmp_path / "backup.gz"
    count = write(file, HEAD, copy(plain, Keys(prefix), ignore))
    assert file.stat().st_mode & 0o777 == 0o600
    assert check(file) == Head("acme", HEAD.at_ms, "0.1.0", count)

    client.set(other + "record:gone", "1|{}")
    client.hset(other + "journal:events", "waits", "here")
    with put_back(plain, Keys(other)) as put:
        assert client.get(other + "installation") == UNDER_WAY
        put(entries(file), ignore)
    assert client.get(other + "installation") == "acme"
    assert client.get(other + "record:é") == "1|{}"
    assert 2_900 < client.ttl(other + "outcome:1") <= 3_000
    assert client.smembers(other + "router:R1:services") == {"a", "b"}
    assert client.hlen(other + "seen:1") == 5_000
    assert dict(client.zrange(other + "schedule", 0, -1, withscores=True)) == {
        "a": 1.5,
        "b": 3 * 10**13 + 1_700_000_000_123,
    }
    assert client.xrange(other + "feed") == client.xrange(prefix + "feed")
    gone = ("record:gone", "router:R1:lock", "processes", "journal:events:notified")
    assert not client.exists(*(other + name for name in gone))
    assert client.hgetall(other + "journal:events") == {"waits": "here"}, "what waits is kept"
    assert client.execute_command("DUMP", other + "events", NEVER_DECODE=True) == (
        client.execute_command("DUMP", prefix + "events", NEVER_DECODE=True)
    )


def broken(tmp_path):
    """Files that are no whole backup, each with what is said of it."""
    whole = tmp_path / "whole.gz"
    write(whole, HEAD, [BackupEntry(f"record:{n}", "string", "1|{}", 0) for n in range(50)])
    lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    yield "is incomplete or was", whole.read_bytes()[:-20]
    yield "is incomplete or was", gzip.compress(b"".join(lines[:-1]))
    yield "is incomplete or was", gzip.compress(b"".join(lines[:3] + lines[4:]))
    yield "is incomplete or was", gzip.compress(b"".join(lines).replace(b"1|{}", b"2|{}", 1))
    newer = lines[0].replace(b'"leasewire_backup":1', b'"leasewire_backup":2')
    yield "format 2, this version reads 1", gzip.compress(newer + b"".join(lines[1:]))
    yield "is no backup", b"hello"
    yield "is no backup", gzip.compress(b'{"some": "json"}\n')
    yield "is incomplete", gzip.compress(b"")


def test_a_file_that_is_no_whole_backup_is_refused_with_the_reason(tmp_path):
    for message, content in broken(tmp_path):
        file = tmp_path / "broken.gz"
        file.write_bytes(content)
        with pytest.raises(BackupError, match=message):
            check(file)


def test_a_backup_that_fails_leaves_no_file(tmp_path):
    def fails():
        yield BackupEntry("record:1", "string", "x", 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "backup.gz", HEAD, fails())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
@pytest.mark.router
def test_a_restored_installation_writes_nothing_until_its_routers_are_released(short_directory):
    def activated(number, **given):
        return builders.activated(
            f"SVC-{number}", server=SERVER, ipv4=f"198.51.100.{number}", **given
        )

    def rows():
        return {each: row[0]["mac-address"] for each, row in here.rows("R1").items()}

    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(n, mac=builders.mac(n)) for n in range(1, 4)])
        eventually(lambda: len(here.rows("R1")) == 3, "three rows", within_s=20)
        here.wait_until_settled()
        made = here.leasewire("backup", "all.gz")
        assert made.returncode == 0, made.stderr
        here.publisher.publish([builders.mac_changed("SVC-1", builders.mac(9))])
        eventually(lambda: rows()["SVC-1"] == builders.mac(9), "the newer device", within_s=20)
        assert "workers are running" in here.leasewire("restore", "all.gz").stderr
        for worker in here.workers:
            end(worker.process)
        here.client.delete("lw:processes")
        assert "--replace replaces them" in here.leasewire("restore", "all.gz").stderr
        restored = here.leasewire("restore", "all.gz", "--replace", "--actor", "maria")
        assert restored.returncode == 0, restored.stderr
        assert "Paused until you resume them: R1" in restored.stdout
        written = here.control["R1"].journal()
        assert [(entry.by, entry.what) for entry in here.store.audit.entries()] == [
            ("maria", "backup.restored")
        ]

        here.start_workers("events", "routers")
        here.publisher.publish([activated(4, mac=builders.mac(4))])
        eventually(lambda: here.store.views.router("R1").services == 4, "folded", within_s=20)
        assert here.control["R1"].journal() == written, "SVC-1 keeps its newer device"
        # The BSS says what it wants; only then is the router let go.
        here.publisher.publish(
            [
                builders.snapshot(
                    "SVC-1", revision=3, server=SERVER, ipv4="198.51.100.1", mac=builders.mac(9)
                )
            ]
        )
        eventually(lambda: not here.store.journal.depth("events"), "taken", within_s=20)
        assert here.leasewire("routers", "resume", "R1").returncode == 0
        eventually(lambda: "SVC-4" in here.rows("R1"), "the one that was new", within_s=20)
        here.wait_until_settled()
        assert rows() == {
            "SVC-1": builders.mac(9),
            **{f"SVC-{n}": builders.mac(n) for n in (2, 3, 4)},
        }


@pytest.mark.e2e
@pytest.mark.router
def test_each_transport_serves_and_a_backup_of_one_is_restored_over_another(short_directory):
    authority, certificate = make_certificate(short_directory)
    with (
        Installation(short_directory) as here,
        tls_in_front_of(here.valkey.socket, certificate) as tls_port,
    ):
        ways = {
            "unix": {"LEASEWIRE_REDIS_URL": here.valkey.url},
            "tcp": {"LEASEWIRE_REDIS_URL": f"redis://127.0.0.1:{open_port(here.valkey)}/0"},
            "tls": {
                "LEASEWIRE_REDIS_URL": f"rediss://localhost:{tls_port}/0",
                "LEASEWIRE_REDIS_CA_FILE": str(authority),
            },
        }

        def run(way, *arguments):
            here.environ_more = ways[way]
            done = here.leasewire(*arguments)
            assert done.returncode == 0, (way, arguments, done.stdout, done.stderr)

        def known():
            return {each.record.service_id for each in here.store.views.services()}

        here.start_workers("events", "routers")
        for number, way in enumerate(ways, 1):
            service = f"SVC-{number}"
            where = ("--router", "R1", "--address", f"223.203.225.{100 + number}")
            run(
                way,
                "publish",
                "activated",
                "--service",
                service,
                "--mac",
                builders.mac(number),
                *where,
            )
            eventually(lambda: service in here.rows("R1"), "its row", within_s=20)  # noqa: B023
            here.wait_until_settled()
            run(way, "status")
            run(way, "plan")
            run(way, "backup", f"{way}.gz")
        for worker in here.workers:
            end(worker.process)
        here.client.delete("lw:processes")
        for number, (made, taken) in enumerate(
            [("unix", "tcp"), ("tcp", "tls"), ("tls", "unix")], 1
        ):
            run(taken, "restore", f"{made}.gz", "--replace")
            assert known() == {f"SVC-{n}" for n in range(1, number + 1)}, made
