"""`leasewire routers setup` for an access router and its User Manager: both ends of RADIUS."""

import pytest

from simulator.menus.user_manager import CLIENT, MANAGER, USER
from simulator.testing import PASSWORD, running
from tests.setup.conftest import ADMIN
from tests.simulator.test_user_manager import free_port

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER, RADIUS, MAC = "/ip/dhcp-server", "/radius", "00:00:5E:00:53:0A"
SECRET = 'a "shared" $ecret'
TEXT = """
[installation]
id = "acme"
[defaults]
transport = "api"
username = "{user}"
password_file = "ours"
entries = "user-manager"
dhcp_server = "dhcp-customers"
[routers.access]
host = "127.0.0.1"
port = {access}
user_manager = "um"
radius_secret_file = "radius"
[routers.access.setup]
manage_from = ["127.0.0.0/8"]
[[routers.access.setup.dhcp]]
server = "dhcp-customers"
interface = "ether2"
network = "223.203.225.0/24"
gateway = "223.203.225.1"
[routers.um]
host = "127.0.0.1"
port = {um}
[routers.um.setup]
manage_from = ["127.0.0.0/8"]
"""


@pytest.fixture
def both():
    with running(2, user=ADMIN) as sim:
        yield sim.routers


@pytest.fixture
def setup(both, leasewire, tmp_path):
    """Runs `routers setup NAME`; our user is there already."""
    access, um = both
    text = TEXT.format(user=ADMIN, access=access.api_port, um=um.api_port)
    (tmp_path / "routers.toml").write_text(text)
    (tmp_path / "ours").write_text(PASSWORD)
    (tmp_path / "radius").write_text(f"{SECRET}\n")
    return lambda *more: leasewire("routers", "setup", *more)


def test_a_device_gets_its_address_once_both_ends_are_set_up(both, setup):
    access, um = both
    access.add_row("/ip/address", {"address": "223.203.225.1/24", "interface": "ether2"})
    for name in ("um", "access"):
        shown = setup(name)
        assert shown.code == 4, shown
        assert SECRET not in shown.out + shown.err
        done = setup(name, "--apply")
        assert done.code == 0, done
        assert SECRET not in done.out + done.err
        assert setup(name).out.endswith(f"{name}: nothing to do.\n")
    (client,) = um.rows(CLIENT)
    assert (client["name"], client["address"]) == ("access", "127.0.0.1")
    assert client["shared-secret"] == SECRET
    (asks,) = access.rows(RADIUS)
    assert (asks["service"], asks["address"], asks["secret"]) == ("dhcp", "127.0.0.1", SECRET)
    assert [row["use-radius"] for row in access.rows(SERVER)] == ["yes"]
    assert um.rows(RADIUS) == access.rows(CLIENT) == []
    port = str(free_port())  # others have 1812 on this machine
    um.run(f"{MANAGER}/set", {"authentication-port": port})
    access.set_row(RADIUS, asks[".id"], {"authentication-port": port})
    um.add_row(USER, {"name": MAC, "attributes": "Framed-IP-Address:223.203.225.10"})
    assert access.device(MAC)["address"] == "223.203.225.10"


def test_an_empty_file_of_the_secret_is_said(setup, tmp_path):
    (tmp_path / "radius").write_text("\n")
    refused = setup("access")
    assert refused.code != 0
    assert "is empty or cannot be read" in refused.out + refused.err


def test_a_script_has_both_ends_too(setup):
    assert "/radius add service=dhcp address=127.0.0.1" in setup("access", "--script").out
    script = setup("um", "--script").out
    assert "/user-manager set enabled=yes" in script
    assert "/user-manager router add name=access address=127.0.0.1" in script
