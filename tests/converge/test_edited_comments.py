"""Operators edit the comments of our rows: the row stays its service's."""

import pytest

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated

pytestmark = [pytest.mark.redis, pytest.mark.router]

EDITED = [
    "leasewire:acme:SVC-1,VIP",
    "leasewire:acme:SVC-1/VIP",
    "leasewire:acme:SVC-1-VIP",
    "leasewire:acme:SVC-1 VIP",
    "VIP leasewire:acme:SVC-1",
    "Leasewire:acme:SVC-1",
]


@pytest.fixture(scope="module")
def here():
    with SmallInstallation(1) as world:
        yield world


def commented(world, text):
    """All rows of the router whose comment ends like that."""
    return [row for row in world.rows("R1", all_=True) if row.get("comment", "").endswith(text)]


@pytest.mark.parametrize("comment", EDITED)
def test_a_row_whose_comment_was_edited_is_changed_and_removed_with_its_service(here, comment):
    number = 1 + EDITED.index(comment)
    service = f"SVC-1{number:02}"
    comment = comment.replace("SVC-1", service)
    here.say(activated(service, number))
    here.drain()
    (row,) = commented(here, service)
    here.r["R1"].set_row(LEASES, row[".id"], {"comment": comment})
    change = builders.mac_changed(service, builders.mac(100 + number), revision=2)
    here.say(change)
    here.drain()
    assert here.outcome(change).startswith("applied")
    (row,) = [row for row in here.rows("R1", all_=True) if service in row.get("comment", "")]
    assert row["mac-address"] == builders.mac(100 + number)
    end = builders.cancelled(service, revision=3)
    here.say(end)
    here.drain()
    assert here.outcome(end) == "applied"
    assert [row for row in here.rows("R1", all_=True) if service in row.get("comment", "")] == []


def test_a_row_that_says_it_is_of_another_known_service_is_left_to_that_one(here):
    here.say(activated("SVC-7", 7), activated("SVC-8", 8))
    here.drain()
    (row,) = commented(here, "SVC-7")
    here.r["R1"].set_row(LEASES, row[".id"], {"comment": "leasewire:acme:SVC-8"})
    end = builders.cancelled("SVC-7", revision=2)
    here.say(end)
    here.drain()
    assert len(commented(here, "SVC-8")) == 2


def test_an_edited_tag_is_no_orphan_and_no_lost_row(here):
    here.say(activated("SVC-9", 9))
    here.drain()
    (row,) = commented(here, "SVC-9")
    here.r["R1"].set_row(LEASES, row[".id"], {"comment": "leasewire:acme:SVC-9:VIP"})
    here.client.sadd(here.store.keys.reports.asked, "R1")
    here.drain()
    report = here.store.full_reads.last("R1").document
    assert report["orphans"] == 0
    kinds = [each["kind"] for each in report["drift"] if each["service_id"] == "SVC-9"]
    assert kinds == ["untagged"]
