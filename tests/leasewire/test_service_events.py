"""`services events`, and how `services show` says why."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from tests.builders import activated, ipv4, mac, mac_changed
from tests.forking import Forked
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"
A = activated("SVC-A", server=SERVER, ipv4="223.203.225.40", id_="a1")


def test_history_and_outcomes_are_one_story(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    shown = leasewire("services", "events", "SVC-A", "--json")
    story = [(line["what"], line.get("event")) for line in shown.document["history"]]
    assert story == [("accepted", "a1"), ("in sync", None), ("event applied", "a1")]
    text = leasewire("services", "events", "SVC-A").out
    assert "event a1; type activated" in text
    assert "applied a1" in text
    assert leasewire("services", "events", "SVC-404").code == 1


@pytest.fixture
def following(world, tmp_path):
    """Starts the command as a user would; gives its lines as they come."""
    started = []

    def start(*options):
        inventory = {"LEASEWIRE_INVENTORY": str(tmp_path / "routers.toml")}
        process = Forked(
            [sys.executable, "-m", "leasewire", "services", "events", "SVC-A", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **inventory},
        )
        lines = queue.Queue()
        reader = threading.Thread(
            target=lambda: [lines.put(line) for line in process.stdout], daemon=True
        )
        reader.start()
        started.append((process, reader))
        return process, lambda: lines.get(timeout=20)

    yield start
    for process, reader in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        reader.join(10)
        process.stdout.close()
        process.stderr.close()


def test_followed_lines_come_as_they_happen_each_once_until_ctrl_c(world, following):
    world.say(A)
    process, line = following("--follow", "--json")
    assert json.loads(line())["what"] == "accepted"
    row = {"mac-address": mac(9), "address": "223.203.225.40", "server": SERVER}
    row_id = world.r1.add_row(LEASES, row)
    world.converge.run("R1")
    waiting = [json.loads(line()), json.loads(line())]
    assert {each["what"] for each in waiting} == {"waiting", "event waiting"}
    assert all(each["reason"] == "foreign-row" for each in waiting)
    world.context.store.routers.add_work("R1", ["SVC-A"])
    world.converge.run("R1")  # waits still: said anew in the store, and not here
    world.r1.remove_row(LEASES, row_id)
    world.context.store.routers.add_work("R1", ["SVC-A"])
    world.converge.run("R1")
    done = {json.loads(line())["what"] for _ in range(2)}
    assert done == {"in sync", "event applied"}
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


def test_a_service_that_is_not_known_yet_is_followed_too(world, following):
    _, line = following("-f")
    world.say(A)
    assert "accepted" in line()


def test_show_says_why_and_names_the_holder(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    world.say(activated("SVC-B", server=SERVER, mac=mac(1), ipv4=ipv4(20)))
    world.converge.run("R1")
    shown = leasewire("services", "show", "SVC-B", "--json").document
    assert shown["why"]["code"] == "claim-held"
    assert shown["waits_for"][0]["service_id"] == "SVC-A"
    assert shown["why"]["sentence"] in leasewire("services", "show", "SVC-B").out


def test_show_works_without_an_inventory_and_says_what_is_missing(
    world, leasewire, tmp_path, monkeypatch
):
    world.say(A)
    monkeypatch.setenv("LEASEWIRE_INVENTORY", str(tmp_path / "nowhere.toml"))
    shown = leasewire("services", "show", "SVC-A", "--json")
    assert shown.code == 0
    assert shown.document["service"] == "SVC-A"
    assert "without the inventory" in shown.err


def test_show_asks_routers_only_when_told_to(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    world.r1.reset_counters()
    shown = leasewire("services", "show", "SVC-A", "--json").document
    assert (shown["rows"], world.r1.counters()) == ([], {})
    shown = leasewire("services", "show", "SVC-A", "--live", "--json").document
    assert shown["rows"][0]["active_mac"] == mac(1)
    assert "all is well: device" in shown["why"]["sentence"]


def test_a_changed_service_shows_the_event_of_each_step(world, leasewire):
    world.say(A, mac_changed("SVC-A", mac(2), id_="m1"))
    world.converge.run("R1")
    lines = leasewire("services", "events", "SVC-A", "--json").document["history"]
    (synced,) = [line for line in lines if line["what"] == "in sync"]
    assert synced["applied"] == ["a1", "m1"]
