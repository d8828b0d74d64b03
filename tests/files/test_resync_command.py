"""`leasewire resync`: what a file does not have is reported, suspended or cancelled."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import activated, ipv4, mac

pytestmark = pytest.mark.redis

HEAD = "service_id,router,dhcp_server,mac,ipv4\n"


def known_long(name, numbers):
    """Services of which nothing was heard for ten minutes."""
    asof = {"asof": (datetime.now(UTC) - timedelta(minutes=10)).isoformat()}
    return [
        activated(name.format(n), mac=mac(n), ipv4=ipv4(n), revision=None) | asof for n in numbers
    ]


@pytest.fixture
def stocked(office):
    """Four services, known for a while, and a file of two of them, one changed."""
    office.say(*known_long("S-{}", range(1, 5)))
    text = HEAD + f"S-1,R1,dhcp1,{mac(1)},{ipv4(1)}\nS-2,R1,dhcp1,{mac(22)},{ipv4(2)}\n"
    office.path = office.file("all.csv", text)
    office.start_worker()
    return office


def statuses(office):
    return [office.record(f"S-{n}").status for n in range(1, 5)]


def test_without_apply_it_only_shows(stocked):
    shown = stocked.run("resync", stocked.path, "--missing", "cancel", "--json").document
    assert shown["missing"] == ["S-3", "S-4"]
    assert shown["counts"]["changed"] == 1
    shown = stocked.run("resync", stocked.path).out
    assert "2 services missing from the file" in shown
    assert statuses(stocked) == ["active"] * 4


def test_the_preview_counts_what_would_be_cancelled_and_names_the_first_ten(office):
    office.say(*known_long("S-{:02}", range(1, 17)))
    path = office.file("few.csv", HEAD + f"S-01,R1,dhcp1,{mac(1)},{ipv4(1)}\n")
    assert office.run("resync", path).code == 0
    assert office.run("resync", path, "--missing", "cancel").code == 4
    shown = office.run("resync", path, "--missing", "cancel").out
    assert "15 services missing from the file: would be cancelled." in shown
    assert "Nothing would change" not in shown
    assert ("S-11" in shown, "S-12" in shown) == (True, False)
    assert "and 5 more; --all names them" in shown
    assert "The brake holds losses beyond its limits" in shown
    assert "S-16" in office.run("resync", path, "--missing", "cancel", "--all").out


def test_what_is_missing_with_newer_events_is_named_and_left_alone(office):
    office.say(*known_long("S-{:02}", range(1, 3)))
    office.say(*(activated(f"T-{n:02}", mac=mac(n), ipv4=ipv4(n)) for n in range(10, 22)))
    path = office.file("one.csv", HEAD + f"S-01,R1,dhcp1,{mac(1)},{ipv4(1)}\n")
    shown = office.run("resync", path, "--missing", "cancel").out
    assert "12 services missing from the file, with events since it was made" in shown
    assert "left alone (T-10, T-11, " in shown
    assert "T-19 and 2 more)." in shown
    assert "1 service missing from the file: would be cancelled." in shown
    path = office.file(
        "two.csv", (HEAD + "".join(f"S-0{n},R1,dhcp1,{mac(n)},{ipv4(n)}\n" for n in (1, 2)))
    )
    shown = office.run("resync", path, "--missing", "cancel")
    assert "No other service is missing." in shown.out
    assert "No service is missing from the file" not in shown.out
    document = office.run("resync", path, "--json").document
    assert (document["missing"], len(document["newer"])) == ([], 12)


def test_what_is_missing_is_done_as_asked(stocked):
    done = stocked.run("resync", stocked.path, "--apply")
    assert done.code == 0, done.err
    assert statuses(stocked) == ["active"] * 4
    assert stocked.record("S-2").value("mac") == mac(22)
    assert stocked.run("resync", stocked.path, "--missing", "suspend", "--apply").code == 0
    assert statuses(stocked) == ["active", "active", "suspended", "suspended"]
    done = stocked.run("resync", stocked.path, "--missing", "cancel", "--apply", "--json")
    assert done.document["manifest"] == "2 listed, 2 missing and cancelled: S-3, S-4"
    again = stocked.run("resync", stocked.path, "--missing", "suspend", "--apply")
    assert again.code == 0
    assert statuses(stocked) == ["active", "active", "cancelled", "cancelled"]
    stocked.say(activated("S-4", mac=mac(4), ipv4=ipv4(4), revision=2))  # after the file was made
    stocked.run("resync", stocked.path, "--missing", "cancel", "--apply")
    assert statuses(stocked)[3] == "active"
    what = [entry.what for entry in stocked.store.audit.entries()]
    assert what == ["source.resynced"] * 5


def test_a_file_of_one_router_does_not_affect_another(stocked):
    wrong = stocked.run("resync", stocked.path, "--router", "R9")
    assert wrong.code == 2
    assert "there is no router R9" in wrong.err
