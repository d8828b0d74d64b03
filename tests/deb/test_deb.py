"""What the Debian package holds. `make deb-check` installs it in a Debian that systemd boots."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.debian.build import build
from tests.leasewire.test_documents import ROOT
from tests.needs import missing

SYSTEM_PYTHON = Path("/usr/bin/python3")
WRAPPER = ROOT / "deploy" / "debian" / "leasewire"


def control(package, *fields):
    done = subprocess.run(
        ["dpkg-deb", "--field", package, *fields], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_what_the_package_holds(tmp_path):
    if not shutil.which("dpkg-deb") or not SYSTEM_PYTHON.exists():
        missing("no dpkg-deb, or no Python of Debian")
    # Without libraries: with them it takes half a minute.
    package = build(tmp_path, SYSTEM_PYTHON, with_libraries=False)
    assert (
        package.name
        == f"leasewire_{control(package, 'Version')}_{control(package, 'Architecture')}.deb"
    )
    version = control(package, "Version").replace("~dev", ".dev")
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert all(line.split()[1] == "root/root" for line in listed)
    # Nobody but root may write, and nothing is set-uid.
    assert {line[:10] for line in listed if line[0] != "l"} <= {
        *("drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x")
    }
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    tops = {name.split("/")[0] for name in files}
    assert tops == {"DEBIAN", "etc", "opt", "usr"}
    assert {name for name in files if name.startswith("etc/")} == {"etc/leasewire/environment"}
    assert (tree / "DEBIAN" / "conffiles").read_text() == "/etc/leasewire/environment\n"
    for path in (ROOT / "deploy" / "systemd").rglob("*.*"):
        if path.is_file():
            name = path.relative_to(ROOT / "deploy" / "systemd").as_posix()
            assert f"usr/lib/systemd/system/{name}" in files
    sums = dict(
        reversed(line.split("  "))
        for line in (tree / "DEBIAN" / "md5sums").read_text().splitlines()
    )
    assert sums.keys() == {
        name
        for name in files
        if not name.startswith(("DEBIAN/", "etc/")) and not (tree / name).is_symlink()
    }
    wrapper = hashlib.md5(WRAPPER.read_bytes(), usedforsecurity=False).hexdigest()
    assert sums["usr/bin/leasewire"] == wrapper
    # No place of the build is in it, or another build would differ.
    for name in files - {"DEBIAN/md5sums"}:
        content = (tree / name).read_bytes() if not (tree / name).is_symlink() else b""
        assert b"leasewire-deb-" not in content or name.endswith(("build.py", "build.pyc")), name
        assert str(ROOT).encode() not in content, name
    assert (tree / "opt/leasewire/bin/python").resolve().name.startswith("python3.")
    assert control(package, "Depends").startswith(
        (tree / "opt/leasewire/bin/python").resolve().name
    )


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm", "leasewire"])
def test_scripts_are_of_the_plain_shell_and_stop_at_an_error(name):
    text = (ROOT / "deploy" / "debian" / name).read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e" in text
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def settings_of(tmp_path, settings, environ, password=None):
    """The variables that the command sees, where these are the files of the host."""
    (tmp_path / "environment").write_text(settings)
    if password:
        (tmp_path / "password").write_text(password)
    (tmp_path / "show").write_text("#!/bin/sh\nexec env\n")
    (tmp_path / "show").chmod(0o755)
    script = (
        WRAPPER.read_text()
        .replace("/etc/leasewire/environment", str(tmp_path / "environment"))
        .replace("/etc/leasewire/redis/leasewire/password", str(tmp_path / "password"))
        .replace("/opt/leasewire/bin/leasewire", str(tmp_path / "show"))
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in lines if name.startswith(("LEASEWIRE_", "OTHER"))}


def test_the_command_has_the_settings_of_the_services(tmp_path):
    text = '# a comment\n\nLEASEWIRE_ACTOR="a person"\nLEASEWIRE_REDIS_URL=redis://h:1/0?a=b=\nOTHER=x\n'
    assert settings_of(tmp_path, text, {}) == {
        "LEASEWIRE_ACTOR": "a person",
        "LEASEWIRE_REDIS_URL": "redis://h:1/0?a=b=",
    }


def test_what_is_set_already_wins_and_nothing_in_the_file_is_run(tmp_path):
    runs = f"$(touch {tmp_path}/ran)"
    text = f"LEASEWIRE_ACTOR=b\nLEASEWIRE_A{runs}=x\nLEASEWIRE_INVENTORY={runs}"
    seen = settings_of(tmp_path, text + "\n", {"LEASEWIRE_ACTOR": "c"}, password="p")
    assert seen["LEASEWIRE_ACTOR"] == "c"
    assert not (tmp_path / "ran").exists()
    assert seen["LEASEWIRE_REDIS_USERNAME"] == "leasewire"
    assert seen["LEASEWIRE_REDIS_PASSWORD_FILE"] == str(tmp_path / "password")
    other = {"LEASEWIRE_REDIS_PASSWORD_FILE": "/mine", "LEASEWIRE_REDIS_USERNAME": "mine"}
    seen = settings_of(tmp_path, "", other, password="p")
    assert seen == other
