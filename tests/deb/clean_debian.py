"""Installs the Debian package in a clean Debian that systemd boots, and tries all of it there.

`make deb-check` runs it, as root: it needs debootstrap, systemd-nspawn and the Debian archive. The
Debian is one in a folder, with namespaces and a network of its own, so nothing here is changed.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deb.debian import Debian, clean_base, eventually, step

SERVICES = ("worker", "gateway", "console", "outcomes", "alerts", "metrics", "outbox")
USERS = {name: f"leasewire-{name}" for name in SERVICES} | {"worker": "leasewire"}
INVENTORY = """\
[installation]
id = "clean-debian"

[sources."urn:isp:bss"]
order = "revisions"

[defaults]
username = "leasewire"
dhcp_server = "dhcp-vlan-32"
transport = "api"

[alerts.noc]
url_file = "secrets/alerts/noc"

[routers.tower-7]
host = "127.0.0.1"
port = 8728
password_file = "secrets/worker/tower-7"
"""
DATABASE = "postgresql://billing@127.0.0.1/billing"
OUTCOMES = """\
[targets.bss]
url = "http://127.0.0.1:9/"
sources = ["urn:isp:bss"]
secret_file = "secrets/outcomes/bss"
"""
SECRET = (
    "/opt/leasewire/bin/python",
    "-c",
    "import base64; print('whsec_' + base64.b64encode(b'k' * 32).decode())",
)
VALKEY = """
appendonly yes
save ""
maxmemory 256mb
maxmemory-policy noeviction
aclfile /etc/valkey/users.acl
"""


def install(debian, package):
    step("install the package, Valkey and PostgreSQL by apt")
    shutil.copy(package, debian.folder / "root/leasewire.deb")
    debian.run("apt-get", "update", "-q")
    debian.run(
        *("apt-get", "install", "-y", "-q", "--no-install-recommends"),
        *("/root/leasewire.deb", "valkey-server", "postgresql"),
    )
    assert debian.run("leasewire", "--version").startswith("leasewire ")
    links = list((debian.folder / "etc/systemd/system").rglob("leasewire*"))
    assert links == [], "nothing starts by itself"


def configure(debian):
    """As docs/how-to/run-with-systemd.md says."""
    step("configure")
    debian.run("leasewire", "redis-logins", "/etc/leasewire/redis")
    users = "/etc/leasewire/redis/server/users.acl"
    debian.run("install", "-m", "640", "-g", "valkey", users, "/etc/valkey/users.acl")
    debian.write("/etc/valkey/leasewire.conf", VALKEY)
    debian.run("sed", "-i", "$a include /etc/valkey/leasewire.conf", "/etc/valkey/valkey.conf")
    debian.write("/etc/leasewire/routers.toml", INVENTORY)
    debian.write("/etc/leasewire/secrets/worker/tower-7", "a-password-of-a-router", 0o640)
    debian.write("/root/password", "a-password-of-a-router")
    debian.write("/etc/leasewire/secrets/alerts/noc", "json://127.0.0.1:9/", 0o640)
    debian.write("/etc/leasewire/outcomes.toml", OUTCOMES)
    debian.write("/etc/leasewire/secrets/outcomes/bss", debian.run(*SECRET), 0o640)
    debian.run("sed", "-i", f"$a OUTBOX_DATABASE={DATABASE}", "/etc/leasewire/environment")
    unit = "[Service]\nExecStart=/opt/leasewire/bin/leasewire simulator --identity=tower-7"
    unit += " --listen=127.0.0.1 --api-port=8728 --password-file=/root/password --seed-guide"
    unit += " --state=/root/router.state\nRestart=always\n[Install]\nWantedBy=multi-user.target\n"
    debian.write("/etc/systemd/system/router.service", unit)


def make_outbox(debian):
    """A database of the BSS with the table in it, whose user has a password."""
    step("an outbox in PostgreSQL")
    debian.run("systemctl", "start", "postgresql")
    sql(debian, "CREATE USER billing PASSWORD 'a-password-of-a-database'", database="postgres")
    sql(debian, "CREATE DATABASE billing OWNER billing", database="postgres")
    sql(debian, "SET ROLE billing;\n" + debian.run("leasewire", "outbox", "ddl"))
    debian.write("/root/pgpass", "127.0.0.1:5432:billing:billing:a-password-of-a-database\n")
    secret = "/etc/leasewire/secrets/outbox/pgpass"
    debian.run("install", "-m", "600", "-o", "leasewire-outbox", "/root/pgpass", secret)


def sql(debian, statements, *options, database="billing"):
    """Run SQL as the server's own user; give what it prints."""
    psql = ("runuser", "-u", "postgres", "--", "psql", "-qAt", "-v", "ON_ERROR_STOP=1")
    return debian.run(*psql, "-d", database, *options, text=statements)


def relay(debian, number):
    """A row that the BSS writes into its outbox becomes a row on the router."""
    service = {
        "status": "active",
        "access": {"router": "tower-7"},
        "device": {"mac": f"00:00:5E:00:53:0{number}"},
        "address": {"mode": "static", "ipv4": f"223.203.225.1{number}"},
    }
    data = {"service_id": f"S-{number}", "revision": 1, "service": service}
    kind = "leasewire.service.activated.v1"
    event = {"id": f"S-{number}:1", "source": "urn:isp:bss", "type": kind, "data": data}
    insert = "INSERT INTO leasewire_outbox (body) VALUES (:'event')"
    sql(debian, insert, "-v", f"event={json.dumps(event)}")
    waiting = "SELECT id FROM leasewire_outbox WHERE published_at IS NULL"
    eventually(lambda: sql(debian, waiting) == "", "the row is marked as published")
    eventually(lambda: is_written(debian, number), f"the lease of S-{number}")


def all_run(debian):
    """Each service runs, as its own user and without a capability."""
    for name in SERVICES:
        unit = f"leasewire-{name}.service"
        assert debian.run("systemctl", "is-active", unit).strip() == "active"
        pid = debian.run("systemctl", "show", "-P", "MainPID", unit).strip()
        status = debian.run("cat", f"/proc/{pid}/status")
        user = debian.run("id", "-u", USERS[name]).strip()
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}" in status, (name, status)
        assert "CapEff:\t0000000000000000" in status
        assert "Seccomp:\t2" in status
    for port, path in ((8080, "healthz"), (8081, "console/login"), (9464, "metrics")):
        code = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)"
        debian.run("/opt/leasewire/bin/python", "-c", code, f"http://127.0.0.1:{port}/{path}")
    assert "All workers are alive" in debian.run("leasewire", "health")
    return True


def publish(debian, number):
    """An event by the command becomes a row on the router."""
    debian.run(
        *("leasewire", "publish", "activated", "--service", f"S-{number}", "--router", "tower-7"),
        *("--mac", f"00:00:5E:00:53:0{number}", "--address", f"223.203.225.1{number}"),
    )

    eventually(lambda: is_written(debian, number), f"the lease of S-{number}")


def is_written(debian, number):
    return f"S-{number}" in debian.run("leasewire", "routers", "leases", "tower-7", "--json")


def secrets_are_apart(debian):
    step("a service's user reads its own secrets and no other's")
    secrets = {"worker": "tower-7", "outcomes": "bss", "alerts": "noc", "outbox": "pgpass"}
    for name, user in USERS.items():
        for owner, file in secrets.items():
            secret = f"/etc/leasewire/secrets/{owner}/{file}"
            debian.run("runuser", "-u", user, "--", "cat", secret, fails=name != owner)
        password = "/etc/leasewire/redis/leasewire/password"
        debian.run("runuser", "-u", user, "--", "cat", password, fails=True)


def try_all(debian, package):
    with debian.booted():
        step("start")
        debian.run("systemctl", "restart", "valkey-server")
        make_outbox(debian)
        debian.run("systemctl", "enable", "--now", "router")
        debian.run("systemctl", "enable", "--now", *(f"leasewire-{name}" for name in SERVICES))
        eventually(lambda: all_run(debian), "all services run")
        step("publish")
        publish(debian, 1)
        step("relay a row of the outbox")
        relay(debian, 2)
        secrets_are_apart(debian)
        step("reload")
        another = INVENTORY[INVENTORY.index("[routers.") :].replace("-7", "-8", 1)
        more = INVENTORY + another.replace("127.0.0.1", "127.0.0.2")
        debian.write("/etc/leasewire/routers.toml", more)
        debian.run("systemctl", "reload-or-restart", "leasewire-*")
        for name in set(SERVICES) - {"outbox"}:
            log = ("journalctl", "-u", f"leasewire-{name}", "-g", "reloading|reloaded")
            eventually(lambda log=log: "tower-8" in debian.run(*log), f"{name} says what changes")
        eventually(lambda: all_run(debian), "all run after a reload")
        step("reboot")
    with debian.booted():
        eventually(lambda: all_run(debian), "all run after a reboot")
        publish(debian, 3)
        relay(debian, 4)
        step("upgrade: the services that ran run again")
        debian.run("systemctl", "stop", "leasewire-alerts")
        debian.run("dpkg", "-i", "/root/leasewire.deb")
        assert debian.run("systemctl", "is-active", "leasewire-alerts", fails=True)
        debian.run("systemctl", "start", "leasewire-alerts")
        eventually(lambda: all_run(debian), "all run after an upgrade")
        publish(debian, 5)
        step("a bad inventory")
        debian.write("/etc/leasewire/routers.toml", "[routers")
        # systemd in systemd may find the cgroup of a service gone while it starts it again.
        names = ("leasewire-metrics", "leasewire-worker")
        eventually(lambda: debian.run("systemctl", "restart", *names) == "", "a restart")
        eventually(
            lambda: (
                "failed" in debian.run("systemctl", "is-active", "leasewire-worker", fails=True)
            ),
            "a bad configuration ends a service",
        )
        assert "routers.toml" in debian.run("journalctl", "-u", "leasewire-worker", "-n", "20")
        debian.write("/etc/leasewire/routers.toml", INVENTORY)
        debian.run("systemctl", "restart", "leasewire-worker")
        step("purge")
        debian.run("systemctl", "disable", "--now", "router")
        debian.run("apt-get", "purge", "-y", "-q", "leasewire")
        units = debian.run("systemctl", "list-unit-files", "leasewire-*", fails=True)
        assert "0 unit files" in units
        commands = debian.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert "valkey-server" in commands
        assert "/opt/leasewire" not in commands


def is_purged(debian):
    left = sorted(
        str(path.relative_to(debian.folder))
        for folder in ("etc", "opt", "usr", "var/lib/systemd", "run")
        for path in (debian.folder / folder).rglob("*leasewire*")
        if "valkey" not in str(path)
    )
    kept = sorted(
        str(path.relative_to(debian.folder / "etc/leasewire"))
        for path in (debian.folder / "etc/leasewire").rglob("*")
        if path.is_file()
    )
    step(f"left: {json.dumps(left)}; kept in /etc/leasewire: {json.dumps(kept)}")
    assert left == ["etc/leasewire"] + [
        f"etc/leasewire/redis/{name}" for name in redis_logins(debian)
    ]
    secrets = ("alerts/noc", "outbox/pgpass", "outcomes/bss", "worker/tower-7")
    own = ["outcomes.toml", "routers.toml", *(f"secrets/{name}" for name in secrets)]
    assert [name for name in kept if not name.startswith("redis/")] == own


def redis_logins(debian):
    names = (path.name for path in (debian.folder / "etc/leasewire/redis").iterdir())
    return sorted(name for name in names if "leasewire" in name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--base", type=Path, default=Path("build/debian"))
    arguments = parser.parse_args()
    base = arguments.base.resolve()
    clean_base(base)
    with tempfile.TemporaryDirectory(prefix="leasewire-debian-") as folder:
        debian = Debian(Path(folder) / "debian")
        subprocess.run(["cp", "-a", "--reflink=auto", base, debian.folder], check=True)
        try:
            install(debian, arguments.package)
            configure(debian)
            try_all(debian, arguments.package)
            is_purged(debian)
        except AssertionError as error:
            step(f"FAILED: {error}")
            return 1
    step("all of it works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
