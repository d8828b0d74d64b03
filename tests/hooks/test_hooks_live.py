"""Webhooks posted to a gateway become what the vendor's own API says by then."""

import threading

import pytest

from gateway.dead_letters import retry
from tests.hooks.conftest import PATH
from tests.hooks.vendors import splynx_event, splynx_service, uisp_event, uisp_service
from tests.waiting import eventually

pytestmark = pytest.mark.redis

A_UISP = "/crm/api/v1.0/clients/services/2002"
A_SPLYNX = "/api/2.0/admin/customers/customer/5/internet-services--7"


def test_uisp_from_activation_to_the_end(desk):
    notified = []

    def say(name, change="edit", **state):
        if state:
            desk.vendor.documents[A_UISP] = uisp_service(2002, **state)
        event = uisp_event(f"0b6f4f0e-5d5e-5f37-9a39-{len(notified):012}", name, 2002, change)
        notified.append(event)
        assert desk.uisp(event).status_code == 200
        return desk.record("U-2002")

    record = say("service.activate", status=1)
    assert record.status == "active"
    assert record.router == "R1"
    assert record.value("address") == {"mode": "static", "ipv4": "198.51.100.10"}
    assert record.value("plan") == {"code": "4", "down_kbps": 50_000, "up_kbps": 10_000}
    assert record.value("customer_id") == "17"
    assert say("service.edit", mac="00-00-5e-00-53-02").value("mac") == "00:00:5E:00:53:02"
    assert say("service.suspend", status=3).status == "suspended"
    assert say("service.suspend_cancel", status=1).status == "active"
    for event in (
        *reversed(notified),
        *notified,
    ):  # late, out of order and once more: it is read again
        desk.uisp(event)
    assert desk.record("U-2002").status == "active"
    assert say("service.end", status=2).status == "cancelled"
    assert not desk.dead_letters()
    key = {desk.context.settings.inventory.parent.joinpath("key").read_text().strip()}
    assert desk.vendor.logins == key


def test_a_deleted_service_is_cancelled_and_a_deleted_client_ends_all_of_its_own(desk):
    desk.vendor.documents[A_UISP] = uisp_service(2002)
    desk.uisp(uisp_event("0b6f4f0e-5d5e-5f37-9a39-000000000001", "service.add", 2002, "insert"))
    assert desk.record("U-2002").status == "active"
    del desk.vendor.documents[A_UISP]
    desk.uisp(uisp_event("0b6f4f0e-5d5e-5f37-9a39-000000000002", "service.delete", 2002, "delete"))
    assert desk.record("U-2002").status == "cancelled"
    both = [uisp_service(3001, status=2), uisp_service(3002, status=2)]
    desk.vendor.documents["/crm/api/v1.0/clients/services?clientId=17"] = both
    for each in both:
        desk.vendor.documents[f"/crm/api/v1.0/clients/services/{each['id']}"] = each
    uuid = "0b6f4f0e-5d5e-5f37-9a39-000000000003"
    desk.uisp(uisp_event(uuid, "client.archive", 17, "archive", "client"))
    assert desk.record("U-3001").status == desk.record("U-3002").status == "cancelled"


def test_splynx_from_activation_to_the_end(desk):
    steps = [
        ("create", {}, "active", "00:00:5E:00:53:01"),
        ("edit", {"mac": "00:00:5E:00:53:02"}, "active", "00:00:5E:00:53:02"),
        ("edit", {"status": "blocked"}, "suspended", "00:00:5E:00:53:01"),
        ("edit", {"status": "active"}, "active", "00:00:5E:00:53:01"),
    ]
    for action, state, status, mac in steps:
        desk.vendor.documents[A_SPLYNX] = splynx_service(7, **state)
        assert desk.splynx(splynx_event(7, action, **state)).status_code == 200
        record = desk.record("S-7")
        assert (record.status, record.value("mac")) == (status, mac)
    for action, state, *_ in reversed(steps):
        desk.splynx(splynx_event(7, action, **state))
    assert desk.record("S-7").status == "active"
    del desk.vendor.documents[A_SPLYNX]
    desk.splynx(splynx_event(7, "delete"))
    assert desk.record("S-7").status == "cancelled"
    assert not desk.dead_letters()


def test_a_generic_webhook_is_mapped_to_an_event(desk):
    service = {"id": "B-1", "items": [{"name": "x", "value": 1}], "addresses": ["198.51.100.10"]}
    service["items"].append({"name": "mac", "value": "00:00:5E:00:53:01"})
    said = {"action": "new", "at": "2026-11-24T10:00:00+01:00", "service": service}
    assert desk.billing(said).status_code == 202
    assert desk.record("B-1").status == "active"
    later = {"service": {"id": "B-1"}, "action": "stop", "how": "soft"}
    stop = later | {"at": "2026-11-24T12:00:00+01:00"}
    go = later | {"action": "go", "at": "2026-11-24T11:00:00+01:00"}
    for body in (stop, go, stop):  # out of order: its own times order them
        desk.billing(body)
    record = desk.record("B-1")
    assert record.value("suspension") == {"mode": "walled_garden", "reason_code": None}
    desk.billing({"action": "note"})
    desk.wait()
    assert not desk.dead_letters()


def test_a_wrong_signature_leaves_nothing(desk):
    desk.vendor.documents[A_SPLYNX] = splynx_service(7)
    refused = [
        desk.splynx(splynx_event(7), secret="of-somebody-else"),
        desk.client.post("/v1/hooks/splynx/splynx", json=splynx_event(7)),
        desk.billing({"action": "end", "service": {"id": "B-1"}}, secret="of-somebody-else"),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert refused[0].json()["code"] == "bad-signature"
    assert desk.keys() == set()
    assert desk.vendor.asked == []


def test_probes_and_unknown_addresses(desk):
    path = f"/v1/hooks/uisp/{PATH}"
    assert desk.client.head(path).status_code == desk.client.get(path).status_code == 200
    for wrong in ("/v1/hooks/uisp/uisp", f"/v1/hooks/splynx/{PATH}", "/v1/hooks/whmcs/x"):
        assert desk.client.post(wrong, json={}).status_code == 404
        assert desk.client.head(wrong).status_code == 404
    assert desk.client.post(path, content=b"x" * 300_000).status_code == 413


def test_a_missing_value_is_a_dead_letter_that_can_be_retried(desk):
    desk.vendor.documents[A_UISP] = uisp_service(2002, mac=None)
    desk.uisp(uisp_event("0b6f4f0e-5d5e-5f37-9a39-000000000001", "service.add", 2002, "insert"))
    eventually(desk.dead_letters, "a dead letter")
    (dead_letter,) = desk.dead_letters().values()
    assert (dead_letter.kind, dead_letter.reason) == ("hook", "mapping-incomplete")
    assert dead_letter.detail == "mac is missing"
    assert dead_letter.service_id == "U-2002"
    desk.wait()
    desk.vendor.documents[A_UISP] = uisp_service(2002)
    with desk.context.publisher() as publisher:
        assert retry(desk.context.store, publisher, dead_letter, "ann") == ""
    assert desk.record("U-2002").status == "active"
    assert not desk.dead_letters()


def test_a_dead_letter_goes_when_the_vendor_mended_it(desk):
    desk.vendor.documents[A_SPLYNX] = splynx_service(7, mac="")
    desk.splynx(splynx_event(7))
    eventually(desk.dead_letters, "a dead letter")
    desk.vendor.documents[A_SPLYNX] = splynx_service(7)
    desk.splynx(splynx_event(7, mac="00:00:5E:00:53:01"))
    assert desk.record("S-7").status == "active"
    eventually(lambda: not desk.dead_letters(), "it is mended")


def test_a_vendor_that_is_down_is_asked_again(desk):
    desk.vendor.documents[A_SPLYNX] = splynx_service(7)
    desk.vendor.down = True
    desk.splynx(splynx_event(7))
    wanted = f"{desk.context.settings.key_prefix}hooks:wanted"
    eventually(
        lambda: any("503" in text for text in desk.store.client.hvals(wanted)), "it failed once"
    )
    desk.vendor.down = False
    assert desk.record("S-7").status == "active"


def test_a_change_during_a_reading_is_read_once_more(desk):
    desk.vendor.documents[A_SPLYNX] = splynx_service(7, mac="00:00:5E:00:53:01")
    desk.vendor.gate = threading.Event()
    desk.splynx(splynx_event(7))
    assert desk.vendor.reached.wait(5)  # the old state is on its way
    desk.vendor.documents[A_SPLYNX] = splynx_service(7, mac="00:00:5E:00:53:02")
    desk.splynx(splynx_event(7, mac="00:00:5E:00:53:02"))
    inbox = f"{desk.context.settings.key_prefix}hooks:inbox"
    eventually(lambda: not desk.store.client.exists(inbox), "the second one is noted")
    assert desk.vendor.asked == [A_SPLYNX]  # one at a time
    desk.vendor.gate.set()
    assert desk.record("S-7").value("mac") == "00:00:5E:00:53:02"
    assert desk.vendor.asked == [A_SPLYNX] * 2
