"""The Compose file: what it starts as it is cloned, what it demands, the limits of each part."""

import re

import pytest
import typer
import yaml

from gateway.outcomes.targets import load_targets
from leasewire.cli import app
from tests.leasewire.test_documents import ROOT
from tests.packages.building import FOLDERS
from worker.inventory import load_inventory
from worker.settings import Settings

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
MB = {"m": 1, "mb": 1, "g": 1024, "gb": 1024}


def variables(path):
    lines = (ROOT / path).read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def megabytes(text):
    """Of `${NAME:-2g}` or `512m`."""
    number, unit = re.fullmatch(r"(?:\$\{\w+:-)?(\d+)([a-z]+)\}?", text).groups()
    return int(number) * MB[unit]


def test_as_it_is_cloned_it_is_a_lab_in_a_project_of_its_own():
    given = variables(".env")
    assert given["COMPOSE_PROFILES"] == "lab"
    assert given["COMPOSE_PROJECT_NAME"] != COMPOSE["name"] == "leasewire"
    assert (ROOT / given["LEASEWIRE_CONFIG"] / "config" / "routers.toml").is_file()
    lab = {name for name, each in SERVICES.items() if set(each.get("profiles", ["lab"])) == {"lab"}}
    assert lab == {"logins", "valkey", "worker", "simulator"}


def test_the_lab_is_never_taken_in_the_place_of_what_is_not_said():
    demanded = r"\$\{LEASEWIRE_CONFIG:\?[^}]*deploy/compose\.env\.example\}"
    said = re.findall(r"\$\{LEASEWIRE_CONFIG[^}]*\}", TEXT)
    assert len(said) == 6
    assert all(re.fullmatch(demanded, each) for each in said)


def test_the_example_says_what_the_file_asks_for():
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    given = variables("deploy/compose.env.example")
    assert given.keys() == asked | {"COMPOSE_PROFILES"}
    assert set(given["COMPOSE_PROFILES"].split(",")) <= {
        "gateway",
        "console",
        "outcomes",
        "metrics",
    }
    for name, default in re.findall(r"\$\{(\w+):-([^}]+)\}", TEXT):
        assert given[name] == default


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_has_its_limits(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert megabytes(service["mem_limit"]) <= 2048
    assert service["pids_limit"] <= 2048
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert all("size=" in each for each in service.get("tmpfs", ()))


def test_what_status_and_alerts_name_is_no_host_of_its_own_after_each_upgrade():
    for name in ("worker", "gateway", "console"):
        assert SERVICES[name]["hostname"] == name


def test_valkey_has_half_of_its_container_for_what_it_keeps():
    command = SERVICES["valkey"]["command"]
    limit = megabytes(command[command.index("--maxmemory") + 1])
    assert limit * 2 <= megabytes(SERVICES["valkey"]["mem_limit"])


SEES = {
    "logins": {
        "login-server": "/var/lib/redis-logins/server",
        "login-worker": "/var/lib/redis-logins/leasewire",
        "login-gateway": "/var/lib/redis-logins/leasewire-gateway",
        "login-console": "/var/lib/redis-logins/leasewire-console",
        "login-outcomes": "/var/lib/redis-logins/leasewire-outcomes",
        "login-metrics": "/var/lib/redis-logins/leasewire-metrics",
    },
    "valkey": {"valkey-data": "/data", "login-server": "/run/leasewire/redis"},
    "worker": {
        "config": "/etc/leasewire/config",
        "secrets/worker": "/etc/leasewire/secrets/worker",
        "login-worker": "/run/leasewire/redis",
    },
    "gateway": {
        "config": "/etc/leasewire/config",
        "secrets/gateway": "/etc/leasewire/secrets/gateway",
        "login-gateway": "/run/leasewire/redis",
    },
    "console": {
        "config": "/etc/leasewire/config",
        "secrets/worker": "/etc/leasewire/secrets/worker",
        "secrets/gateway": "/etc/leasewire/secrets/gateway",
        "login-console": "/run/leasewire/redis",
    },
    "outcomes": {
        "config": "/etc/leasewire/config",
        "secrets/outcomes": "/etc/leasewire/secrets/outcomes",
        "login-outcomes": "/run/leasewire/redis",
    },
    "metrics": {"config": "/etc/leasewire/config", "login-metrics": "/run/leasewire/redis"},
    "simulator": {
        "./deploy/lab/secrets/worker/tower-7": "/run/leasewire/password",
        "simulator-state": "/var/lib/simulator",
    },
}
"""What of the host's folder and of the project's volumes is in which container, and where."""
WRITTEN = {
    ("valkey", "valkey-data"),
    ("simulator", "simulator-state"),
    *(("logins", volume) for volume in SEES["logins"]),
}
LOGINS = {
    "worker": "leasewire",
    "gateway": "leasewire-gateway",
    "console": "leasewire-console",
    "outcomes": "leasewire-outcomes",
    "metrics": "leasewire-metrics",
}


def mounts(service):
    """Source (below `LEASEWIRE_CONFIG`, where it is one of that), target, and whether read-only."""
    for each in service.get("volumes", ()):
        if isinstance(each, str):
            source, target, *mode = each.split(":")
            yield source, target, mode == ["ro"]
        else:
            assert each["type"] == "bind"
            source = re.sub(r"^\$\{LEASEWIRE_CONFIG[^}]*\}/", "", each["source"])
            yield source, each["target"], each["read_only"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_sees_what_its_job_needs_and_writes_its_own(name):
    service = SERVICES[name]
    found = list(mounts(service))
    assert {source: target for source, target, _ in found} == SEES[name]
    assert {(name, source) for source, _, is_ro in found if not is_ro} <= WRITTEN
    other_ways = {"secrets", "configs", "env_file", "volumes_from", "devices", "privileged"}
    assert service.keys() & other_ways == set()
    assert not {each for each in service.get("environment", ()) if each.endswith("PASSWORD")}


def test_each_process_has_a_login_of_its_own_and_the_password_of_no_other():
    users = (ROOT / "deploy" / "redis" / "users.acl").read_text("utf-8")
    assert SERVICES["logins"]["command"] == [
        "redis-logins",
        "/var/lib/redis-logins",
        *LOGINS.values(),
    ]
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        assert environment.get("LEASEWIRE_REDIS_USERNAME") == LOGINS.get(name)
        if name in LOGINS:
            assert f"user {LOGINS[name]} on #" in users
            file = environment["LEASEWIRE_REDIS_PASSWORD_FILE"]
            assert file == f"{SEES[name][f'login-{name}']}/password"
            assert SEES["logins"][f"login-{name}"].endswith(f"/{LOGINS[name]}")
        else:
            assert not {each for each in environment if each.startswith("LEASEWIRE_REDIS")}


def test_valkey_lets_in_who_has_a_login_and_nobody_when_it_has_no_users():
    valkey = SERVICES["valkey"]
    message = valkey["command"]
    assert message[message.index("--aclfile") + 1] == "/run/leasewire/redis/users.acl"
    # Where there is no password at all, it refuses whatever comes from outside of its container.
    assert "--protected-mode" not in message
    assert valkey["depends_on"]["logins"] == {
        "condition": "service_completed_successfully",
        "restart": True,  # it reads the users anew when a newer version brings others
    }
    assert SERVICES["logins"]["restart"] == "no"


def test_nothing_is_heard_beyond_this_host():
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        assert service.get("network_mode", "none") == "none", name
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway", "console", "metrics"}
    assert SERVICES["valkey"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}
    on_routers = {n for n, each in SERVICES.items() if "routers" in each.get("networks", ())}
    assert on_routers == {"worker", "console", "simulator"}


def test_the_lab_keeps_each_secret_in_the_folder_of_whom_it_is_for():
    lab = ROOT / "deploy" / "lab"
    inventory = load_inventory(lab / "config" / "routers.toml")
    for router in inventory.routers.values():
        assert router.password_file.resolve().parent == lab / "secrets" / "worker"
        assert router.password().get_secret_value()
    known = frozenset(inventory.sources)
    (target,) = load_targets(lab / "config" / "outcomes.toml", sources=known, environ={})
    signing = target.secret.get_secret_value()
    assert signing in (lab / "secrets" / "outcomes" / "billing").read_text("utf-8")
    assert "deploy/lab" in (ROOT / ".dockerignore").read_text("utf-8").split()
    for file in (lab / "config").iterdir():
        assert signing not in file.read_text("utf-8")
        assert file.name in {"routers.toml", "outcomes.toml", "listener.py"}


def test_what_it_runs_and_sets_is_there():
    commands = set(typer.main.get_command(app).commands)
    for name, service in SERVICES.items():
        if name != "valkey":
            assert service["command"][0] in commands
            for variable in service.get("environment", ()):
                assert variable.removeprefix("LEASEWIRE_").lower() in Settings.model_fields


def test_the_image_has_every_package():
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    copied = set(re.findall(r"^COPY (\S+) /opt/leasewire/\1$", dockerfile, re.MULTILINE))
    assert copied >= {*FOLDERS, "pyproject.toml"}
    sent = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert {f"!{name}" for name in copied} <= set(sent), "Docker sends it to the build"
