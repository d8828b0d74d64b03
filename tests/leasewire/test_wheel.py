"""What is installed from a wheel is all that a checkout has: scripts, schemas, examples, types."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "producers", "worker", "gateway", "simulator", "leasewire")
FILES = ("pyproject.toml", "README.md", "LICENSE")


def test_a_wheel_holds_every_file_of_the_packages(tmp_path):
    source = tmp_path / "source"
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    files = {
        path.relative_to(source).as_posix()
        for name in PACKAGES
        for path in (source / name).rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert sorted(files - held) == []
    for part in (
        "contracts/schemas/v1/leasewire.service.activated.v1.json",
        "gateway/api/samples/client.php",
        "gateway/api/samples/genieacs.py",
        "contracts/examples/v1/leasewire.service.activated.v1.json",
        "worker/store/lua/commit.lua",
        "producers/lua/publish.lua",
        "leasewire/host/first_inventory.toml",
        "leasewire/files/runbooks/router-down.md",
        "leasewire/files/redis/users.acl",
        "leasewire/files/systemd/leasewire-metrics.service",
        "leasewire/files/grafana/leasewire.json",
        "worker/py.typed",
    ):
        assert part in held
