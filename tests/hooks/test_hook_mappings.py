"""What bodies and services mean, without any I/O."""

import pytest
from pydantic import SecretStr

from gateway.hooks import generic, splynx, uisp
from gateway.hooks.inbox import Posted
from gateway.hooks.paths import at_path, parse_path
from gateway.hooks.tables import SETTINGS
from gateway.hooks.verdicts import Ignored, Incomplete, Publish, ReadBack, Reread, RereadAll
from gateway.hooks.work import body_of
from producers.fields import event_of
from tests.hooks.vendors import (
    SPLYNX_MODEL,
    splynx_event,
    splynx_service,
    uisp_event,
    uisp_service,
)

SECRET = {"env": "X"}
OF_UISP = SETTINGS.validate_python(
    {
        "adapter": "uisp",
        "source": "urn:x",
        "api": {"url": "https://uisp.example.net", "secret": SECRET},
        "attributes": {"mac": "cpeMac", "ipv4": 12, "router": 13},
        "routers": {"Tower 7": "tower-7"},
    }
)
OF_SPLYNX = SETTINGS.validate_python(
    {
        "adapter": "splynx",
        "source": "urn:x",
        "api": {"url": "https://splynx.example.net", "secret": SECRET},
        "signature": {"secret": SECRET},
        "models": [SPLYNX_MODEL],
        "routers": {"2": "tower-7"},
        "pools": {"9": "customers"},
    }
)


@pytest.mark.parametrize(
    ("name", "entity", "change", "verdict"),
    [
        ("service.add", "service", "insert", Reread("8", "u")),
        ("service.postpone", "service", "edit", Reread("8", "u")),
        ("service.archive", "service", "edit", Reread("8", "u")),
        ("service.delete", "service", "delete", Reread("8", "u", gone=True)),
        ("client.delete", "client", "delete", RereadAll("8", "u")),
        ("client.edit", "client", "edit", Ignored("client.edit of client")),
        ("service.outage", "service", "edit", Ignored("service.outage of service")),
        ("invoice.add", "invoice", "insert", Ignored("invoice.add of invoice")),
    ],
)
def test_a_webhook_of_uisp_names_the_service_to_read(name, entity, change, verdict):
    assert uisp.read_confirmed(uisp_event("u", name, 8, change, entity), "u") == verdict


def test_a_webhook_of_uisp_is_always_read_back():
    posted = uisp_event("0B6F4F0E-5d5e-5f37-9a39-000000000001", "service.end", 8)
    assert uisp.read_hook(posted) == ReadBack("0b6f4f0e-5d5e-5f37-9a39-000000000001")
    assert uisp.read_hook({"uuid": "x", "eventName": "test"}) == Ignored("a test")
    for wrong in ({}, {"uuid": "../clients"}, {"uuid": ["a"]}):
        with pytest.raises(Incomplete, match="uuid"):
            uisp.read_hook(wrong)


def test_uisp_services():
    said = uisp.read_service(uisp_service(8, status=3, downloadSpeedOverride=20), OF_UISP).fields
    assert said == {
        "service_id": "8",
        "customer_id": "17",
        "mac": "00:00:5E:00:53:01",
        "ipv4": "198.51.100.10",
        "router": "tower-7",
        "plan": "4",
        "down_kbps": 20_000,
        "up_kbps": 10_000,
        "suspension_mode": "default",
    }
    ended = uisp.read_service(uisp_service(8, status=2, attributes=None), OF_UISP)
    assert ended.fields["event"] == "cancelled"
    assert isinstance(uisp.read_service(uisp_service(8, status=0), OF_UISP), Ignored)
    with pytest.raises(Incomplete, match="status: 6 is not in statuses"):
        uisp.read_service(uisp_service(8, status=6), OF_UISP)
    elsewhere = uisp_service(8)
    elsewhere["attributes"][2]["value"] = "Tower 8"
    with pytest.raises(Incomplete, match="router: 'Tower 8' is not in routers"):
        uisp.read_service(elsewhere, OF_UISP)


def test_splynx_hooks():
    assert splynx.read_hook(splynx_event(7), "v", OF_SPLYNX) == Reread("5/7", "v")
    gone = splynx.read_hook(splynx_event(7, "delete"), "v", OF_SPLYNX)
    assert gone == Reread("5/7", "v", gone=True)
    for change in ({"model": "models\\admin\\Tickets"}, {"result": "error"}):
        event = splynx_event(7)
        event["data"] |= change
        assert isinstance(splynx.read_hook(event, "v", OF_SPLYNX), Ignored)
    assert isinstance(splynx.read_hook({"type": "ping"}, "v", OF_SPLYNX), Ignored)
    with pytest.raises(Incomplete, match="customer_id"):
        splynx.read_hook(splynx_event("7/../8"), "v", OF_SPLYNX)


def test_splynx_services():
    said = splynx.read_service(splynx_service(7, status="blocked"), OF_SPLYNX).fields
    assert (said["router"], said["ipv4"]) == ("tower-7", "198.51.100.10")
    assert said["suspension_mode"] == "default"
    pooled = splynx_service(7, taking_ipv4="2", ipv4_pool_id="9")
    assert splynx.read_service(pooled, OF_SPLYNX).fields["pool"] == "customers"
    deleted = splynx.read_service(splynx_service(7, deleted="1"), OF_SPLYNX)
    assert deleted.fields["event"] == "cancelled"
    for change, message in (
        ({"status": "hidden"}, "status: 'hidden'"),
        ({"router_id": 3}, "router: 3"),
        ({"taking_ipv4": 2, "ipv4_pool_id": 1}, "pool: 1"),
    ):
        with pytest.raises(Incomplete, match=message):
            splynx.read_service(splynx_service(7, **change), OF_SPLYNX)


def test_forms_are_read_as_by_php():
    posted = Posted(
        "i",
        "splynx",
        "type=event&data%5Bcustomer_id%5D=5&data%5Bmodel%5D=m&data%5Battributes%5D%5Bid%5D=7",
        "application/x-www-form-urlencoded",
    )
    data = {"customer_id": "5", "model": "m", "attributes": {"id": "7"}}
    assert body_of(posted) == {"type": "event", "data": data}
    for broken in ("[1]", "{", "\\xff", ""):
        with pytest.raises(Incomplete, match=r"not .*JSON"):
            body_of(posted._replace(body=broken, content_type="application/json"))


def test_a_form_with_too_many_fields_is_a_dead_letter():
    posted = Posted("i", "splynx", "a=1&" * 2_001, "application/x-www-form-urlencoded")
    with pytest.raises(Incomplete, match="more than 2000 fields"):
        body_of(posted)


def test_paths_find_keys_indexes_and_items_by_value():
    document = {"a b": [{"name": "x", "v": 1}, {"name": "mac", "v": {"w": 2}}]}
    assert at_path(document, "a b[name=mac].v.w") == 2
    assert at_path(document, "a b[0].v") == 1
    for nothing in ("a b[7].v", "a b.v", "c.d", "a b[name=z].v", "a b[0].v.w"):
        assert at_path(document, nothing) is None
    assert [parse_path(each) for each in ("", ".a", "a[", "a..b")] == [None] * 4


def test_generic_values_are_mapped_or_missed():
    settings = SETTINGS.validate_python(
        {
            "adapter": "generic",
            "source": "urn:x",
            "path_secret": SECRET,
            "fields": {"event": "e", "service_id": "s", "mac": "m", "id": "i", "revision": "r"},
            "events": {"swap": "mac_changed"},
        }
    )
    body = {"e": "swap", "s": 12, "m": "00005E005301", "i": "d-1", "r": 4}
    said = generic.read_hook(body, "v", settings)
    wanted = {"event": "mac_changed", "service_id": "12", "mac": "00005E005301", "revision": 4}
    assert said == Publish(wanted, {"id": "d-1"})
    with pytest.raises(Incomplete, match="event: 'drop' is not in events"):
        generic.read_hook(body | {"e": "drop"}, "v", settings)


def test_secrets_do_not_show(tmp_path):
    from gateway.hooks.config import Hook  # noqa: PLC0415 - only here

    hook = Hook("h", OF_UISP, tmp_path, SecretStr("not-to-be-seen"), SecretStr("nor-this"))
    assert "seen" not in repr(hook) + str(hook)


def with_pools(settings, **more):
    pools = {"assigned_pool": "home", "assigned_ipv6_pool": "home6"}
    return SETTINGS.validate_python(settings.model_dump(exclude_none=True) | pools | more)


def test_a_service_without_an_address_of_its_own_gets_one_of_a_pool_of_ours():
    attributes = OF_UISP.attributes | {"ipv6_prefix": "prefix"}
    of_uisp, of_splynx = with_pools(OF_UISP, attributes=attributes), with_pools(OF_SPLYNX)
    bare = uisp_service(8)
    bare["attributes"] = [at for at in bare["attributes"] if at["key"] != "staticIp"]
    prefix = {"id": 4, "key": "prefix", "value": "2001:db8:1:100::/56"}
    own = uisp_service(8)
    own["attributes"] = [*own["attributes"], prefix]
    services = [
        uisp.read_service(bare, of_uisp),
        uisp.read_service(own, of_uisp),
        splynx.read_service(splynx_service(7, taking_ipv4=0), of_splynx),
        splynx.read_service(splynx_service(7), of_splynx),
    ]
    blocks = [event_of(service.fields)["data"]["service"] for service in services]
    assigned, assigned6 = ({"mode": "assigned", "pool": pool} for pool in ("home", "home6"))
    static = {"mode": "static", "ipv4": "198.51.100.10"}
    static6 = {"mode": "static", "ipv6": prefix["value"]}
    assert [block["address"] for block in blocks] == [assigned, static, assigned, static]
    assert [block["ipv6"]["prefix"] for block in blocks] == [
        *(assigned6, static6, assigned6, assigned6)
    ]
    ended = uisp.read_service(uisp_service(8, status=2), of_uisp)
    assert event_of(ended.fields)["type"] == "leasewire.service.cancelled.v1"
