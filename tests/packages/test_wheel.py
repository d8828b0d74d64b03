"""The wheel has all that a checkout has, below one name, and runs where nothing else is."""

import subprocess
import sys
import zipfile

import pytest

from tests import builders
from tests.needs import missing
from tests.packages.building import (
    EXTRAS,
    FOLDERS,
    ROOT,
    built,
    copied,
    environment,
    interpreter,
    tried,
)
from tests.waiting import eventually
from worker.version import installed_version

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{builders.SOURCE}"]
order = "revisions"
"""
IMPORT_ALL = """
import sys, importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
print({name.partition(".")[0] for name, module in sys.modules.items()
       if "/leasewire/" in (getattr(module, "__file__", None) or "")})
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    left = source / "build" / "lib" / "leasewire" / "worker" / "left_by_an_earlier_build.py"
    left.parent.mkdir(parents=True)
    left.touch()
    return built(source, tmp_path_factory.mktemp("wheel"), "--wheel")


def test_a_wheel_holds_every_file_below_one_name(source, wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    versioned = f"leasewire-{installed_version()}.dist-info"
    assert {name.partition("/")[0] for name in held} == {"leasewire", versioned}
    files = {
        path.relative_to(source / "leasewire" if folder == "leasewire" else source).as_posix()
        for folder in FOLDERS
        for path in (source / folder).rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert sorted({f"leasewire/{name}" for name in files} - held) == []
    assert "leasewire/worker/left_by_an_earlier_build.py" not in held
    for part in (
        "contracts/schemas/v1/leasewire.service.activated.v1.json",
        "contracts/examples/v1/leasewire.service.activated.v1.json",
        "gateway/api/samples/client.php",
        "gateway/console/static/console.css",
        "producers/outbox/postgresql.sql",
        "worker/store/lua/commit.lua",
        "host/first_inventory.toml",
        "files/runbooks/router-down.md",
        "files/redis/users.acl",
        "py.typed",
    ):
        assert part in files


def modules_of(wheel):
    """Its modules by name; samples import each other from the folder that they are copied to."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")]
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names
    }
    return sorted(
        name for name in modules if not name.endswith("__main__") and "samples" not in name
    )


def programs_of(wheel, python, tmp_path):
    """The programs of a fresh environment that has the wheel and what it needs."""
    lock = ROOT / "requirements-dev.lock"
    return environment(tmp_path / "venv", python, wheel, f"[{EXTRAS}]", lock)


# One thing in this version of Python and one in another: what an environment imports first, it
# compiles. `make packages` runs the demo in all versions.
def test_each_module_can_be_imported_where_nothing_else_is(wheel, tmp_path):
    programs = programs_of(wheel, sys.executable, tmp_path)
    assert run(programs / "python", "-Pc", IMPORT_ALL, *modules_of(wheel)) == "{'leasewire'}\n"


@pytest.mark.redis
@pytest.mark.e2e
def test_workers_start_where_nothing_else_is(wheel, tmp_path, valkey, store, prefix):
    python = interpreter("3.13") or missing("no Python 3.13")
    programs = programs_of(wheel, python, tmp_path)
    assert "Run the worker processes" in run(programs / "leasewire", "--help")
    (tmp_path / "routers.toml").write_text(INVENTORY)
    environ = {
        "LEASEWIRE_REDIS_URL": valkey.url,
        "LEASEWIRE_KEY_PREFIX": prefix,
        "LEASEWIRE_INVENTORY": str(tmp_path / "routers.toml"),
    }
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen([programs / "leasewire", "worker"], env=environ, stderr=log)
    try:
        eventually(lambda: len(store.heartbeats.workers()) == 2, "workers", within_s=60)
    finally:
        worker.terminate()
        worker.wait(60)
    assert worker.returncode == 0, (tmp_path / "log").read_text()


def run(program, *arguments):
    result = tried(str(program), *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout
