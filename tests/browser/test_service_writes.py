"""Services found and changed by the browser, with the effect on the simulated router."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests import builders
from tests.installation import LEASES
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def is_blocked(stage, service_id):
    return stage.row(service_id).get("block-access") == "true"


def find(browser, text, service_id):
    """Search until the index has what was said just now."""

    def found():
        browser.open(f"/services?q={text}")
        return service_id in [link.text for link in browser.all("tbody a")]

    eventually(found, f"{text} finds {service_id}", within_s=20)


def test_a_service_is_found_by_all_that_people_know_of_it(as_viewer):
    for text in ("SVC-1-8", builders.mac(24), "00-00-5e-00-53-18", "100.64.1.8", "C-108", "elm+st"):
        find(as_viewer, text, "SVC-1-8")


def test_a_service_is_found_and_suspended_by_keyboard_alone(as_operator, stage):
    browser = as_operator
    find(browser, "SVC-1-1", "SVC-1-1")
    browser.open("/now")
    browser.tab_to("Find a service")
    with browser.leads_on("the search"):
        browser.type("SVC-1-1", Keys.ENTER)
    for text in ("SVC-1-1", "Suspend …"):
        browser.tab_to(text)
        with browser.leads_on(text):
            browser.type(Keys.ENTER)
    browser.tab_to("Reason")
    browser.type("unpaid since May")
    browser.tab_to("Suspend SVC-1-1")
    with browser.leads_on("the button"):
        browser.type(Keys.ENTER)
    assert browser.path == "/service?id=SVC-1-1"
    eventually(lambda: is_blocked(stage, "SVC-1-1"), "it is suspended", within_s=20)
    assert stage.audited(1) == [("omar (console)", "service.suspended", "SVC-1-1")]


def test_what_is_suspended_is_resumed(as_operator, stage):
    browser = as_operator
    browser.open("/service?id=SVC-1-2")
    browser.click("Suspend …")
    browser.decide("Suspend SVC-1-2", "unpaid")
    eventually(lambda: is_blocked(stage, "SVC-1-2"), "it is suspended", within_s=20)
    browser.open("/service?id=SVC-1-2")
    browser.click("Resume …")
    browser.decide("Resume SVC-1-2", "paid")
    eventually(lambda: not is_blocked(stage, "SVC-1-2"), "it is resumed", within_s=20)
    eventually(lambda: "omar (console)" in browser.text, "the timeline says who did it")


def test_what_was_cancelled_is_restored_as_it_was(as_operator, stage):
    browser = as_operator
    stage.publisher.publish([builders.cancelled("SVC-1-3", revision=9)])
    eventually(lambda: stage.row("SVC-1-3") is None, "it is cancelled", within_s=20)
    browser.open("/service?id=SVC-1-3")
    browser.click("Restore …")
    assert "100.64.1.3" in browser.text
    browser.decide("Restore SVC-1-3", "cancelled by mistake")
    eventually(lambda: stage.row("SVC-1-3"), "it is there again", within_s=20)
    assert stage.row("SVC-1-3")["address"] == "100.64.1.3"


def test_what_failed_is_written_when_it_is_retried(as_operator, stage):
    browser, fault = as_operator, {"menu": LEASES, "field": "mac-address"}
    fault |= {"value": (mac := builders.mac(250)), "text": "invalid value for argument mac-address"}
    stage.control["R1"].set_faults(refuse_values=[fault])
    stage.publisher.publish([stage.activated("SVC-1-17", mac=mac)])
    failed = stage.store.views.dead_letter
    eventually(lambda: failed("SVC-1-17@R1"), "it failed", within_s=20)
    stage.control["R1"].clear_faults()
    browser.open("/service?id=SVC-1-17")
    assert "invalid value" in browser.text
    browser.click("Retry …")
    browser.decide("Retry SVC-1-17", "the router was upgraded")
    eventually(lambda: stage.row("SVC-1-17"), "it is written", within_s=20)
