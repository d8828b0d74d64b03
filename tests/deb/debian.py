"""A clean Debian in a folder, with namespaces and a network of its own, that systemd can boot.

It needs root, debootstrap, systemd-nspawn and the Debian archive.
"""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path


class Debian:
    """A Debian in a folder, booted or not."""

    def __init__(self, folder):
        self.folder = folder
        self.leader = None

    def run(self, *command, fails=False, text=None):
        """Run a command in it, as root; give what it prints."""
        if self.leader:
            enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C"]
        else:
            # With the network of here, for the archive.
            mount = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
            enter = ["unshare", "-m", "bash", "-c", mount, str(self.folder)]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        environment += ["DEBIAN_FRONTEND=noninteractive"]
        done = subprocess.run(
            [*enter, *environment, *command],
            capture_output=True,
            text=True,
            input=text,
            check=False,
        )
        said = done.stdout + done.stderr
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{said}")
        return said

    def write(self, path, text, mode=0o644):
        target = self.folder / path.removeprefix("/")
        target.write_text(text)
        target.chmod(mode)

    @contextmanager
    def booted(self):
        """Boot it for the block. systemd gets a hierarchy of cgroups of its own: v2."""
        boot = "mountpoint -q /sys/fs/cgroup && umount -R /sys/fs/cgroup; "
        boot += 'mount -t cgroup2 none /sys/fs/cgroup && exec systemd-nspawn -q "$@"'
        options = ["--boot", "--register=no", "--keep-unit", "--private-network", "-D"]
        with (
            (self.folder.parent / "console.log").open("ab") as console,
            subprocess.Popen(
                ["unshare", "-m", "bash", "-c", boot, "boot", *options, str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            ) as nspawn,
        ):
            try:
                self._wait_until_up(nspawn.pid)
                yield self
            except AssertionError:
                step(self.run("journalctl", "-u", "leasewire-*", "-n", "60", "--no-pager"))
                raise
            finally:
                if nspawn.poll() is None:
                    self.run("systemctl", "poweroff", "--no-block")
                self.leader = None
                nspawn.wait(150)

    def _wait_until_up(self, nspawn):
        def is_up():
            leaders = children_of(nspawn)
            if not leaders:
                return False
            self.leader = leaders[0]
            ask = ["nsenter", "-t", str(self.leader), "-a", "systemctl", "is-system-running"]
            done = subprocess.run(ask, capture_output=True, text=True, check=False)
            return done.stdout.strip() in {"running", "degraded"}

        eventually(is_up, "systemd is up", within_s=120)


def children_of(pid):
    """Process ids of its children; nspawn's own helper is one that has no systemd in it."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if Path(f"/proc/{child}/comm").read_text() == "systemd\n"]


def eventually(check, what, within_s=60):
    """Wait until it holds; an AssertionError or False means not yet."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if check():
                return
            problem = "not yet"
        except (AssertionError, OSError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: {problem}")
        time.sleep(0.5)


def step(text):
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def clean_base(base):
    """A Debian as debootstrap makes it; kept for the next time."""
    if (base / "etc/debian_version").exists():
        return
    step("debootstrap")
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", "stable", base],
        check=True,
        stdout=subprocess.DEVNULL,
    )
