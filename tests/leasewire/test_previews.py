"""A preview ends with 4 where --apply would change something, and with 0 where it would not."""

import re

import pytest
import typer

from leasewire.cli import app
from tests.builders import SOURCE, activated, mac
from tests.leasewire.conftest import LEASES
from tests.leasewire.test_documents import commands_below, text_of

pytestmark = [pytest.mark.redis, pytest.mark.router]

OTHER = "urn:isp:bss:other"
MINE, ITS = "223.203.225.40", "223.203.225.41"
SETUP = """
[routers.R1.setup]
manage_from = ["127.0.0.0/8"]
[[routers.R1.setup.dhcp]]
server = "dhcp-more"
interface = "ether2"
network = "198.51.100.0/24"
gateway = "198.51.100.1"
ranges = ["198.51.100.100-198.51.100.254"]
"""
POOL = """
[pools.home]
ranges = ["198.51.100.10-198.51.100.20"]
"""
HEAD = "service_id,router,dhcp_server,mac,ipv4\n"
AS_OF = ("--as-of", "2026-11-24T10:00:00Z")

CHANGING = {
    "adopt": ("R1",),
    "claims move": (MINE, "--router", "R1", "--from", "SVC-1", "--to", "SVC-2"),
    "dead-letters edit": ("LETTER", "--set", f"/source={SOURCE}"),
    "import": ("more.csv", "--source", SOURCE, *AS_OF),
    "options collect": ("R1",),
    "orphans remove": ("R1",),
    "pools free": ("home", "198.51.100.10"),
    "reconcile": ("R1",),
    "resync": ("more.csv", "--source", SOURCE, *AS_OF, "--missing", "cancel"),
    "routers apply": ("R1",),
    "routers manage": ("R2",),
    "routers rebuild": ("R1",),
    "routers rename": ("R8", "R1"),
    "routers replace": ("R1",),
    "routers retire": ("R9",),
    "routers setup": ("R1",),
    "sources rebase": (SOURCE,),
    "sources transfer": (SOURCE, OTHER),
}
QUIET = {
    "adopt": ("R1",),
    "import": ("same.csv", "--source", SOURCE, *AS_OF),
    "options collect": ("R1",),
    "orphans remove": ("R1",),
    "pools free": ("home", "198.51.100.11"),
    "reconcile": ("R1",),
    "resync": ("same.csv", "--source", SOURCE, *AS_OF, "--missing", "cancel"),
    "routers apply": (),
    "routers manage": ("R1",),
    "routers rebuild": ("R1",),
    "sources rebase": (OTHER,),
    "sources transfer": (OTHER, SOURCE),
}
NEVER_QUIET = {  # what a person names there changes something, or is refused
    *("claims move", "dead-letters edit"),
    *("routers rename", "routers replace", "routers retire"),
    "routers setup",  # its second run finds nothing to do: tests/setup
}


def previewed():
    found = commands_below(typer.main.get_command(app), "leasewire")
    return {
        name.removeprefix("leasewire "): each
        for name, each in found.items()
        if any("--apply" in option.opts for option in each.params)
    }


def codes(leasewire, calls):
    found = {name: leasewire(*name.split(), *more) for name, more in calls.items()}
    assert {name: shown.err for name, shown in found.items() if shown.code not in {0, 4}} == {}
    return {name: shown.code for name, shown in found.items()}


@pytest.fixture
def quiet(world, tmp_path):
    """SVC-1 is written to R1, and nothing else is to be done."""
    inventory = tmp_path / "routers.toml"
    inventory.write_text(
        inventory.read_text() + f'[sources."{OTHER}"]\norder = "revisions"\n' + POOL
    )
    world.say(activated("SVC-1", server=None, ipv4=MINE))
    world.drain()
    same = f"SVC-1,R1,,{mac(1)},{MINE}\n"
    (tmp_path / "same.csv").write_text(HEAD + same)
    (tmp_path / "more.csv").write_text(HEAD + same + f"SVC-7,R1,,{mac(7)},223.203.225.47\n")
    return world


@pytest.fixture
def changing(quiet, edited):
    """Something is to be done everywhere; gives the id of a dead letter."""
    world = quiet
    [row] = world.r1.rows(LEASES)
    world.r1.set_row(LEASES, row[".id"], {"address": "223.203.225.99"})
    world.r1.add_row(LEASES, {"mac-address": mac(50), "comment": "leasewire:acme:OLD-50"})
    world.r1.add_row(LEASES, {"mac-address": mac(3), "address": ITS, "server": "dhcp-vlan-32"})
    name = {"name": "lw-acme-dns-0123456789", "code": "6", "value": "0xC6336401"}
    world.r1.add_row("/ip/dhcp-server/option", name)
    world.say(
        activated("SVC-2", server=None, mac=mac(2), ipv4=MINE),
        activated("SVC-3", server=None, mac=mac(3), ipv4=ITS),
        activated("SVC-4", server=None, mac=mac(4), source="urn:nobody"),
        activated("SVC-8", server=None, mac=mac(8), router="R8"),
    )
    edited(
        ("[defaults]", '[defaults]\nlease_time = "20m"'),
        ("[routers.R2]", '[routers.R2]\nmode = "observe"'),
    )
    inventory = world.context.settings.inventory
    inventory.write_text(inventory.read_text() + SETUP)
    store = world.context.store
    until_ms = store.records.now_ms() + 3_600_000
    store.client.hset(store.keys.assigned, "198.51.100.10", f"{until_ms}|SVC-0")
    store.client.zadd(store.keys.pool_values("home"), {"198.51.100.10": until_ms})
    [dead_letter] = world.context.store.dead_letters.all()
    return dead_letter.id


def test_each_command_that_previews_is_here():
    assert CHANGING.keys() == previewed().keys()
    assert CHANGING.keys() == QUIET.keys() | NEVER_QUIET


def test_a_preview_ends_with_4_where_something_would_change(leasewire, changing):
    calls = {
        name: tuple(changing if word == "LETTER" else word for word in message)
        for name, message in CHANGING.items()
    }
    assert codes(leasewire, calls) == dict.fromkeys(CHANGING, 4)
    as_json = {name: (*message, "--json") for name, message in calls.items() if has_json(name)}
    assert codes(leasewire, as_json) == dict.fromkeys(as_json, 4)


@pytest.mark.usefixtures("quiet")
def test_a_preview_ends_with_0_where_nothing_would_change(leasewire):
    assert codes(leasewire, QUIET) == dict.fromkeys(QUIET, 0)


def has_json(name):
    return any("--json" in option.opts for option in previewed()[name].params)


def test_the_meaning_stands_in_each_help_and_in_the_documents():
    message = "the exit code is 4 if there are any"
    for name, each in previewed().items():
        [option] = [option for option in each.params if "--apply" in option.opts]
        assert message in option.help, name
    for document in ("docs/reference/exit-codes.md", "docs/decisions/0089-previews.md"):
        said = re.search(r"preview[^.]*\b4\b[^.]*something\s+would\s+change", text_of(document))
        assert said, document
