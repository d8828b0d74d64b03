"""Calendar, keys and people changed by the browser, and what that does."""

import httpx
import pytest

from gateway.console.people import Role
from tests.browser.stage import PASSWORD
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def test_a_scheduled_suspension_is_withdrawn(as_operator, stage):
    browser = as_operator
    browser.open("/calendar")
    (row,) = [row for row in browser.all("tbody tr") if "SVC-1-12" in row.text]
    browser.follow(row, "Withdraw")
    browser.decide("Withdraw it", "the customer paid")
    assert "Withdrawn for service SVC-1-12" in browser.text

    def scheduled():
        return stage.store.records.read(["SVC-1-12"])["SVC-1-12"].record.schedule.pending

    eventually(lambda: not scheduled(), "it is taken out", within_s=20)
    assert stage.audited(1) == [("omar (console)", "service.schedule_withdrawn", "SVC-1-12")]


def test_a_key_that_is_created_works_until_it_is_revoked(as_admin, stage):
    browser = as_admin
    browser.open("/keys/create")
    browser.fill("name", "new BSS")
    browser.fill("sources", "urn:isp:bss:test")
    assert browser.find("[name='scope-publish']").is_selected()
    browser.click("Create the key")
    token = browser.find("dd code").text

    def publish(service_id):
        key = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"{stage.url}/v1/events", json=stage.activated(service_id), headers=key)

    assert publish("SVC-1-10").status_code in (200, 202)
    browser.open("/keys")
    assert token not in browser.text
    (row,) = [row for row in browser.all("tbody tr") if "new BSS" in row.text]
    browser.follow(row, "Revoke")
    browser.click("Revoke the key of new BSS")
    assert "is revoked" in browser.text
    eventually(lambda: publish("SVC-1-10").status_code == 401, "it stops working")


def test_a_person_gets_a_role_is_logged_out_and_removed(as_admin, stage):
    browser, people = as_admin, stage.people
    people.add("tess", Role.VIEWER, PASSWORD, "2026-11-30T00:00:00Z")
    session = stage.session("tess")
    browser.open("/people")
    browser.click("tess")
    browser.find("option[value='operator']").click()
    browser.click("Change the role")
    assert "tess is operator now." in browser.text
    assert people.find("tess").role is Role.OPERATOR
    browser.click("tess")
    browser.click("End all sessions")
    assert "tess must log in again everywhere." in browser.text
    browser.click("tess")
    browser.click("Remove tess")
    assert people.find("tess") is None
    browser.open("/audit?by=anna&subject=tess")
    assert len(browser.all("tbody tr")) == 3
    browser.log_in(session)
    browser.open("/now")
    assert browser.path.startswith("/login")
