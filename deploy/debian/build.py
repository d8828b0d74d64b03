"""Builds the Debian package: `make deb`.

The package holds a virtual environment in /opt/leasewire for Debian's own Python, with the
libraries of requirements.lock, each by its hash, and the units of systemd. Built twice from one
commit on one system it is the same, byte by byte.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = ROOT / "deploy" / "debian"
HOME: Final = Path("opt/leasewire")
UV: Final = (sys.executable, "-m", "uv")
CONFFILES: Final = ("/etc/leasewire/environment",)
_CONTROL: Final = """\
Package: leasewire
Version: {version}
Architecture: {architecture}
Maintainer: Leasewire <leasewire@localhost>
Section: net
Priority: optional
Installed-Size: {size_kb}
Depends: python{python}, systemd, ca-certificates
Suggests: valkey-server | redis-server
Description: DHCP leases on MikroTik routers from an ISP's provisioning events
 Leasewire turns events of a BSS into leases, queues and address lists of
 RouterOS, and keeps doing so while things fail. It needs Redis or Valkey.
 Nothing starts by itself: see /usr/share/doc/leasewire/run-with-systemd.md.
"""
_SCRIPT: Final = """\
#!/opt/leasewire/bin/python -sP
from leasewire.__main__ import main

main()
"""
_COPYRIGHT: Final = """\
Leasewire is free software under the GNU General Public License, version 3 or
later: /usr/share/common-licenses/GPL-3. Libraries in /opt/leasewire have their
own licences, in the folders *.dist-info there.
"""
_FILES: Final = {
    "environment": "etc/leasewire/environment",
    "sysusers.conf": "usr/lib/sysusers.d/leasewire.conf",
    "tmpfiles.conf": "usr/lib/tmpfiles.d/leasewire.conf",
    "leasewire": "usr/bin/leasewire",
    "../sbom.cdx.json": "usr/share/doc/leasewire/sbom.cdx.json",
    "../../CHANGELOG.md": "usr/share/doc/leasewire/changelog.md",
    "../../docs/how-to/run-with-systemd.md": "usr/share/doc/leasewire/run-with-systemd.md",
}


def build(target: Path, python: Path, *, with_libraries: bool = True) -> Path:
    """Build the package into a folder.

    Args:
        target: the folder; created if missing.
        python: the interpreter that the package will use, as on the hosts it is for.
        with_libraries: False leaves requirements.lock out, for a look at the rest.

    Returns:
        The package's file, `leasewire_VERSION_ARCHITECTURE.deb`.
    """
    target.mkdir(parents=True, exist_ok=True)
    minor = _said(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    with tempfile.TemporaryDirectory(prefix="leasewire-deb-") as folder:
        wheel = _wheel(Path(folder))
        tree = Path(folder) / "tree"
        _environment(tree, python, wheel, with_libraries=with_libraries)
        for name, place in _FILES.items():
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / name, tree / place)
        (tree / "usr/share/doc/leasewire/copyright").write_text(_COPYRIGHT)
        shutil.copytree(ROOT / "deploy" / "systemd", tree / "usr/lib/systemd/system")
        _modes(tree)
        control = {
            # To dpkg `~dev` is older than the release, and `.dev` newer.
            "version": wheel.name.split("-")[1].replace(".dev", "~dev"),
            "architecture": _said("dpkg", "--print-architecture"),
            "size_kb": _size_kb(tree),
            "python": minor,
        }
        _metadata(tree, _CONTROL.format_map(control))
        package = target / "leasewire_{version}_{architecture}.deb".format_map(control)
        when = _said("git", "-C", ROOT, "log", "-1", "--format=%ct")
        pack = ("dpkg-deb", "--root-owner-group", "-Zzstd", "--build", tree, package)
        _run("env", f"SOURCE_DATE_EPOCH={when}", *pack)
    return package


def _wheel(folder: Path) -> Path:
    """The project as a wheel."""
    # By way of the sdist: a wheel out of the checkout would hold what an earlier build left there.
    pinned = ("--no-build-isolation", "--python", sys.executable)
    _run(*UV, "build", "--quiet", *pinned, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _environment(tree: Path, python: Path, wheel: Path, *, with_libraries: bool) -> None:
    """The virtual environment, as if it had been made where it will be."""
    home = tree / HOME
    # By its full name, python3.13: another version that comes to be `python3` finds no libraries.
    _run(python.resolve(), "-m", "venv", "--without-pip", "--symlinks", home)
    flags = ("--quiet", "--link-mode", "copy", "--python", home / "bin/python")
    install = (*UV, "pip", "install", *flags)
    if with_libraries:
        _run(*install, "--require-hashes", "-r", ROOT / "requirements.lock")
    _run(*install, "--no-deps", wheel)
    # Of the programs only the interpreter's names stay, and a script of our own: those of libraries
    # name the folder of the build, and nobody asked for them.
    for program in (home / "bin").iterdir():
        if not program.name.startswith("python"):
            program.unlink()
    (home / "bin/leasewire").write_text(_SCRIPT)
    (home / "bin/leasewire").chmod(0o755)
    configuration = home / "pyvenv.cfg"
    lines = configuration.read_text().splitlines(keepends=True)
    configuration.write_text("".join(line for line in lines if not line.startswith("command")))
    for note in ("direct_url.json", "uv_build.json", "uv_cache.json"):
        for file in home.glob(f"lib/*/site-packages/leasewire-*/{note}"):
            file.unlink()
    # Nobody can write there later. `unchecked`: times of files are not compared.
    compiled = ("compileall", "-q", "-s", tree, "-p", "/", "--invalidation-mode", "unchecked-hash")
    _run(home / "bin/python", "-m", *compiled, home / "lib")


def _metadata(tree: Path, control: str) -> None:
    folder = tree / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(control)
    (folder / "conffiles").write_text("".join(f"{name}\n" for name in CONFFILES))
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    sums = (
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {path.relative_to(tree)}\n"
        for path in files
        if folder not in path.parents and f"/{path.relative_to(tree)}" not in CONFFILES
    )
    (folder / "md5sums").write_text("".join(sums))
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(HERE / name, folder / name)
        (folder / name).chmod(0o755)


def _modes(tree: Path) -> None:
    """The same modes whatever the umask of the build was; only programs may be run."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if runs else 0o644)


def _size_kb(tree: Path) -> int:
    sizes = (path.lstat().st_size for path in tree.rglob("*") if path.is_file())
    return sum(-(-size // 1024) for size in sizes)


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


def _said(*command: str | Path) -> str:
    words = [str(part) for part in command]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Build the package as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=ROOT / "build", help="folder of the package")
    parser.add_argument("--python", type=Path, default=Path("/usr/bin/python3"))
    arguments = parser.parse_args()
    print(build(arguments.target, arguments.python))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
