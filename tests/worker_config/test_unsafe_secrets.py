"""What is unsafe is said in a line, though it works."""

from dataclasses import replace

import pytest

from simulator.testing import running
from tests.routeros.peers import config_for
from tests.routeros.test_router_check import look
from worker.settings import Settings
from worker.unsafe_settings import unsafe


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("aSecret-91")
    file.chmod(0o640)
    return file


def doubts(secret, url, **more):
    given = {"REDIS_URL": url, "REDIS_PASSWORD_FILE": str(secret)} | more
    return unsafe(Settings.load({f"LEASEWIRE_{name}": value for name, value in given.items()}))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://127.0.0.1/0", ""),
        ("redis://[::1]:6379/0", ""),
        ("redis://localhost/0", ""),
        ("unix:///run/redis.sock", ""),
        ("rediss://redis.example.net/0", ""),
        ("redis://192.0.2.1/0", "unencrypted"),
        ("sentinel://127.0.0.1:1,[::1]:2/main/0", ""),
        ("sentinel://127.0.0.1:1,192.0.2.1/main/0", "unencrypted"),
        ("sentinels://192.0.2.1/main/0", ""),
        ("redis://redis.example.net/0", "unencrypted"),
        ("rediss://192.0.2.1/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss://192.0.2.1/0?ssl_cert_reqs=optional", "ssl_cert_reqs"),
    ],
)
def test_the_way_to_redis(secret, url, message):
    found = doubts(secret, url)
    assert len(found) == bool(message)
    assert all(message in each and "aSecret" not in each for each in found)


def test_a_network_that_somebody_trusts_by_name_is_no_doubt(secret):
    trusted = {"REDIS_TRUSTED_NETWORK": "true"}
    assert doubts(secret, "redis://valkey/0", **trusted) == []
    (message,) = doubts(secret, "redis://valkey/0", REDIS_TRUSTED_NETWORK="false")
    assert "LEASEWIRE_REDIS_TRUSTED_NETWORK" in message
    (message,) = doubts(secret, "rediss://valkey/0?ssl_cert_reqs=none", **trusted)
    assert "ssl_cert_reqs" in message


def test_a_password_that_every_user_may_read(secret):
    secret.chmod(0o644)
    (message,) = doubts(secret, "unix:///run/redis.sock")
    assert str(secret) in message


@pytest.mark.router
def test_a_check_of_a_router_says_so(secret):
    with running(seed_guide=True) as sim:
        for mode, expected in ((0o640, []), (0o644, ["secret-file"])):
            secret.chmod(mode)
            config = replace(config_for(sim.router, "api-ssl"), password_file=secret)
            assert config.is_exposed == bool(expected)
            lines = look(sim.router, password_file=secret)
            assert [each.what for each in lines if each.what == "secret-file"] == expected
