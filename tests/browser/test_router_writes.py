"""What operators do to routers by the browser, and what it does on the simulated router."""

import re

import pytest

from tests.installation import LEASES
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def test_a_paused_router_is_not_written_until_it_is_resumed(as_operator, stage):
    browser = as_operator
    browser.open("/router?id=R1")
    browser.click("Pause")
    browser.decide("Pause R1", "tower works")
    assert "R1 is paused." in browser.text
    assert "tower works" in browser.text
    stage.publisher.publish([stage.activated("SVC-1-16")])
    eventually(lambda: stage.store.views.router("R1").queued > 0, "it waits")
    assert stage.row("SVC-1-16") is None
    browser.click("Resume")
    browser.click("Resume R1")
    assert "R1 is resumed" in browser.text
    eventually(lambda: stage.row("SVC-1-16"), "it is written", within_s=20)
    assert stage.audited(2) == [
        ("omar (console)", "router.resumed", "R1"),
        ("omar (console)", "router.paused", "R1"),
    ]


def test_what_was_changed_by_hand_is_put_right(as_operator, stage):
    browser = as_operator
    row = stage.row("SVC-1-9")
    browser.open("/router/drift?id=R1")
    stage.control["R1"].set_row(LEASES, row[".id"], {"address": "100.64.1.99"})
    browser.open("/router?id=R1")
    eventually(lambda: "Read again" in browser.text, "the router was read")
    browser.click("Read again")
    eventually(lambda: "100.64.1.99" in browser.text, "the change is seen")
    browser.click("Reconcile")
    eventually(lambda: browser.all("main [name='reason']"), "what is put right is shown")
    browser.decide("Reconcile 1 service", "a typo")
    assert "R1: 1 service queued." in browser.text
    eventually(lambda: stage.row("SVC-1-9")["address"] == "100.64.1.9", "put right", within_s=20)


def test_lost_rows_are_written_again_after_an_approval(as_operator, stage):
    browser = as_operator
    before = stage.rows("R1")
    lost = [row[".id"] for rows in before.values() for row in rows]
    stage.control["R1"].remove_row(LEASES, *lost)
    browser.open("/router?id=R1")
    eventually(lambda: "Read again" in browser.text, "the router was read")
    browser.click("Read again")

    def to_add():
        found = re.search(r"\+ add (\d+)", browser.text)
        return int(found[1]) if found else 0

    eventually(lambda: to_add() >= len(lost), "what is missing is seen")
    browser.click("Rebuild")
    eventually(lambda: browser.all("main [name='reason']"), "what is written again is shown")
    button = next(b.text for b in browser.all("main button") if "Approve" in b.text)
    browser.decide(button, "reset by mistake")
    assert "services queued" in browser.text

    # Not the same: a service that R1 had refused may have been written meanwhile.
    eventually(lambda: before.keys() <= stage.rows("R1").keys(), "they are back", within_s=30)
    assert stage.audited(1) == [("omar (console)", "router.rebuild_approved", "R1")]


def test_a_viewer_is_shown_no_buttons_and_refused(as_viewer, stage):
    browser = as_viewer
    browser.open("/router?id=R1")
    assert not [link for link in browser.all("main a") if link.text in ("Pause", "Rebuild")]
    browser.expected = ("403",)
    browser.open("/router/pause?id=R1")
    assert "This needs a person with the role operator" in browser.text
    assert stage.store.fleet.paused() == {}


def test_a_form_of_another_session_changes_nothing(as_operator, stage):
    browser = as_operator
    browser.open("/router/pause?id=R1")
    browser.log_in(stage.session("anna"))  # in another tab
    browser.expected = ("403",)
    browser.decide("Pause R1", "tower works")
    assert "The form is not of this session" in browser.text
    assert stage.store.fleet.paused() == {}


def test_a_session_that_ended_changes_nothing_and_leads_back(as_operator, stage):
    browser = as_operator
    browser.open("/router/pause?id=R1")
    stage.client.delete(*stage.client.keys("*gateway:session:*"))
    browser.expected = ("401",)
    browser.decide("Pause R1", "tower works")
    assert "Nothing was changed." in browser.text
    assert stage.store.fleet.paused() == {}
    browser.click("Log in")
    assert browser.path == "/login"
