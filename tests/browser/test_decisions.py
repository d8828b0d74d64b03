"""Approvals and failed events decided by the browser, with the effect on the simulated routers."""

import json
import re

import pytest

from tests import builders
from tests.browser.stage import KEPT, SERVICES, UNKNOWN
from tests.waiting import eventually
from worker.admin.approvals import approvals

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def approval_of(stage, router):
    (found,) = [each for each in approvals(stage.store, {}) if each.scope.endswith(router)]
    return found


def test_a_list_that_changed_under_an_approval_is_not_approved(as_operator, stage):
    browser, before = as_operator, SERVICES - KEPT
    browser.open(f"/approval?id={approval_of(stage, 'R2').id}")
    browser.click("Approve …")
    stage.publisher.publish([builders.cancelled("SVC-2-1", revision=9)])
    eventually(lambda: "SVC-2-1" in stage.held(), "one more is held")
    browser.decide(f"Approve {before} services", "checked with the BSS")
    assert "The list has changed since it was shown:" in browser.text
    assert "Added since: 1 service" in browser.text
    assert len(stage.rows("R2")) == SERVICES
    browser.click("Approve …")
    browser.decide(f"Approve {before + 1} services", "checked with the BSS")
    assert f"{before + 1} services approved." in browser.text
    eventually(lambda: stage.rows("R2").keys() == {"SVC-2-2"}, "they are removed", within_s=20)
    assert stage.audited(1)[0][0] == "omar (console)"


def test_what_is_rejected_keeps_its_rows(as_operator, stage):
    browser, rows = as_operator, stage.rows("R3")
    browser.open(f"/approval?id={approval_of(stage, 'R3').id}")
    browser.click("Reject …")
    browser.decide(f"Reject {SERVICES - KEPT} services", "a mistake of the BSS")
    assert "rejected: they keep what their routers have." in browser.text
    eventually(lambda: not [s for s in stage.held() if s.startswith("SVC-3")], "none is held")
    assert len(rows) == SERVICES
    assert stage.rows("R3") == rows


def test_losses_are_announced_and_withdrawn(as_operator, stage):
    browser = as_operator
    browser.open("/approvals")
    browser.click("Announce losses")
    browser.fill("router", "R1")
    browser.fill("services", "40")
    browser.decide("Announce", "dunning run")
    assert "router R1" in browser.text
    assert "dunning run" in browser.text
    browser.click("Withdraw …")
    browser.decide("Withdraw", "postponed")
    assert "The announcement is withdrawn." in browser.text
    assert stage.store.brake.announced(stage.store.records.now_ms()) == []


def test_a_refused_service_is_written_when_it_is_retried(as_operator, stage):
    browser = as_operator
    browser.open("/failed")
    browser.click("operation-refused")
    browser.click("SVC-1-15@R1")
    assert "invalid value for argument mac-address" in browser.text
    browser.click("Retry …")
    # Not before: any other pass to R1 would write it, and there would be nothing to retry.
    stage.control["R1"].clear_faults()
    browser.decide("Retry", "the router was upgraded")
    assert "The dead letter is" in browser.text
    eventually(lambda: stage.row("SVC-1-15"), "it is written", within_s=20)


def test_an_event_is_corrected_and_published(as_operator, stage):
    browser = as_operator
    browser.open("/failed")
    browser.click("source-not-allowed")
    browser.click(browser.find("tbody a[href*='/dead-letter?']").text)
    browser.click("Edit …")
    field = browser.find("[name='event']")
    event = json.loads(field.get_property("value"))
    assert event["source"] == UNKNOWN
    service_id = event["data"]["service_id"]
    browser.fill("event", json.dumps({**event, "source": builders.SOURCE}))
    browser.click("Check and preview")
    assert re.search(rf"\+.*{builders.SOURCE}", browser.text)
    browser.decide("Publish", "the BSS was renamed")
    assert "Published as" in browser.text
    eventually(lambda: stage.row(service_id), "it is written", within_s=20)


def test_dead_letters_of_a_cause_are_discarded_with_a_reason(as_operator, stage):
    browser = as_operator
    stage.publisher.publish([stage.activated("SVC-1-30", source="urn:isp:bss:gone", id_="gone-1")])
    eventually(lambda: any(d.service_id == "SVC-1-30" for d in letters(stage)), "it failed")
    browser.open("/failed")
    (row,) = [r for r in browser.all("tbody tr") if "urn:isp:bss:gone" in r.text]
    browser.open(row.find_element("css selector", "a").get_attribute("href").split("/console")[1])
    browser.click("Discard all …")
    browser.decide("Discard 1 dead letter", "tests of the old BSS")
    assert "None is left." in browser.text
    assert not [d for d in letters(stage) if d.service_id == "SVC-1-30"]


def letters(stage):
    return stage.store.views.dead_letters()
