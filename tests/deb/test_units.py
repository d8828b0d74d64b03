"""The units of systemd: hardened, each with a user, a login of Redis and secrets of its own."""

import re
import shlex
import shutil
import subprocess

import pytest
import typer

from leasewire.cli import app
from tests.leasewire.test_documents import ROOT
from tests.needs import missing
from worker.settings import PREFIX, Settings

UNITS = ROOT / "deploy" / "systemd"
DEBIAN = ROOT / "deploy" / "debian"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
COMMON = "leasewire-.service.d/common.conf"
READ_BY_SYSTEMD = {"leasewire-outbox.service": {"OUTBOX_DATABASE"}}


def unit(name):
    """Section -> key -> its values."""
    parsed = {}
    for line in (UNITS / name).read_text("utf-8").splitlines():
        if section := re.fullmatch(r"\[(\w+)\]", line):
            settings = parsed.setdefault(section[1], {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return parsed


def users():
    return re.findall(r"^u (\S+)", (DEBIAN / "sysusers.conf").read_text("utf-8"), re.MULTILINE)


def environment(service):
    return dict(word.split("=", 1) for line in service["Environment"] for word in shlex.split(line))


def test_each_is_exposed_as_little_as_it_can_be(tmp_path):
    if not shutil.which("systemd-analyze"):
        missing("no systemd-analyze")
    shutil.copytree(UNITS, tmp_path / "usr" / "lib" / "systemd" / "system")
    options = ["--offline=true", f"--root={tmp_path}", "--threshold=30", "--no-pager"]
    for name in NAMES:
        done = subprocess.run(
            ["systemd-analyze", "security", *options, name],
            capture_output=True,
            text=True,
            check=False,
        )
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        assert level is not None, done.stderr
        assert float(level[1]) <= 3, done.stdout
        assert done.returncode == 0


def test_there_is_one_for_each_command_that_goes_on_until_it_is_stopped():
    commands = {
        shlex.split(unit(name)["Service"]["ExecStart"][0])[1]: name
        for name in NAMES
        if "console" not in name
    }
    assert commands.keys() == {"worker", "gateway", "outcomes", "alerts", "metrics", "outbox"}


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_a_command_that_there_is_with_its_options(name):
    program, *words = shlex.split(unit(name)["Service"]["ExecStart"][0])
    assert program == "/opt/leasewire/bin/leasewire"
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands")
    given = [word for word in words if word.startswith("--")]
    assert set(given) <= {option for param in command.params for option in param.opts}
    named = {found for word in words for found in re.findall(r"\$\{(\w+)\}", word)}
    example = (DEBIAN / "environment").read_text("utf-8")
    assert named == READ_BY_SYSTEMD.get(name, set())
    assert all(f"{variable}=" in example for variable in named)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_user_of_its_own_and_one_password_of_redis(name):
    service = unit(name)["Service"]
    (user,) = service["User"]
    assert user in users()
    assert [other for other in NAMES if unit(other)["Service"]["User"] == [user]] == [name]
    login = environment(service)["LEASEWIRE_REDIS_USERNAME"]
    acl = (ROOT / "deploy" / "redis" / "users.acl").read_text("utf-8")
    assert f"user {login} on #" in acl
    password = f"/etc/leasewire/redis/{login}/password"
    assert service["LoadCredential"] == [f"redis-password:{password}"]
    assert unit(name)["Unit"]["AssertPathExists"] == [password]
    assert environment(unit(COMMON)["Service"])["LEASEWIRE_REDIS_PASSWORD_FILE"] == (
        "%d/redis-password"
    )


def test_only_these_read_secrets_of_others():
    shared = {
        name: unit(name)["Service"]["SupplementaryGroups"]
        for name in NAMES
        if "SupplementaryGroups" in unit(name)["Service"]
    }
    assert shared == {
        "leasewire-worker.service": ["leasewire-alerts"],
        "leasewire-console.service": ["leasewire leasewire-gateway"],
    }
    folders = re.findall(
        r"^d (\S+) (\d+) (\S+) (\S+)$", (DEBIAN / "tmpfiles.conf").read_text(), re.MULTILINE
    )
    for path, mode, owner, group in folders:
        if path.startswith("/etc/leasewire/secrets/"):
            assert mode[-3:] in {"750", "700"}
            assert group in users()
            assert owner == (group if mode[-3:] == "700" else "root")
        else:
            assert (mode, owner, group) == ("0755", "root", "root")


def test_a_bad_configuration_is_not_tried_again_and_all_else_is():
    common = unit(COMMON)
    assert common["Service"]["Restart"] == ["always"]
    assert common["Service"]["RestartPreventExitStatus"] == ["2"]
    assert common["Unit"]["StartLimitIntervalSec"] == ["0"]
    single = {"Restart", "User", "MemoryMax", "TasksMax", "TimeoutStopSec", "ExecStart"}
    for name in NAMES:
        # What both say of such a key the common file wins, which is read later.
        assert not single & unit(name)["Service"].keys() & common["Service"].keys()


def test_what_reads_the_inventory_again_does_so_at_a_reload():
    reloading = {name for name in NAMES if "ExecReload" in unit(name)["Service"]}
    assert reloading == set(NAMES) - {"leasewire-outbox.service"}  # which does not use it


def test_the_example_of_settings_has_settings_and_no_secret():
    lines = (DEBIAN / "environment").read_text("utf-8").splitlines()
    names = [line.lstrip("#").split("=")[0] for line in lines if re.match(r"#?[A-Z_]+=", line)]
    ours = {name for name in names if name != "OUTBOX_DATABASE"}
    assert all(name.removeprefix(PREFIX).lower() in Settings.model_fields for name in ours)
    # Each unit sets them, and what the file says would win.
    assert not ours & {"LEASEWIRE_REDIS_USERNAME", "LEASEWIRE_REDIS_PASSWORD_FILE"}
    active = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))
    assert Settings.load(active).inventory.as_posix() == "/etc/leasewire/routers.toml"
