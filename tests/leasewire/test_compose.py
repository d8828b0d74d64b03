"""The Compose file: what it starts as it is cloned, what it demands, the limits of each part."""

import re

import pytest
import yaml

from leasewire.cli import app
from tests.leasewire.test_documents import ROOT
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
    assert (ROOT / given["LEASEWIRE_CONFIG"] / "routers.toml").is_file()
    lab = {name for name, each in SERVICES.items() if set(each.get("profiles", ["lab"])) == {"lab"}}
    assert lab == {"valkey", "worker", "simulator"}


def test_the_lab_is_never_taken_in_the_place_of_what_is_not_said():
    demanded = r"\$\{LEASEWIRE_CONFIG:\?[^}]*deploy/compose\.env\.example\}:/etc/leasewire:ro"
    (said,) = re.findall(r"\$\{LEASEWIRE_CONFIG[^}]*\}.*", TEXT)
    assert re.fullmatch(demanded, said)


def test_the_example_says_what_the_file_asks_for():
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    given = variables("deploy/compose.env.example")
    assert given.keys() == asked | {"COMPOSE_PROFILES"}
    assert set(given["COMPOSE_PROFILES"].split(",")) <= {"gateway", "outcomes", "metrics"}
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
    for volume in service.get("volumes", ()):
        assert volume.endswith(":ro") or volume.split(":")[0] in COMPOSE["volumes"]


def test_valkey_has_half_of_its_container_for_what_it_keeps():
    command = SERVICES["valkey"]["command"]
    limit = megabytes(command[command.index("--maxmemory") + 1])
    assert limit * 2 <= megabytes(SERVICES["valkey"]["mem_limit"])


def test_what_it_runs_and_sets_is_there():
    commands = {each.name for each in app.registered_commands}
    groups = {each.name for each in app.registered_groups}
    for name, service in SERVICES.items():
        if name != "valkey":
            assert service["command"][0] in commands | groups
            for variable in service["environment"]:
                assert variable.removeprefix("LEASEWIRE_").lower() in Settings.model_fields
