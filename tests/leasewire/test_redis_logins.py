"""`leasewire redis-logins`: a password for each login of Redis, and the users with hashes alone."""

import re
import stat
import subprocess
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leasewire.host.embedded import server_binary
from tests.leasewire.test_documents import ROOT
from tests.waiting import eventually

LOGINS = re.findall(r"user (\S+) on #", (ROOT / "deploy" / "redis" / "users.acl").read_text())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def password(folder, login):
    return (folder / login / "password").read_text().strip()


def test_each_login_has_a_password_of_its_own_that_only_its_owner_reads(leasewire, tmp_path):
    made = leasewire("redis-logins", "logins")
    assert made.code == 0, made.err
    folder = tmp_path / "logins"
    assert {each.name for each in folder.iterdir()} == {*LOGINS, "server"}
    found = {password(folder, login) for login in LOGINS}
    assert len(found) == len(LOGINS) > 3
    users = (folder / "server" / "users.acl").read_text()
    for secret in found:
        assert len(secret) >= 43, "256 bits"
        assert secret not in users + made.out + made.err
    for login in LOGINS:
        assert mode(folder / login / "password") == 0o600
    assert mode(folder / "server" / "users.acl") == 0o644, "the server is another user"


def test_again_it_keeps_passwords_and_makes_only_those_that_are_missing(leasewire, tmp_path):
    folder = tmp_path / "logins"
    assert leasewire("redis-logins", "logins").code == 0
    first = {login: password(folder, login) for login in LOGINS}
    users = (folder / "server" / "users.acl").read_text()
    (folder / LOGINS[0] / "password").write_text("")  # as a crash may leave it
    (folder / "server" / "users.acl").write_text("of an older version")
    again = leasewire("redis-logins", "logins")
    assert f"created: {LOGINS[0]}; " in again.out
    now = {login: password(folder, login) for login in LOGINS}
    assert [login for login in LOGINS if now[login] != first[login]] == [LOGINS[0]]
    assert now[LOGINS[0]]
    assert len((folder / "server" / "users.acl").read_text()) == len(users)


def test_only_the_logins_that_are_named_get_in(leasewire, tmp_path):
    assert leasewire("redis-logins", "logins", "leasewire", "leasewire-metrics").code == 0
    users = (tmp_path / "logins" / "server" / "users.acl").read_text()
    assert re.findall(r"user (\S+) on #", users) == ["leasewire", "leasewire-metrics"]
    assert "user default off" in users
    assert "PASSWORD_SHA256" not in users
    wrong = leasewire("redis-logins", "logins", "leasewire-metric")
    assert (wrong.code, "did you mean leasewire-metrics?" in wrong.err) == (2, True)


def test_where_nothing_can_be_written_it_says_so(leasewire, tmp_path):
    (tmp_path / "logins").write_text("a file")
    notified = leasewire("redis-logins", "logins")
    assert notified.code == 2
    assert "logins/leasewire" in notified.err
    assert "Traceback" not in notified.err


@contextmanager
def serving(directory, users):
    """A server with this file of users, on its append-only file; gives its socket."""
    socket = directory / "s"
    with subprocess.Popen(
        [
            *(server_binary(), "--port", "0", "--unixsocket", str(socket)),
            *("--aclfile", str(users), "--save", "", "--appendonly", "yes"),
            *("--dir", str(directory)),
        ],
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            eventually(socket.exists, "the server")
            yield socket
        finally:
            server.terminate()
            server.wait()


def test_the_user_that_nobody_may_be_has_all_rights(leasewire, tmp_path):
    assert leasewire("redis-logins", "logins").code == 0
    users = (tmp_path / "logins" / "server" / "users.acl").read_text().splitlines()
    # Seen with Valkey 8.1.1: at its start the server reads its append-only file as this user, and
    # leaves out each MULTI … EXEC in it for which that has no right: nearly all that we write.
    assert users[0] == "user default off ~* &* +@all"


@pytest.mark.redis
def test_what_is_written_in_one_step_is_there_after_a_restart(leasewire, short_directory):
    folder = short_directory / "logins"
    assert leasewire("redis-logins", str(folder)).code == 0
    users = folder / "server" / "users.acl"
    login = {"username": "leasewire", "password": password(folder, "leasewire")}
    with (
        serving(short_directory, users) as socket,
        redis.Redis(unix_socket_path=str(socket), **login) as client,
    ):
        with client.pipeline(transaction=True) as pipe:
            pipe.hset("lw:one", "a", "1")
            pipe.lpush("lw:two", "b")
            pipe.execute()
        script = "redis.call('SET', KEYS[1], 'c') redis.call('SET', KEYS[2], 'd')"
        client.eval(script, 2, "lw:three", "lw:four")
    with (
        serving(short_directory, users) as socket,
        redis.Redis(unix_socket_path=str(socket), **login) as client,
    ):
        there = ("lw:one", "lw:two", "lw:three", "lw:four")
        eventually(lambda: client.exists(*there) == 4, "all of it", within_s=5)


@pytest.mark.redis
def test_a_server_with_these_users_lets_each_in_and_nobody_else(leasewire, short_directory):
    folder = short_directory / "logins"
    assert leasewire("redis-logins", str(folder)).code == 0
    users = folder / "server" / "users.acl"
    with serving(short_directory, users) as socket:

        def logged_in(**login):
            """A client that takes a refusal as it comes: others try again for seconds."""
            once = Retry(NoBackoff(), 0)
            return redis.Redis(unix_socket_path=str(socket), retry=once, **login)

        for login in LOGINS:
            with logged_in(username=login, password=password(folder, login)) as client:
                assert client.ping()
            wrong = password(folder, LOGINS[LOGINS.index(login) - 1])
            with (
                logged_in(username=login, password=wrong) as client,
                pytest.raises(redis.exceptions.AuthenticationError),
            ):
                client.ping()
        with (
            logged_in() as unknown_source,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            unknown_source.ping()
        with logged_in(username="leasewire-health", password="any") as client:
            assert client.ping()
            for command in ("INFO", "DBSIZE", "GET lw:counters", "CLIENT LIST", "KEYS *"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*command.split())
