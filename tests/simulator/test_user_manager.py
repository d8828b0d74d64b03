"""A simulated DHCP server that asks a simulated User Manager over RADIUS, on UDP."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import radius
from simulator.control import ControlError
from simulator.menus.user_manager import CLIENT, MANAGER, USER
from simulator.testing import running

pytestmark = pytest.mark.router

LEASE, SERVER, QUEUE = "/ip/dhcp-server/lease", "/ip/dhcp-server", "/queue/simple"
LISTS = "/ip/firewall/address-list"
MAC, ADDRESS, SECRET = "00:00:5E:00:53:0A", "223.203.225.10", "a shared secret"
GOLD = f"Framed-IP-Address:{ADDRESS},Mikrotik-Rate-Limit:10M/50M,Mikrotik-Address-List:gold"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def only(control, menu):
    (row,) = control.rows(menu)
    return row[".id"]


class Two:
    """An access router that asks a User Manager."""

    def __init__(self, sim):
        self.access, self.manager = sim.routers
        self.port = str(free_port())
        self.server = only(self.access, SERVER)
        self.row = self.manager.add_row(
            CLIENT, {"name": "access", "address": "127.0.0.1", "shared-secret": SECRET}
        )
        radius_row = {"service": "dhcp", "address": "127.0.0.1", "timeout": "300ms"}
        self.asks = self.access.add_row(
            "/radius", {**radius_row, "secret": SECRET, "authentication-port": self.port}
        )
        self.access.set_row(SERVER, self.server, {"use-radius": "yes"})
        self.switch("yes")

    def switch(self, enabled):
        values = {"enabled": enabled, "authentication-port": self.port}
        self.manager.run(f"{MANAGER}/set", values)

    def user(self, attributes=GOLD, **values):
        return self.manager.add_row(USER, {"name": MAC, "attributes": attributes, **values})

    def device(self, **how):
        return self.access.device(MAC, **how)


@pytest.fixture(scope="module")
def sim():
    with running(2, seed_guide=True) as sim:
        yield sim


@pytest.fixture
def two(sim):
    two = Two(sim)
    yield two
    for control, menu in ((two.manager, USER), (two.manager, CLIENT), (two.access, "/radius")):
        for row in control.rows(menu):
            control.remove_row(menu, row[".id"])
    two.access.device_release(MAC)
    for row in two.access.rows(LEASE):
        two.access.remove_row(LEASE, row[".id"])


def test_a_device_gets_address_rate_and_list(two):
    two.user()
    assert two.device()["address"] == ADDRESS
    (lease,) = two.access.rows(LEASE)
    assert (lease["radius"], lease["dynamic"], lease["status"]) == ("true", "true", "bound")
    assert lease["rate-limit"] == "10M/50M"
    assert [row["max-limit"] for row in two.access.rows(QUEUE)] == ["10000000/50000000"]
    assert [(row["list"], row["address"]) for row in two.access.rows(LISTS)] == [("gold", ADDRESS)]


def test_nobody_without_a_user_is_let_in(two):
    assert two.device()["kind"] == "none"
    assert two.access.rows(LEASE) == []
    row = two.user(disabled="yes")
    assert two.device()["kind"] == "none"
    two.manager.set_row(USER, row, {"disabled": "no", "password": "x"})
    assert two.device()["kind"] == "none"
    two.manager.set_row(USER, row, {"password": ""})
    assert two.device()["address"] == ADDRESS


def test_while_user_manager_is_away_the_bound_keep_what_they_have_and_the_new_get_nothing(two):
    two.user()
    assert two.device()["address"] == ADDRESS
    two.switch("no")
    assert two.device(requested=ADDRESS)["kind"] == "none"
    (lease,) = two.access.rows(LEASE)
    assert (lease["status"], lease["active-address"]) == ("bound", ADDRESS)
    other = two.manager.add_row(USER, {"name": "00:00:5E:00:53:0B", "attributes": ""})
    assert two.access.device("00:00:5E:00:53:0B")["kind"] == "none"
    assert len(two.access.rows(LEASE)) == 1
    two.access.skip(1801)
    assert two.access.rows(LEASE) == [], "its lease ended"
    two.switch("yes")
    assert two.device()["address"] == ADDRESS
    assert other


def test_a_change_acts_when_the_device_renews(two):
    row = two.user()
    two.device()
    changed = GOLD.replace("10M/50M", "64k/64k").replace("gold", "suspended")
    two.manager.set_row(USER, row, {"attributes": changed})
    assert [each["max-limit"] for each in two.access.rows(QUEUE)] == ["10000000/50000000"], (
        "nobody asked"
    )
    assert two.access.device_renews(MAC)["address"] == ADDRESS
    assert [each["max-limit"] for each in two.access.rows(QUEUE)] == ["64000/64000"]
    assert [each["list"] for each in two.access.rows(LISTS)] == ["suspended"]
    two.manager.set_row(USER, row, {"attributes": "Framed-IP-Address:223.203.225.11"})
    assert two.access.device_renews(MAC)["address"] == "223.203.225.11"
    assert two.access.rows(LISTS) == []
    two.manager.remove_row(USER, row)
    assert two.access.device_renews(MAC)["kind"] == "none"
    assert two.access.rows(LEASE) == []


def test_a_pool_a_session_timeout_and_a_password(two):
    config = "/ip/dhcp-server/config/set"
    two.access.run(config, {"radius-password": "same-as-user"})
    two.user("Session-Timeout:120", password=MAC)
    answer = two.device()
    assert (answer["address"], answer["lease_s"]) == ("223.203.225.100", 120)
    two.access.run(config, {"radius-password": "empty"})
    assert two.access.device_renews(MAC)["kind"] != "ack"


def test_another_secret_is_not_answered(two):
    two.user()
    two.manager.set_row(CLIENT, two.row, {"shared-secret": "another"})
    assert two.device()["kind"] == "none"
    two.manager.set_row(CLIENT, two.row, {"shared-secret": SECRET, "disabled": "yes"})
    assert two.device()["kind"] == "none"


def test_a_static_lease_needs_no_radius(two):
    row = two.access.add_row(LEASE, {"mac-address": MAC, "address": "223.203.225.77"})
    assert two.device()["address"] == "223.203.225.77"
    assert row


def test_what_no_user_may_have_is_refused(two):
    two.user()
    with pytest.raises(ControlError, match="user with the same name already exists"):
        two.user()
    with pytest.raises(ControlError, match="invalid value for argument attributes"):
        two.manager.add_row(USER, {"name": "x", "attributes": "Framed-IP-Address:nowhere"})
    with pytest.raises(ControlError, match="invalid value for argument attributes"):
        two.manager.add_row(USER, {"name": "x", "attributes": "No-Such:1"})


@given(st.binary(max_size=120))
def test_noise_is_no_packet(noise):
    for data in (noise, bytes((1, 7, 0, 20 + len(noise) % 100)) + bytes(16) + noise):
        try:
            radius.check_request(radius.read(data), SECRET)
        except radius.RadiusError:
            continue
        raise AssertionError(data)


@given(
    st.text(max_size=60),
    st.dictionaries(st.sampled_from(["User-Name", "NAS-Port-Id"]), st.text(max_size=20)),
)
def test_a_request_is_read_as_it_was_written(password, values):
    whole = radius.request(7, values, password, SECRET)
    packet = radius.read(whole)
    assert {name: packet.values[name] for name in values} == values
    assert radius.check_request(packet, SECRET) == password.rstrip("\0")
    said = radius.answer(radius.ACCEPT, packet, {"Framed-IP-Address": ADDRESS}, SECRET)
    radius.check_answer(radius.read(said), whole, SECRET)
    for broken in (
        said[:-1] + bytes((said[-1] ^ 1,)),
        said[:20] + said[20:].replace(b"\xdf", b"\xde"),
    ):
        with pytest.raises(radius.RadiusError):
            radius.check_answer(radius.read(broken), whole, SECRET)
