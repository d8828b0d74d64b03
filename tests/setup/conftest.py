"""A fresh router, an inventory that wants it set up, and the command."""

import sys

import pytest

from simulator.testing import PASSWORD, running
from tests import builders

ADMIN = "admin"
OURS = 'our "secret" pa$$word'
WISH = """
[routers.R1.setup]
manage_from = ["127.0.0.0/8"]
walled_garden = ["198.51.100.80"]
[[routers.R1.setup.dhcp]]
server = "dhcp-customers"
interface = "ether2"
network = "223.203.225.0/24"
gateway = "223.203.225.1"
ranges = ["223.203.225.100-223.203.225.254"]
dns_servers = ["198.51.100.53", "198.51.100.54"]
ntp_servers = ["198.51.100.123"]
domain = "customers.example"
lease_time = "10m"
options = [{ code = 43, value = "0x0A0B" }]
"""


def inventory_of(router, *more, spec=WISH, name="R1"):
    """The text of an inventory; `more` lines are of the router."""
    keys = [f'host = "{router.host}"', 'password_file = "ours"', *more]
    if not any(line.startswith(("port", "transport")) for line in more):
        keys.append(f"port = {router.api_ssl_port}")
    lines = [
        '[installation]\nid = "acme"',
        f"[routers.{name}]",
        *keys,
        'dhcp_server = "dhcp-customers"\nsuspend_list = "suspended"',
        spec,
        f'[sources."{builders.SOURCE}"]\norder = "revisions"',
    ]
    return "\n".join(lines)


@pytest.fixture
def router():
    """One without anything in it but an administrator."""
    with running(user=ADMIN, rest_port=0) as simulation:
        yield simulation.router


@pytest.fixture
def inventory(tmp_path, router):
    """Writes the inventory: `inventory(line, …)`."""
    (tmp_path / "ours").write_text(OURS)

    def write(*more, **changes):
        (tmp_path / "routers.toml").write_text(inventory_of(router, *more, **changes))

    write()
    return write


@pytest.fixture
def leasewire(leasewire, valkey, prefix, monkeypatch, tmp_path):
    """Runs a command, with the administrator's password on its standard input."""
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)

    def run(*arguments, password=PASSWORD):
        (tmp_path / "stdin").write_text(f"{password}\n")
        with (tmp_path / "stdin").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            return leasewire(*arguments)

    return run


@pytest.fixture
def setup(leasewire, router):
    """Runs `routers setup R1` as the administrator, at first over the plain API."""

    def run(*more, plain=True, **given):
        first = ["--bootstrap-user", ADMIN]
        if plain:
            first += ["--bootstrap-plain", "--bootstrap-port", str(router.api_port)]
        return leasewire("routers", "setup", "R1", *first, *more, **given)

    return run
