"""What a reload changes is said in lines that name the table, the key and both values."""

import pytest

from worker.inventory import load_inventory
from worker.inventory.changes import changes_between

BEFORE = """
[installation]
id = "acme"
[routers.R1]
host = "192.0.2.1"
username = "leasewire"
password_env = "R1_PASSWORD"
fingerprint = "{pin}"
suspend_list = "suspended"
[routers.R2]
host = "192.0.2.2"
username = "leasewire"
password_env = "R2_PASSWORD"
fingerprint = "{pin}"
[pools.home]
ranges = ["100.64.0.0/24"]
[sources."urn:isp:bss"]
order = "revisions"
""".replace("{pin}", "ab" * 32)


def lines(tmp_path, after):
    found = []
    for text in (BEFORE, after):
        (tmp_path / "routers.toml").write_text(text)
        found.append(load_inventory(tmp_path / "routers.toml", environ={"R1_PASSWORD": "hunter2"}))
    return changes_between(*found)


def test_the_same_file_changes_nothing(tmp_path):
    assert lines(tmp_path, BEFORE) == []


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        ("192.0.2.1", "192.0.2.9", 'router R1: host was "192.0.2.1", is "192.0.2.9"'),
        (
            'suspend_list = "suspended"',
            'suspend_list = "cut-off"',
            'router R1: suspend_list was "suspended", is "cut-off"',
        ),
        (
            'suspend_list = "suspended"',
            "",
            'router R1: suspend_list was "suspended", is its default',
        ),
        ("[routers.R2]", "[routers.R3]", "router R2: removed"),
        ("[routers.R2]", "[routers.R3]", "router R3: added"),
        ('"revisions"', '"times"', 'source urn:isp:bss: order was "revisions", is "times"'),
        ("pools.home", "pools.office", "pool home: removed"),
        ('id = "acme"', 'id = "other"', "installation.id was acme, is other"),
        ("[pools", "[brake]\nenabled = false\n[pools", "table brake: removed"),
    ],
)
def test_each_change_is_a_line(tmp_path, was, now, line):
    assert was in BEFORE
    assert line in lines(tmp_path, BEFORE.replace(was, now))
