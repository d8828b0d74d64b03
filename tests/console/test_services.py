"""Search of services, the page of one, and what operators do to it."""

import json
import re

import pytest

from tests.builders import activated, cancelled, ipv4, mac, snapshot, suspended
from tests.console.noc import a_noc
from tests.leasewire.conftest import LEASES
from tests.waiting import eventually
from worker.core.entry.brake import HELD
from worker.errors import StoreUnavailable
from worker.routeros.parallel_read import RowObserver

pytestmark = [pytest.mark.redis, pytest.mark.router]
BY = "the-operator (console)"
HOSTILE = '<script>alert(1)</script>" \u202e'


@pytest.fixture
def noc(console_at, tmp_path, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_CONNECT_TIMEOUT_S", "1")
    with a_noc(console_at, tmp_path) as noc:
        noc.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
        yield noc


def active(number=1, label="Anna Meier, Lindenstraße 7", **more):
    return activated(
        f"SVC-{number}",
        server=None,
        mac=mac(number),
        ipv4=ipv4(100 + number),
        label=label,
        customer_id=f"C-{number}",
        **more,
    )


def served(noc, *events):
    noc.say(*(events or [active()]))
    noc.work()


def ask(noc, path, **query):
    answer = noc.console.operator.get(f"/console{path}.json", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(noc, text, **more):
    return [service["service"] for service in ask(noc, "/services", q=text, **more)["services"]]


def read(noc, service_id="SVC-1"):
    """The document of a service whose read has ended."""
    documents = []

    def ended():
        documents.append(ask(noc, "/service", id=service_id))
        return not documents[-1]["reading"].get("running")

    eventually(ended, "the routers were read")
    return documents[-1]


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page)[1]


def act(noc, action, service_id="SVC-1", **more):
    page = noc.page(f"/service/{action}", id=service_id, **more)
    form = {"id": service_id, "digest": hidden(page, "digest"), "reason": "as phoned", **more}
    return noc.post(f"/service/{action}", **form).text


def status(noc, service_id="SVC-1"):
    return noc.console.store.records.read([service_id])[service_id].record.status


def test_services_are_found_by_whatever_is_known_of_them(noc):
    served(noc, active(1), active(2, label="Bob Novák"))
    eventually(lambda: len(found(noc, "SVC-")) == 2, "the search was filled")
    digits = mac(1).replace(":", "")
    spellings = (
        mac(1).lower(),
        mac(1).replace(":", "-"),
        f"{digits[:4]}.{digits[4:8]}.{digits[8:]}",
    )
    for text in ("SVC-1", "svc-1", *spellings, ipv4(101), "C-1", "lindenSTRASSE", "meier, lin"):
        assert found(noc, text) == ["SVC-1"], text
    assert found(noc, "novák") == ["SVC-2"]
    assert found(noc, "", router="R1") == ["SVC-1", "SVC-2"]
    for text in ("nobody", "", "x", '"', "*", "' OR 1 --", "a\0b", mac(77)):
        assert found(noc, text) == [], text
    (row,) = ask(noc, "/services", q="SVC-1")["services"]
    assert (row["status"], row["sync"], row["customer"]) == ("active", "in_sync", "C-1")
    assert 'href="/console/service?id=SVC-1"' in noc.page("/services", q="meier")


def test_what_many_services_have_is_paged(noc):
    noc.say(*(active(n, label="the same") for n in range(1, 31)))
    eventually(lambda: ask(noc, "/services", q="same")["index"]["services"] == 30, "it was filled")
    first, second = (ask(noc, "/services", q="the same", page=page) for page in (1, 2))
    assert (len(first["services"]), first["more"]) == (25, True)
    assert (len(second["services"]), second["more"]) == (5, False)
    page = noc.page("/services", q="the same")
    assert "page=2" in page
    assert len(page) < 100_000


def test_a_purged_service_is_forgotten_when_it_is_found(noc):
    noc.say(active())
    eventually(lambda: found(noc, "meier") == ["SVC-1"], "the service was found")
    noc.store.client.delete(noc.store.keys.record("SVC-1"))
    assert found(noc, "meier") == []
    assert ask(noc, "/services")["index"]["services"] == 0


def test_the_search_follows_what_changes(noc):
    served(noc)
    eventually(lambda: found(noc, "meier") == ["SVC-1"], "the service was found")
    served(noc, snapshot("SVC-1", revision=2, server=None, mac=mac(9), label="Eva Roth"))
    eventually(lambda: found(noc, "roth") == ["SVC-1"], "its new label was found")
    assert found(noc, "meier") == []
    assert found(noc, mac(9)) == ["SVC-1"]
    assert found(noc, mac(1)) == []


def test_a_service_shows_why_what_is_wanted_what_is_there_and_its_device(noc):
    served(noc)
    noc.r1.device(mac(1))
    document = read(noc)
    assert document["why"]["code"] == "all-well"
    assert document["reading"]["read_at"]
    (address,) = [row for row in document["compared"] if row["field"] == "address"]
    assert address["wanted"] == address["written"] == address["read"] == ipv4(101)
    assert [entry["what"] for entry in document["timeline"]] == [
        "accepted",
        "in sync",
        "device bound",
    ]
    assert document["actions"] == ["suspend"]
    page = noc.page("/service", id="SVC-1")
    assert "All is well with SVC-1" in page or "SVC-1: " in page
    assert "yes" in page
    assert 'href="/console/router?id=R1"' in page
    (row,) = noc.r1.rows(LEASES)
    noc.r1.set_row(LEASES, row[".id"], {"address": ipv4(77)})
    ask(noc, "/service", id="SVC-1", read="again")
    document = read(noc)
    assert document["why"]["code"] == "row-differs"
    assert ipv4(77) in noc.page("/service", id="SVC-1")


def test_a_service_shows_each_of_its_devices(noc):
    more = {"number": 2, "mac": mac(5), "address": {"mode": "static", "ipv4": ipv4(105)}}
    served(noc, active(devices=[more]))
    (row,) = [row for row in noc.r1.rows(LEASES) if row["mac-address"] == mac(5)]
    noc.r1.set_row(LEASES, row[".id"], {"address": ipv4(77)})
    (device,) = read(noc)["further_devices"]
    assert (device["device"], device["why"]["code"]) == ("SVC-1/2", "row-differs")
    (address,) = [field for field in device["compared"] if field["field"] == "address"]
    assert (address["wanted"], address["read"]) == (ipv4(105), ipv4(77))
    page = noc.page("/service", id="SVC-1")
    assert "SVC-1/2 address" in page
    assert ipv4(77) in page


def test_a_router_that_is_down_makes_no_page_slow(noc):
    served(noc)
    noc.r1.set_faults(hang_on_connect=True)
    first = ask(noc, "/service", id="SVC-1")
    assert first["reading"]["running"]
    assert first["why"]["code"] == "all-well"
    assert "not asked" in first["why"]["sentence"]
    assert 'hx-get="/console/service?id=SVC-1"' in noc.page("/service", id="SVC-1")
    document = read(noc)
    assert document["why"]["code"] == "router-silent"
    noc.r1.power_off()
    noc.say(suspended("SVC-1", revision=2))
    noc.work()
    away = ask(noc, "/service", id="SVC-1")
    assert away["why"]["code"] == "router-unreachable"
    assert "running" not in away["reading"], "a router that is known to be away is left alone"


def test_a_read_that_failed_is_shown_and_not_repeated_at_once(noc, monkeypatch):
    served(noc)
    tried = []

    def fails(_observer, queries):
        tried.append(queries)
        raise StoreUnavailable("no memory is left")

    monkeypatch.setattr(RowObserver, "look", fails)
    for _ in range(3):
        assert read(noc)["reading"] == {"error": "no memory is left"}
    assert len(tried) == 1


def test_texts_of_others_are_never_markup(noc):
    served(noc, active(label=HOSTILE.removesuffix("\u202e")))
    eventually(lambda: found(noc, "alert(1)") == ["SVC-1"], "the search was filled")
    (row,) = noc.r1.rows(LEASES)
    noc.r1.set_row(LEASES, row[".id"], {"comment": f"leasewire:acme:SVC-1 {HOSTILE}"})
    assert HOSTILE.strip()[:8] in read(noc)["rows"][0]["comment"]
    for page in (
        noc.page("/service", id="SVC-1"),
        noc.page("/services", q="script>"),
        noc.page("/services", q=HOSTILE),
        noc.page("/service/suspend", id="SVC-1"),
    ):
        assert "<script>alert" not in page
        assert "\u202e" not in page


def test_suspend_shows_what_it_writes_and_does_it(noc):
    served(noc)
    shown = ask(noc, "/service/suspend", id="SVC-1")
    assert (shown["becomes"], shown["effect"]) == ("suspended", "changed")
    (router,) = shown["routers"]
    assert [line["sign"] for line in router["lines"]] == ["~"]
    assert router["lines"][0]["text"] == "set its row: block-access no -> yes"
    assert "is published" in act(noc, "suspend")
    document = ask(noc, "/service", id="SVC-1")
    assert document["changing"]
    assert document["timeline"][-1]["what"] == "in the journal"
    noc.work()
    assert status(noc) == "suspended"
    (row,) = noc.r1.rows(LEASES)
    assert row["block-access"] in ("yes", "true")
    (entry,) = noc.console.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == (BY, "service.suspended", "SVC-1")
    assert entry.detail.startswith("as phoned; by event ")
    accepted = ask(noc, "/service", id="SVC-1")["timeline"][2]
    assert (accepted["what"], accepted["actor"]) == ("accepted", BY)
    assert "is published" in act(noc, "resume")
    noc.work()
    assert status(noc) == "active"
    (row,) = noc.r1.rows(LEASES)
    assert row.get("block-access", "no") in ("no", "false")


def test_a_cancelled_service_is_restored_unless_another_has_its_address(noc):
    served(noc)
    served(noc, cancelled("SVC-1", revision=2))
    assert noc.r1.rows(LEASES) == []
    shown = ask(noc, "/service/restore", id="SVC-1")
    assert [line["sign"] for line in shown["routers"][0]["lines"]] == ["+"]
    act(noc, "restore")
    noc.work()
    assert status(noc) == "active"
    (row,) = noc.r1.rows(LEASES)
    assert row["mac-address"] == mac(1)
    served(noc, cancelled("SVC-1", revision=3))
    served(noc, activated("SVC-2", server=None, mac=mac(2), ipv4=ipv4(101)))
    shown = ask(noc, "/service/restore", id="SVC-1")
    assert "is held by service SVC-2" in shown["refusal"]
    assert "is held by service SVC-2" in noc.page("/service/restore", id="SVC-1")


def test_a_service_that_failed_is_retried(noc):
    refused = {"menu": LEASES, "field": "address", "value": ipv4(101), "text": "failure: so not"}
    noc.r1.set_faults(refuse_values=[refused])
    served(noc)
    for _ in range(3):
        noc.console.store.routers.add_work("R1", ["SVC-1"])
        noc.work()
    assert ask(noc, "/service", id="SVC-1")["actions"] == ["suspend", "retry"]
    shown = ask(noc, "/service/retry", id="SVC-1")
    assert [line["sign"] for line in shown["routers"][0]["lines"]] == ["+"]
    noc.r1.set_faults(refuse_values=[])
    assert "is checked again on R1" in act(noc, "retry")
    noc.work()
    assert len(noc.r1.rows(LEASES)) == 1
    assert [entry.what for entry in noc.console.store.audit.entries()] == ["service.retried"]
    assert ask(noc, "/service", id="SVC-1")["actions"] == ["suspend"]


def test_what_the_brake_holds_is_not_retried(noc):
    served(noc)
    why = {"reason": HELD, "detail": "too many", "since_ms": 1}
    noc.store.client.hset(noc.store.keys.router("R1").waiting, "SVC-1", json.dumps(why))
    assert ask(noc, "/service", id="SVC-1")["actions"] == ["suspend"]
    assert 'href="/console/approvals"' in noc.page("/service", id="SVC-1")
    assert "nothing to retry" in ask(noc, "/service/retry", id="SVC-1")["refusal"]


def test_what_changed_since_it_was_shown_is_not_done(noc):
    served(noc)
    page = noc.page("/service/suspend", id="SVC-1")
    noc.say(snapshot("SVC-1", revision=2, server=None, mac=mac(1), ipv4=ipv4(55)))
    form = {"id": "SVC-1", "digest": hidden(page, "digest"), "reason": "late"}
    assert "no longer what you saw" in noc.post("/service/suspend", **form).text
    form["digest"] = hidden(noc.page("/service/suspend", id="SVC-1"), "digest")
    assert "Give a reason" in noc.post("/service/suspend", **form | {"reason": " "}).text
    assert "Only a suspended service" in noc.post("/service/resume", **form).text
    assert not list(noc.console.store.audit.entries())
    assert noc.console.store.journal.depth("events") == 0


def test_a_mode_is_chosen_and_a_wrong_one_is_refused(noc):
    served(noc)
    page = noc.page("/service/suspend", id="SVC-1", mode="block")
    assert "selected" in page
    client = noc.console.operator
    assert client.get("/console/service/suspend.json?id=SVC-1&mode=off").status_code == 400
    for path in ("/service", "/service/suspend"):
        assert client.get(f"/console{path}?id=SVC-404").status_code == 404


def test_a_viewer_sees_no_buttons(noc):
    served(noc)
    viewer = noc.console.viewer
    assert "Suspend" in noc.page("/service", id="SVC-1")
    page = noc.page("/service", viewer, id="SVC-1")
    assert "Suspend" not in page
    assert viewer.get("/console/service/suspend?id=SVC-1").status_code == 403
