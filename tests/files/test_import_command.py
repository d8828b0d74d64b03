"""`leasewire import` shows, then does, and may be interrupted and run again."""

import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.builders import SOURCE, activated, cancelled, ipv4, mac, mac_changed
from tests.files.conftest import OTHER
from tests.forking import Forked, run
from tests.waiting import eventually

pytestmark = pytest.mark.redis

HEAD = "event,service_id,router,mac,ipv4\n"


def row(number, event=""):
    device = f"02:00:00:00:{number >> 8:02X}:{number & 255:02X}"
    return f"{event},S-{number},R1,{device},{address(number)}\n"


def address(number):
    return f"10.0.{number >> 8}.{number & 255}"


def test_without_apply_it_only_shows_what_would_change(office):
    office.say(activated("S-1", mac=mac(1), ipv4=address(1)), activated("S-2", mac=mac(2)))
    path = office.file("s.csv", HEAD + row(1) + row(3) + "cancelled,S-2,,,\n")
    shown = office.run("import", path)
    assert shown.code == 4
    assert "mac: 00:00:5E:00:53:01 → 02:00:00:00:00:01" in shown.out
    assert "lifecycle: on → cancelled" in shown.out
    assert "2 changed" in shown.out
    assert "1 new" in shown.out
    document = office.run("import", path, "--json").document
    assert document["counts"] == {"changed": 2, "new": 1}
    assert document["rows"] == 3
    assert office.store.journal.depth("bulk") == 0
    assert office.record("S-3").status == "incomplete"


def test_nothing_is_done_unless_every_row_is_right(office):
    text = (
        HEAD + row(1) + f",S-2,R1,nonsense,{address(2)}\n,S-1,R1,{mac(3)},{address(3)}\n,S 4,,,\n"
    )
    refused = office.run("import", office.file("s.csv", text), "--apply")
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert lines[0].endswith("s.csv:3: mac is not a MAC address; write it like 00:00:5E:00:53:01")
    assert lines[1].endswith(
        "s.csv:4: service_id is the service of line 2 again; give one row, or revisions"
    )
    assert lines[-1] == "Nothing was imported: correct these rows first."
    assert office.store.journal.depth("bulk") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.csv",), "cannot be read"),
        ((), "Name a file"),
        (("s.csv", "--source", "urn:nobody"), "is not in [sources]"),
        (("s.csv", "--as-of", "yesterday"), "is not a time"),
        (("s.csv", "--as-of", "31.12.2026"), "like 2026-12-31T00:00:00Z in UTC"),
        (
            ("dated.csv",),
            "dated.csv:2: effective_at is not a time; write RFC 3339 with offset, like 20",
        ),
        (
            ("s.csv", "--as-of", "2999-01-01T00:00:00Z"),
            "in the future; give a moment that has passed",
        ),
    ],
)
def test_wrong_input_is_reported(office, arguments, message):
    office.file("s.csv", HEAD + row(1))
    head = "event,service_id,effective_at\n"
    office.file("dated.csv", f"{head}cancelled,S-1,31.12.2026\n")
    refused = office.run("import", *arguments)
    assert refused.code == 2
    assert message in refused.err


def test_what_came_after_the_file_was_made_stands(office):
    office.say(activated("S-1", mac=mac(1)), activated("S-2", mac=mac(2), ipv4=ipv4(2)))
    path = office.file("s.csv", HEAD + row(1) + row(2) + row(3))
    office.say(mac_changed("S-1", mac=mac(9)), cancelled("S-2"))
    office.start_worker()
    done = office.run("import", path, "--apply", "--json")
    assert done.code == 0
    assert done.document["counts"] == {"new": 1, "newer": 2}
    assert office.record("S-1").value("mac") == mac(9)
    assert office.record("S-2").status == "cancelled"
    assert office.record("S-3").value("mac") == "02:00:00:00:00:03"
    os.utime(path)  # copied about: it is the same file, of the same moment
    again = office.run("import", path, "--apply", "--json").document
    assert again["as_of"] == done.document["as_of"]
    assert office.record("S-1").value("mac") == mac(9)
    edited = office.file("t.csv", HEAD + row(1))
    assert office.run("import", edited, "--apply").code == 0
    assert office.record("S-1").value("mac") == "02:00:00:00:00:01"
    entries = [(entry.what, entry.subject) for entry in office.store.audit.entries()]
    assert entries == [("source.imported", SOURCE)] * 3


def test_what_is_exported_changes_nothing(office):
    office.say(
        activated("S-1", mac=mac(1), ipv4=ipv4(1), label="=roof", dns_servers=[ipv4(53)]),
        activated("S-2", mac=mac(2), pool="customers", options=[{"code": 42, "hex": "00"}]),
        activated("S-3"),
        cancelled("S-3"),
    )
    exported = office.run("export")
    assert exported.code == 0
    assert "'=roof" in exported.out
    assert "S-3" not in exported.out
    objects = office.run("export", "--format", "ndjson", "--router", "R1").out
    nothing = office.run("export", "--router", "R-1")
    assert (nothing.code, nothing.out.count("\n")) == (0, 1)
    assert "No service of router R-1 is exported; see `leasewire services list`." in nothing.err
    for name, text in (("e.csv", exported.out), ("e.ndjson", objects)):
        path = office.file(name, text)
        assert office.run("import", path, "--json").document["counts"] == {"unchanged": 2}


def test_further_devices_are_exported_as_objects_and_a_table_says_that_it_has_none(office):
    further = {"number": 2, "mac": mac(2), "address": {"mode": "static", "ipv4": ipv4(2)}}
    office.say(activated("S-1", devices=[further]))
    table = office.run("export")
    assert "1 service left without further devices, for which CSV has no columns" in table.err
    objects = office.run("export", "--format", "ndjson")
    assert objects.err == ""
    path = office.file("e.ndjson", objects.out)
    assert office.run("import", path, "--json").document["counts"] == {"unchanged": 1}
    shown = office.run("import", office.file("e.csv", table.out))
    assert "device2: {" in shown.out
    assert shown.code == 4, "a table ends them"


def looks_at_the_journal(office):
    """How often somebody asked whether the journal still holds some events."""
    stats = office.store.client.info("commandstats")
    return stats.get("cmdstat_hmget", {"calls": 0})["calls"]


def test_interrupted_and_run_again(office):
    path = office.file("s.csv", HEAD + "".join(map(row, range(1, 601))))
    command = [sys.executable, "-m", "leasewire", "import", path, "--apply"]
    process = Forked(command, stderr=subprocess.PIPE, text=True)
    # No worker yet: all is published, and it waits for them to be taken in.
    eventually(lambda: office.store.journal.depth("bulk") == 600, "all is published", within_s=60)
    looks = looks_at_the_journal(office)
    eventually(lambda: looks_at_the_journal(office) > looks, "it knows so, and waits")
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Interrupted after 600 of 600 rows. Run the same command again" in message
    office.start_worker()
    done = office.run("import", path, "--apply", "--json")
    assert done.code == 0
    counts = done.document["counts"]
    # what the interrupted run had published and no worker had folded yet is there by now
    assert sum(counts.get(name, 0) for name in ("new", "unchanged", "already_imported")) == 600
    again = office.run("import", path, "--apply", "--json").document
    assert again["counts"] == {"already_imported": 600}
    assert len(list(office.store.views.services())) == 600


def test_rows_that_are_refused_end_in_a_failure(office):
    office.say(activated("S-1", mac=mac(1), source=OTHER))
    office.start_worker()
    done = office.run("import", office.file("s.csv", HEAD + row(1)), "--apply", "--json")
    assert done.code == 1
    assert done.document["counts"] == {"refused": 1}
    assert [dead_letter.reason for dead_letter in office.dead_letters()] == ["not-owner"]
    shown = office.run("import", office.file("t.csv", HEAD + row(1)))
    assert "not-owner: the service belongs to another source" in shown.out


def test_whose_file_it_is_must_be_known(office):
    with (office.folder / "routers.toml").open("a") as inventory:
        inventory.write('[sources."urn:isp:bss:third"]\norder = "times"\n')
    refused = office.run("import", office.file("s.csv", HEAD + row(1)))
    assert refused.code == 2
    assert "Give --source, one of: " in refused.err


def test_the_preview_counts_as_the_import_does(office):
    office.say(activated("S-1", mac=mac(1), ipv4=address(1)))
    office.start_worker()
    # It waits from now on: no worker writes to R1.
    assert office.run("import", office.file("one.csv", HEAD + row(2)), "--apply").code == 0
    path = office.file("s.csv", HEAD + "".join(map(row, range(1, 5))))
    message = "2 new, 1 changed, 1 unchanged"
    assert message in office.run("import", path).out
    done = office.run("import", path, "--apply")
    assert (done.code, message in done.out) == (0, True)
    again = office.run("import", path)
    assert "4 already imported" in again.out
    assert "No row would change anything." in again.out
    assert "4 already imported" in office.run("import", path, "--apply").out


def test_what_two_rows_both_want_and_unknown_routers_stand_in_the_preview(office):
    with (office.folder / "routers.toml").open("a") as inventory:
        inventory.write(
            '[routers.R1]\nhost = "192.0.2.1"\ndhcp_server = "dhcp1"\npassword_file = "p"\n'
            f'fingerprint = "{"0" * 64}"\n'
        )
    (office.folder / "p").write_text("x")
    office.say(activated("S-5", mac=mac(5), ipv4=address(5)))
    text = (
        HEAD
        + row(1)
        + f",S-2,R1,02:00:00:00:00:01,{address(2)}\n"
        + f",S-3,R1,{mac(3)},{address(1)}\n"
        + row(4).replace("R1", "tower-99")
        + f"cancelled,S-5,,,\n,S-6,R1,{mac(5)},{address(5)}\n"
    )
    path = office.file("s.csv", text)
    shown = office.run("import", path)
    assert shown.code == 4
    said = [line for line in shown.out.splitlines() if line.startswith("!")]
    assert said == [
        "! router tower-99 is not in the inventory: 1 service would wait for it",
        "! S-1 and S-2 both want MAC address 02:00:00:00:00:01 on router R1: one waits",
        f"! S-1 and S-3 both want address {address(1)} on router R1: one waits",
    ]
    warnings = office.run("import", path, "--json").document["warnings"]
    assert [f"! {message}" for message in warnings] == said


def test_prefixes_that_overlap_are_shown_in_the_preview(office):
    with (office.folder / "routers.toml").open("a") as inventory:
        inventory.write(
            '[routers.R1]\nhost = "192.0.2.1"\ndhcp_server = "dhcp1"\npassword_file = "p"\n'
            f'fingerprint = "{"0" * 64}"\n'
        )
    (office.folder / "p").write_text("x")
    head = "service_id,router,mac,ipv4,ipv6_prefix\n"
    rows = [
        f"S-{number},R1,{mac(number)},{address(number)},{prefix}\n"
        for number, prefix in ((1, "2001:db8:1:100::/56"), (2, "2001:db8:1:180::/60"), (3, ""))
    ]
    shown = office.run("import", office.file("s.csv", head + "".join(rows)))
    assert [line for line in shown.out.splitlines() if line.startswith("!")] == [
        "! S-1 and S-2 both want prefix 2001:db8:1:180::/60 on router R1: one waits"
    ]


def test_a_table_with_tabs_is_reported(office):
    path = office.file("s.csv", HEAD.replace(",", "\t") + row(1).replace(",", "\t"))
    shown = office.run("import", path)
    message = "its columns are separated by tabs; save it with commas"
    assert (shown.code, message in shown.err) == (2, True)


def test_a_preview_at_a_terminal_shows_how_far_it_is(office):
    path = office.file("s.csv", HEAD + "".join(map(row, range(1, 601))))
    command = [sys.executable, "-m", "leasewire", "import", path]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = run(command, stderr=theirs, env=environment)
    assert done.returncode == 4
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        said = b""
        with suppress(OSError):  # all was read, and the other end is closed
            while more := terminal.read(65_536):  # of which a terminal gives 4 kB at once
                said += more
        shown = said.decode()
    assert b"600 new" in done.stdout
    assert "checking" in shown
    assert "comparing" in shown
    quiet = run(command)
    assert (quiet.returncode, quiet.stderr) == (4, b"")
