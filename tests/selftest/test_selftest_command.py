"""`leasewire selftest`: what it asks for, what it leaves, and what it says where it cannot run."""

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from simulator.control import ControlError
from simulator.menus import MENUS
from simulator.testing import PASSWORD, running
from tests.forking import Forked
from tests.selftest.laboratory import EPHEMERAL
from tests.setup.conftest import inventory_of
from tests.waiting import eventually
from worker.selftest.lab import NAME, TAG

pytestmark = [pytest.mark.router, pytest.mark.redis]

LEASE = "/ip/dhcp-server/lease"
MAKING = (
    *("zero_address_unique", "option_in_use_removal", "double_binding", "second_server"),
    *("rate_change", "removal", "static_on_dynamic_address", "tagged_order"),
)
"""Questions that make a row of each kind that the self-test makes."""
QUICK = ("--yes", "--question", "zero_address_unique")


@pytest.fixture
def router(tmp_path, short_directory):
    with running(control=short_directory / "c", seed_guide=True) as sim:
        router = sim.router
        router.control = short_directory / "c"
        (tmp_path / "ours").write_text(PASSWORD)
        text = inventory_of(
            router,
            f'username = "{sim.user}"',
            'transport = "api"',
            f"port = {router.api_port}",
            spec="",
        )
        (tmp_path / "routers.toml").write_text(text)
        yield router


@pytest.fixture
def leasewire(leasewire, valkey, prefix, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield leasewire


@pytest.fixture
def command(router, leasewire, tmp_path):
    """Runs `leasewire selftest R1 …` in a process that may kill itself; see `victim`."""
    words = [sys.executable, "-m", "tests.selftest.victim", str(router.control)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with Forked(words, cwd=tmp_path, env=env, text=True, **pipes) as process:

        def start(dies_at, when, *arguments):
            request = [dies_at, when, ["selftest", "R1", *arguments]]
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield start


def export(router):
    """The whole router, as text."""
    shown = {}
    for path in MENUS.keys() - EPHEMERAL - {""}:
        with suppress(ControlError):  # the router's version has no such menu
            shown[path] = router.rows(path)
    assert shown["/ip/dhcp-server"]
    return json.dumps(shown, sort_keys=True)


def settle_in(router):
    """Rows of others that look like those of a self-test."""
    router.add_row("/interface/bridge", {"name": f"{NAME}-of-ada", "comment": f"{TAG} of ada"})
    router.add_row("/ip/pool", {"name": f"{NAME}-2", "ranges": "198.51.100.9"})
    router.add_row("/ip/dhcp-server/option", {"name": NAME + "s", "code": "224"})
    router.add_row("/ip/firewall/address-list", {"list": NAME, "address": "198.18.77.99"})
    router.add_row("/ip/arp", {"address": "198.51.100.3", "interface": "ether3"})


def test_killed_at_random_points_and_cleaned_the_router_is_as_before(router, command):
    settle_in(router)
    before = export(router)
    ask = ("--yes", *(word for name in MAKING for word in ("--question", name)))
    code, last = command(0, "", *ask)
    assert (code, export(router)) == (0, before)
    seed = random.randrange(1 << 32)
    chance, kills, left_over = random.Random(seed), 0, 0
    while kills < 20:
        at, when = chance.randint(1, last), chance.choice(["before", "after"])
        router.set_switches(removal=chance.choice(["at-once", "kept-until-expiry"]))
        what = f"seed {seed}, number {kills}: killed {when} {at} of {last}"
        code, reached = command(at, when, *ask)
        assert code == (-signal.SIGKILL if reached == at else 0), what
        kills += code != 0  # else it had fewer exchanges: answers come in other pieces
        left_over += export(router) != before
        assert command(0, "", "--clean")[0] == 0, what
        assert export(router) == before, what
    assert left_over >= 10, "a process that is killed must leave something"


ONE_QUESTION = [
    *(sys.executable, "-m", "leasewire", "selftest"),
    *("R1", "--yes", "--question", "block_access"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_lab(router, leasewire, tmp_path, number):
    before = export(router)
    with Forked(ONE_QUESTION, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: router.rows("/queue/simple"), "a bound device")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Removing" in errors
    assert export(router) == before


def test_it_shows_what_it_does_and_asks_first(router, leasewire):
    before = export(router)
    shown = leasewire("selftest", "R1", "--dry-run", "--json").document
    assert shown["makes"][0] == "/interface/bridge leasewire-selftest"
    assert (shown["in_use"], len(shown["questions"])) == ([], 30)
    text = leasewire("selftest", "R1", "--dry-run").out
    assert "/ip/dhcp-server leasewire-selftest" in text
    assert "minutes at most" in text
    refused = leasewire("selftest", "R1")
    assert (refused.code, refused.err.splitlines()[-1]) == (
        2,
        "Without a terminal the self-test needs --yes.",
    )
    assert export(router) == before


def test_a_report_goes_to_a_file_and_never_over_another(router, leasewire, tmp_path):
    first = leasewire("selftest", "R1", *QUICK, "--report", "report.json")
    assert first.code == 0, first.err
    assert "1/1 zero_address_unique: false" in first.err
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["switches"] == {"zero_address_unique": False}
    assert (
        leasewire("audit", "list", "--json").document["entries"][0]["what"] == "router.self_tested"
    )
    second = leasewire("selftest", "R1", *QUICK, "--report", "report.json")
    assert (second.code, second.err) == (
        2,
        "report.json exists, or its directory does not: name another file.\n",
    )


def test_a_router_in_use_needs_to_be_told_twice(router, leasewire, monkeypatch):
    router.add_row(LEASE, {"mac-address": "00:00:5E:00:53:01", "address": "223.203.225.9"})
    before = export(router)
    for options in ((), ("--yes",), ("--confirm", "R1"), ("--yes", "--confirm", "R1")):
        refused = leasewire("selftest", "R1", *options)
        assert refused.code == 1
        assert refused.err == (
            "R1 seems to be in use:\n  it has 1 lease\n"
            "On a router that is in use it needs --in-use, and the router's name: --confirm R1.\n"
        )
    assert leasewire("selftest", "R1", *QUICK, "--in-use").code == 2
    other = leasewire("selftest", "R1", *QUICK, "--in-use", "--confirm", "R2")
    assert (other.code, other.err) == (2, "--confirm R2 is not the name of the router: R1\n")
    assert export(router) == before
    done = leasewire("selftest", "R1", *QUICK, "--in-use", "--confirm", "R1")
    assert done.code == 0, done.err
    assert export(router) == before


def test_services_of_ours_and_a_redis_that_is_away_count_as_in_use(
    router, leasewire, client, prefix, monkeypatch
):
    client.sadd(f"{prefix}router:R1:services", "SVC-1")
    refused = leasewire("selftest", "R1", *QUICK)
    assert (refused.code, "1 service of ours may have rows on it" in refused.err) == (1, True)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://127.0.0.1:1/0")
    refused = leasewire("selftest", "R1", *QUICK)
    assert (refused.code, "Redis is not available" in refused.err) == (1, True)
    assert leasewire("selftest", "R1", *QUICK, "--in-use", "--confirm", "R1").code == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("R9",), "there is no router R9"),
        (("R1", "--question", "why"), "There is no question why; there are: zero_address_unique, "),
        (("R1", "--ports", "ether4"), "--ports takes two ports"),
        (("R1", "--ports", "ether4,ether4"), "--ports takes two ports"),
        (("R1", "--ports", "ether4,ether9"), "R1: there is no port ether9"),
        (("R1", "--report", "nowhere/report.json"), "or its directory does not"),
    ],
)
def test_bad_input_says_what_to_do(router, leasewire, options, text):
    result = leasewire("selftest", *options)
    assert (result.code, text in result.err) == (2, True), result.err


def test_what_is_in_the_way_is_named(router, leasewire):
    router.add_row("/ip/address", {"address": "198.18.0.1/16", "interface": "ether5"})
    refused = leasewire("selftest", "R1", *QUICK, "--ports", "ether4,ether5")
    assert refused.code == 2
    assert refused.err.splitlines() == [
        "R1: ether5 has an address of 198.18.77.0/24, which the self-test uses",
        "R1: ether5 has an address: name a spare port",
    ]


def test_what_a_killed_one_left_is_shown_and_must_go_first(router, leasewire):
    router.add_row("/interface/bridge", {"name": NAME, "comment": TAG})
    refused = leasewire("selftest", "R1", *QUICK)
    assert refused.err == "R1: an earlier self-test left rows: remove them with --clean\n"
    shown = leasewire("selftest", "R1", "--clean", "--dry-run", "--json")
    assert (shown.code, shown.document) == (4, {"would_remove": [f"/interface/bridge {NAME}"]})
    assert leasewire("selftest", "R1", "--clean").out == "R1: removed 1 row\n"
    assert leasewire("selftest", "R1", "--clean").out == "R1: removed 0 rows\n"


def test_a_router_that_is_away_is_an_error_in_one_line(router, leasewire):
    router.power_off()
    result = leasewire("selftest", "R1", *QUICK)
    assert result.code == 3
    assert result.err.startswith("router R1 is unreachable: connecting to ")


def test_a_router_that_goes_away_meanwhile_is_to_be_cleaned_later(router, leasewire, tmp_path):
    before = export(router)
    with Forked(ONE_QUESTION, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: router.rows("/queue/simple"), "a bound device")
        router.power_off()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert errors.splitlines()[-1] == "Remove them: leasewire selftest R1 --clean"
    router.power_on()
    assert leasewire("selftest", "R1", "--clean").code == 0
    assert export(router) == before


def test_a_lab_that_the_router_refuses_is_removed(router, leasewire):
    before = export(router)
    fault = {"menu": "/ip/pool", "field": "name", "value": "*", "text": "failure: no more pools"}
    router.set_faults(refuse_values=[fault])
    result = leasewire("selftest", "R1", *QUICK)
    assert result.code == 1
    assert result.err.splitlines() == [
        "Removing what the self-test made …",
        "router R1 refused /ip/pool/add: failure: no more pools",
    ]
    assert export(router) == before
