import json
import signal

import pytest

from simulator.control import ControlClient, ControlError
from simulator.menus import MENUS
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.testing import running
from tests.waiting import eventually

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"


def test_an_old_state_comes_back_as_it_was(router, sim, connect):
    kept = router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    router.device(A)
    raw = connect(sim)
    old = router.snapshot()
    router.remove_row(LEASE, kept)
    router.add_row(LEASE, {"mac-address": B})
    router.set_row("/system/identity", "", {"name": "later"})
    router.restore(json.loads(json.dumps(old)))
    (row,) = router.rows(LEASE)
    assert (row[".id"], row["mac-address"], row["status"]) == (kept, A, "waiting")
    assert router.identity == "MikroTik"
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.read()
    assert router.add_row(LEASE, {"mac-address": B}) != kept
    assert len(router.rows(LEASE)) == 2
    with pytest.raises(ControlError, match="no state of a simulated router"):
        router.restore({"rows": []})


def test_a_reset_loses_everything_but_the_way_in_where_that_is_kept(router, sim, connect):
    router.set_row("/system/identity", "", {"name": "kept"})
    router.add_row(LEASE, {"mac-address": A})
    router.reset(keep_access=True)
    assert (router.rows("/ip/dhcp-server"), router.rows(LEASE)) == ([], [])
    assert router.identity == "kept"
    assert [row["name"] for row in router.rows("/interface")] == [f"ether{n}" for n in range(1, 6)]
    connect(sim)
    router.reset()
    assert router.identity == "MikroTik"
    assert connect(sim, login=False).login(sim.user, sim.password)[0][0] == "!trap"
    assert connect(sim, login=False).login("admin", "") == [["!done"]]


def test_a_pulled_plug_loses_fresh_dynamic_leases(router):
    router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    router.device(A)
    router.device(B)
    router.power_off()
    assert len(router.rows(LEASE)) == 2
    router.power_off(loss=True)
    router.power_on()
    assert [row["mac-address"] for row in router.rows(LEASE)] == [A]


def test_a_dynamic_lease_survives_a_restart_and_a_static_one_waits(router):
    router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    router.device(A)
    router.device(B)
    router.reboot()
    static, dynamic = router.rows(LEASE)
    assert (static["status"], "active-address" in static) == ("waiting", False)
    assert (dynamic["status"], dynamic["active-address"]) == ("bound", "223.203.225.100")


def test_the_uptime_counts_from_the_last_start():
    clock = [1000.0]
    router = Router(RouterOptions(), MENUS, now=lambda: clock[0])

    def uptime():
        return next(iter(MENUS["/system/resource"].rows(router).rows.values())).values["uptime"]

    assert uptime() == "0s"
    clock[0] += 90061
    assert uptime() == "1d1h1m1s"
    router.boot()
    assert uptime() == "0s"


def said_by(process):
    return json.loads(process.stdout.readline())


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_state_file_keeps_a_router_between_runs(start, tmp_path):
    file = tmp_path / "state"
    process = start("--demo-password", "--json", "--state", file)
    said = said_by(process)
    same = ("serial", "fingerprint_sha256")
    before = [said["routers"][0][name] for name in same]
    stop(process)
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    process = start("--demo-password", "--json", "--state", file)
    said = said_by(process)
    assert [said["routers"][0][name] for name in same] == before
    stop(process)


def test_a_router_that_is_killed_keeps_its_rows_and_its_serial(start, tmp_path):
    file, control = tmp_path / "state", tmp_path / "control"
    how = ("--demo-password", "--json", "--state", file, "--control", control)
    process = start(*how)
    before = said_by(process)["routers"][0]["serial"]
    with ControlClient(str(control)) as client:
        client.add_row(LEASE, {"mac-address": A})
    eventually(lambda: A in file.read_text(), "the row is kept")
    process.kill()
    process.communicate(timeout=20)
    process = start(*how)
    assert said_by(process)["routers"][0]["serial"] == before
    with ControlClient(str(control)) as client:
        assert [row["mac-address"] for row in client.rows(LEASE)] == [A]
    stop(process)


def test_a_thousand_routers_fit_into_one_process(start):
    process = start("--demo-password", "--json", "--routers", "1000", "--seed-guide")
    assert len({router["api_port"] for router in said_by(process)["routers"]}) == 1000
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - a view of the kernel
        (used,) = [line for line in status if line.startswith("VmHWM")]
    assert int(used.split()[1]) < 500_000
    stop(process)


def test_routers_can_have_addresses_of_their_own():
    with running(3, own_addresses=True, listen="127.0.0.11") as sim:
        assert [router.host for router in sim.routers] == [f"127.0.0.{n}" for n in (11, 12, 13)]
