"""What the environment may say, and how mistakes in it are told."""

import dataclasses
from pathlib import Path

import pytest

from worker.errors import ConfigurationError
from worker.settings import Settings, environment


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.load({})
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.write_window == 64
    assert settings.redis_password is None
    assert settings.mac_mask_key is None


def test_variables_are_read_by_their_names_and_empty_ones_are_none():
    settings = Settings.load(
        {
            "LEASEWIRE_WRITE_WINDOW": "8",
            "LEASEWIRE_MASK_MACS": "no",
            "LEASEWIRE_LOG_LEVEL": "debug",
            "LEASEWIRE_INVENTORY": "/etc/leasewire/routers.toml",
            "LEASEWIRE_REDIS_URL": "",
            "PATH": "/bin",
        }
    )
    assert settings.write_window == 8
    assert settings.mask_macs is False
    assert settings.log_level == "DEBUG"
    assert settings.inventory == Path("/etc/leasewire/routers.toml")
    assert settings.redis_url.startswith("redis://127")


def test_every_mistake_is_told_at_once():
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(
            {
                "LEASEWIRE_WRITE_WINDOW": "0",
                "LEASEWIRE_CONNECT_TIMEOUT_S": "soon",
                "LEASEWIRE_LOG_FORMAT": "xml",
                "LEASEWIRE_ROUTER_LOCK_S": "10",
                "LEASEWIRE_COMMAND_TIMEOUT_S": "6",
                "LEASEWIRE_BACKOFF_CAP_S": "0.5",
                "LEASEWIRE_KEY_PREFIX": "with space",
                "LEASEWIRE_WRITE_WINDOWS": "9",
                "LEASEWIRE_REDIS_PASSWORD_FILE": "/nowhere/secret",
            }
        )
    notified = {line.split(":")[0].removeprefix("LEASEWIRE_") for line in raised.value.problems}
    assert notified == {
        "WRITE_WINDOW",
        "CONNECT_TIMEOUT_S",
        "LOG_FORMAT",
        "COMMAND_TIMEOUT_S",
        "BACKOFF_CAP_S",
        "KEY_PREFIX",
        "WRITE_WINDOWS",
        "REDIS_PASSWORD_FILE",
    }
    assert "did you mean LEASEWIRE_WRITE_WINDOW?" in str(raised.value)


@pytest.mark.parametrize("name", ["TOWER7_PASSWORD", "LEASEWIRE_TOWER7_PASSWORD"])
def test_variables_of_others_are_left_alone(name):
    assert Settings.load({name: "hunter2"}) == Settings.load({})


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@localhost:6379/0",
        "redis://user:hunter2@localhost",
        "rediss://hunter2@localhost",
        "unix:///run/redis.sock?password=hunter2",
        "http://localhost/hunter2",
        "hunter2",
        "redis://localhost:hunter2/0",
        "sentinel://:hunter2@a:1,b:2/main",
        "sentinel://a:hunter2/main",
    ],
)
def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigurationError) as raised:
        Settings.load({"LEASEWIRE_REDIS_URL": url})
    assert len(raised.value.problems) == 1
    assert "hunter2" not in str(raised.value) + repr(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://10.0.0.1",
        "rediss://redis.example:6380/2",
        "unix:///run/redis.sock",
        "sentinel://10.0.0.1:26379,10.0.0.2:26379/main/0",
        "sentinels://a,b,c/main",
    ],
)
def test_addresses_without_a_password_are_taken(url):
    assert Settings.load({"LEASEWIRE_REDIS_URL": url}).redis_url == url


def test_secrets_come_from_files_and_are_in_no_description(tmp_path):
    (tmp_path / "redis").write_text("hunter2\n")
    (tmp_path / "key").write_text("hunter3\n")
    settings = Settings.load(
        {
            "LEASEWIRE_REDIS_PASSWORD_FILE": str(tmp_path / "redis"),
            "LEASEWIRE_MAC_MASK_KEY_FILE": str(tmp_path / "key"),
        }
    )
    assert settings.redis_password is not None
    assert settings.redis_password.get_secret_value() == "hunter2"
    assert settings.mac_mask_key == b"hunter3"
    shown = f"{settings!r} {settings} {settings.describe()} {settings.redis_password!r}"
    assert "hunter" not in shown
    assert settings.describe()["redis_password_file"] == str(tmp_path / "redis")


def test_settings_do_not_change():
    with pytest.raises((dataclasses.FrozenInstanceError, ValueError)):
        Settings.load({}).write_window = 3


def test_the_environment_is_that_of_the_process(monkeypatch):
    monkeypatch.setenv("LEASEWIRE_BATCH_SERVICES", "7")
    assert Settings.load(environment()).batch_services == 7
