"""What goes wrong is told in lines that say what to do, with its own exit code."""

import pytest

from leasewire.context import load_settings
from tests.builders import activated
from worker.inventory import load_inventory

BROKEN = """\
[installation]
id = "Not An Id"
[routers.R1]
host = "192.0.2.1"
password = "hunter2-in-the-file"
usernam = "leasewire"
"""


def test_every_mistake_of_the_inventory_is_told(leasewire, tmp_path):
    (tmp_path / "routers.toml").write_text(BROKEN)
    for command in (("routers", "list"), ("plan",), ("worker",), ("up",)):
        shown = leasewire(*command)
        assert shown.code == 2
        assert shown.out == ""
        for key in ("installation.id", "routers.R1.password", "routers.R1.usernam", "fingerprint"):
            assert f"{key}" in shown.err
        assert "hunter2" not in shown.err
        assert "Traceback" not in shown.err


def test_wrong_settings_are_told_all_at_once(leasewire, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://:secret-word@127.0.0.1:1/0")
    monkeypatch.setenv("LEASEWIRE_ROUTER_THREADS", "many")
    shown = leasewire("services", "list")
    assert shown.code == 2
    assert "LEASEWIRE_REDIS_URL" in shown.err
    assert "LEASEWIRE_ROUTER_THREADS" in shown.err
    assert "secret-word" not in shown.err


def test_redis_that_is_down_is_told_with_its_address(leasewire, monkeypatch, tmp_path):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    for command in (("services", "list"), ("services", "show", "x"), ("dead-letters", "list")):
        shown = leasewire(*command)
        assert shown.code == 3
        assert "nobody.sock is not available" in shown.err
        assert "leasewire up" in shown.err
        assert "Traceback" not in shown.err


def test_missing_inventory_says_how_to_make_one(leasewire):
    shown = leasewire("up")
    assert shown.code == 2
    assert "`leasewire init` writes a first one" in shown.err


def test_first_inventory_is_right_and_never_overwritten(leasewire, tmp_path):
    assert leasewire("init").code == 0
    inventory = load_inventory(tmp_path / "routers.toml")
    assert inventory.routers["tower-7"].password().get_secret_value() == "demo"
    assert (tmp_path / "secrets" / "simulator").stat().st_mode & 0o077 == 0
    (tmp_path / "routers.toml").write_text("mine")
    again = leasewire("init")
    assert again.code == 2
    assert (tmp_path / "routers.toml").read_text() == "mine"


def test_settings_of_up_are_found_in_its_directory_alone(leasewire, monkeypatch, tmp_path):
    monkeypatch.delenv("LEASEWIRE_REDIS_URL", raising=False)
    assert load_settings().redis_url == "redis://127.0.0.1:6379/0"
    socket = tmp_path / "leasewire-data" / "valkey.sock"
    socket.parent.mkdir()
    socket.touch()
    assert load_settings().redis_url == f"unix://{socket}"
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://198.51.100.1/0")
    assert load_settings().redis_url == "redis://198.51.100.1/0"


@pytest.mark.redis
@pytest.mark.router
class TestRoutersCheck:
    def test_all_is_well(self, world, leasewire):
        world.say(activated("SVC-A", server=None))
        world.converge.run("R1")
        shown = leasewire("routers", "check", "R1")
        assert shown.code == 0
        assert "1 in all, 1 of them static, 1 ours" in shown.out

    def test_unpinned_certificate_is_shown(self, world, leasewire, tmp_path):
        file = tmp_path / "routers.toml"
        text = file.read_text()
        file.write_text(text.replace(f'fingerprint = "{world.r1.fingerprint_sha256}"', "", 1))
        shown = leasewire("routers", "check", "R1")
        assert shown.code == 1
        assert world.r1.fingerprint_sha256 in shown.out.replace(":", "").lower()
        assert "/login" not in world.r1.counters()

    def test_wrong_password_says_what_to_do(self, world, leasewire):
        world.r1.set_faults(refuse_login=True)
        shown = leasewire("routers", "check", "R1", "--json")
        assert shown.code == 1
        last = shown.document["checks"][-1]
        assert (last["level"], last["what"]) == ("fail", "login-refused")
        assert last["advice"]

    def test_router_that_is_down_has_its_own_exit_code(self, world, leasewire):
        world.r1.power_off()
        assert leasewire("routers", "check", "R1").code == 3

    def test_unknown_router_is_bad_input(self, world, leasewire):
        assert leasewire("routers", "check", "R9").code == 2
