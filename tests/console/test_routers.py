"""Pages of routers: the list, one router with what a read of it shows, and what operators do."""

from dataclasses import dataclass

import pytest

from simulator.testing import PASSWORD, RouterHandle, running
from tests.builders import SOURCE, activated, cancelled, ipv4, mac, mac_changed
from tests.console.conftest import csrf_of
from tests.leasewire.conftest import INVENTORY
from tests.waiting import eventually
from worker.admin import background_reads, router_details
from worker.convergence.concurrency import PassLimits
from worker.convergence.router_pass import Converge
from worker.core.alerting.alerts import KINDS
from worker.core.effect.findings import ENDS
from worker.intake.accept import Accept
from worker.routeros.sessions import Sessions
from worker.store import router_admin

pytestmark = [pytest.mark.redis, pytest.mark.router]

LEASES = "/ip/dhcp-server/lease"
HOSTILE = '<script>alert(1)</script>" onload=x \u202e\udce9'


@dataclass
class Noc:
    """A console, two routers, and what a worker would do."""

    console: object
    r1: RouterHandle
    accept: Accept
    converge: Converge

    def say(self, *events):
        self.accept.run(events, "events")

    def run(self, router="R1"):
        self.converge.run(router)

    def state(self):
        return self.console.store.views.state("R1").state

    def json(self, path, client=None):
        client = client or self.console.operator
        answer = client.get(f"/console{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read(self, part="", **query):
        """A document of a read that has ended."""
        more = "".join(f"&{name}={value}" for name, value in query.items())
        path = f"/router{part}.json?id=R1{more}"

        def ended():
            found = self.json(path)
            reading = found.get("reading", found)
            return None if reading["running"] else found

        found = []
        eventually(lambda: found.append(ended()) or found[-1], "the router was read")
        return found[-1]

    def html(self, path):
        answer = self.console.operator.get(f"/console{path}")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def noc(console_at, tmp_path):
    with running(2, seed_guide=True, user="leasewire") as simulation:
        r1, r2 = simulation.routers
        r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
        (tmp_path / "secret").write_text(PASSWORD)
        console = console_at(INVENTORY.format(r1=r1, r2=r2, source=SOURCE))
        context = console.context
        sessions = Sessions(context.inventory, context.settings)
        policies = context.inventory.policies
        yield Noc(
            console,
            r1,
            Accept(context.store, context.inventory.sources, policies),
            Converge(context.store, sessions, policies, PassLimits()),
        )
        sessions.close_all()


def served(noc, *numbers):
    noc.say(
        *(
            activated(f"SVC-{n}", server=None, mac=mac(n), ipv4=ipv4(100 + n), label=None)
            for n in numbers
        )
    )
    noc.run()


def test_the_list_is_searched_and_has_the_worst_first(noc):
    served(noc, 1)
    noc.console.store.fleet.pause("R2", "firmware", "anna")
    listed = noc.json("/routers.json")
    shown = [(router["router"], router["shown"]) for router in listed["routers"]]
    assert shown == [("R2", "paused"), ("R1", "up")]
    assert listed["states"] == {"paused": 1, "up": 1}
    assert [router["router"] for router in noc.json("/routers.json?find=r1")["routers"]] == ["R1"]
    assert noc.json("/routers.json?state=blocked")["routers"] == []
    assert 'href="/console/router?id=R2"' in noc.html("/routers?state=paused")
    assert noc.console.viewer.get("/console/routers?state=x").status_code == 400


def test_a_router_shows_its_plan_leases_pools_and_drift(noc):
    served(noc, 1, 2)
    noc.r1.add_row(LEASES, {"address": ipv4(5), "mac-address": mac(5), "comment": HOSTILE})
    noc.r1.add_row(
        LEASES,
        {"address": ipv4(6), "mac-address": mac(6), "comment": "leasewire:acme:SVC-GONE"},
    )
    noc.r1.device(mac(7))
    row = next(row for row in noc.r1.rows(LEASES) if row["mac-address"] == mac(1))
    noc.r1.set_row(LEASES, row[".id"], {"address": ipv4(77)})
    noc.say(mac_changed("SVC-2", mac(22)))
    reading = noc.read()["reading"]
    assert (reading["error"], reading["signs"]) == ({}, {"~": 2, "!": 1})
    assert reading["leases"] == {"ours": 2, "foreign": 1, "orphan": 1, "unknown-device": 1}
    assert [row["found"] for row in reading["drift"]] == [ipv4(77)]
    assert reading["pools"]
    page = noc.html("/router?id=R1")
    assert f"mac-address {mac(2)} -&gt; {mac(22)}" in page
    assert "~ change" in page
    rows = {row["mac"]: row for row in noc.read("/leases")["rows"]}
    assert rows[mac(1)]["service"] == "SVC-1"
    assert noc.read("/leases", whose="orphan")["found"] == 1
    assert noc.read("/leases", find=mac(7).lower())["rows"][0]["whose"] == "unknown-device"
    table = noc.html("/router/leases?id=R1")
    assert "<script>alert" not in table
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in table
    assert "\u202e" not in table
    assert "\\u202e\\udce9" in table
    assert 'href="/console/service?id=SVC-1"' in table
    assert [line["sign"] for line in noc.read("/plan", sign="!")["lines"]] == ["!"]


def test_a_long_lease_table_is_paged(noc, monkeypatch):
    monkeypatch.setattr(router_details, "PAGE", 5)
    for n in range(6):
        noc.r1.add_row(LEASES, {"address": ipv4(n + 1), "mac-address": mac(n + 1)})
    first = noc.read("/leases")
    assert (len(first["rows"]), first["more"], first["found"]) == (5, True, 6)
    second = noc.read("/leases", page=2)
    assert (len(second["rows"]), second["more"]) == (1, False)
    assert "page=2" in noc.html("/router/leases?id=R1")


def test_a_row_that_lost_our_tag_is_still_ours(noc):
    served(noc, 1)
    (row,) = noc.r1.rows(LEASES)
    noc.r1.set_row(LEASES, row[".id"], {"comment": "by hand"})
    (shown,) = noc.read("/leases")["rows"]
    assert (shown["whose"], shown["service"], shown["comment"]) == ("ours", "SVC-1", "by hand")


def test_an_approval_that_is_not_needed_is_not_offered(noc):
    served(noc, 1)
    noc.say(mac_changed("SVC-1", mac(2)))
    digest = noc.read("/rebuild")["digest"]
    assert "No approval is needed" in noc.html("/router/rebuild?id=R1")
    form = {"id": "R1", "digest": digest, "reason": "why not"}
    answer = post_from(noc.console.operator, "/console/router/rebuild", **form)
    assert "No row is missing on R1" in answer.text
    assert not list(noc.console.store.audit.entries())


def test_many_viewers_share_one_read(noc):
    served(noc, 1)
    first = noc.read()["reading"]["read_at"]
    assert noc.json("/router.json?id=R1", noc.console.viewer)["reading"]["read_at"] == first
    assert noc.json("/router/plan.json?id=R1", noc.console.viewer)["read_at"] == first
    token = csrf_of(noc.console.viewer, "/console/router?id=R1")
    done = noc.console.viewer.post("/console/router/read", data={"csrf": token, "id": "R1"})
    assert done.status_code == 303
    assert noc.read()["reading"]["read_at"] > first


def test_a_page_shows_what_is_stored_while_too_many_routers_wait(noc, monkeypatch):
    monkeypatch.setattr(background_reads, "MOST_ASKED", 0)
    served(noc, 1)
    document = noc.json("/router.json?id=R1")
    assert (document["services"], document["reading"]["error"]["cause"]) == (1, "busy")
    for page in ("", "/plan", "/leases", "/drift", "/reconcile", "/rebuild"):
        assert "try again in a moment" in noc.html(f"/router{page}?id=R1")
    assert "try again in a moment" in noc.html("/router/check?id=R1")
    answer = post_from(noc.console.operator, "/console/router/reconcile", id="R1", digest="x")
    assert "Nothing was changed: 0 routers wait to be read" in answer.text


def test_a_router_that_is_down_shows_what_waits_for_it(noc):
    served(noc, 1, 2)
    noc.r1.power_off()
    noc.say(
        mac_changed("SVC-1", mac(11)),
        cancelled("SVC-2"),
        activated("SVC-3", server=None, mac=mac(3), ipv4=ipv4(103)),
    )
    noc.converge.sessions.close_all()
    noc.run()
    assert noc.state() == "unreachable"
    document = noc.read()
    reading = document["reading"]
    assert document["next_try_at"]
    assert reading["error"]["cause"] == "unreachable"
    assert reading["signs"] == {"+": 1, "~": 1, "-": 1}
    assert reading["leases"] == {}
    texts = {line["service"]: line["text"] for line in reading["lines"]}
    assert f"mac-address {mac(1)} -> {mac(11)}" in texts["SVC-1"]
    page = noc.html("/router?id=R1")
    assert "made from what was last written" in page
    assert "could not be read" in page


def test_an_operator_pauses_with_a_reason_and_resumes(noc):
    operator = noc.console.operator
    assert "Pause R1" in noc.html("/router/pause?id=R1")
    refused = post_from(operator, "/console/router/pause", id="R1", reason=" ")
    assert "Give a reason" in refused.text
    done = post_from(operator, "/console/router/pause", id="R1", reason="firmware")
    assert "R1 is paused." in done.text
    assert noc.state() == "paused"
    assert noc.console.store.fleet.paused()["R1"].by == "the-operator (console)"
    assert "firmware" in noc.html("/router?id=R1")
    done = post_from(operator, "/console/router/resume", id="R1")
    assert "R1 is resumed" in done.text
    assert noc.state() == "up"
    assert "is not paused" in post_from(operator, "/console/router/resume", id="R1").text


def post_from(client, path, **form):
    """Post a form with the token of a page of routers."""
    data = {"csrf": csrf_of(client, "/console/routers")} | form
    return client.post(path, data=data, follow_redirects=True)


def test_a_viewer_reads_and_decides_nothing(noc):
    viewer = noc.console.viewer
    page = viewer.get("/console/router?id=R1").text
    assert "/console/router/check" in page
    assert "/console/router/pause" not in page
    assert viewer.get("/console/router/reconcile?id=R1").status_code == 403
    answer = post_from(viewer, "/console/router/pause", id="R1", reason="x")
    assert answer.status_code == 403
    assert noc.state() == "up"
    assert viewer.get("/console/router?id=R9").status_code == 404


def test_drift_is_reconciled_as_shown_and_not_if_it_changed_meanwhile(noc, monkeypatch):
    monkeypatch.setattr(router_admin, "SERVICES_A_CALL", 1)  # both services take two steps
    served(noc, 1, 2)
    rows = {row["mac-address"]: row for row in noc.r1.rows(LEASES)}
    noc.r1.set_row(LEASES, rows[mac(1)][".id"], {"address": ipv4(77)})
    shown = noc.read("/reconcile")
    assert (shown["services"], [row["found"] for row in shown["drift"]]) == (1, [ipv4(77)])
    assert "Reconcile 1 service" in noc.html("/router/reconcile?id=R1")
    noc.r1.set_row(LEASES, rows[mac(2)][".id"], {"address": ipv4(78)})
    form = {"id": "R1", "digest": shown["digest"], "reason": "cable moved"}
    refused = post_from(noc.console.operator, "/console/router/reconcile", **form)
    assert "no longer what you saw" in refused.text
    noc.run()
    assert {row["address"] for row in noc.r1.rows(LEASES)} == {ipv4(77), ipv4(78)}
    form["digest"] = noc.read("/reconcile")["digest"]
    done = post_from(noc.console.operator, "/console/router/reconcile", **form)
    assert "R1: 2 services queued, but nothing is written yet: no worker" in done.text
    noc.run()
    assert {row["address"] for row in noc.r1.rows(LEASES)} == {ipv4(101), ipv4(102)}
    (newest,) = noc.console.store.audit.entries()
    assert (newest.what, newest.by) == ("router.reconciled", "the-operator (console)")
    assert newest.detail == "2 services differ: cable moved"


def test_lost_rows_are_written_again_once_a_person_approves(noc):
    served(noc, *range(1, 7))
    noc.r1.remove_row(LEASES, *(row[".id"] for row in noc.r1.rows(LEASES)))
    key = noc.console.store.keys.fleet.full_reads
    noc.console.store.client.hdel(key, "R1")  # the daily read is due
    noc.say(mac_changed("SVC-1", mac(21)))
    noc.run()
    assert noc.state() == "blocked"
    shown = noc.read("/rebuild")
    assert (shown["missing"], shown["expected"], shown["signs"]) == (6, 6, {"+": 6})
    page = noc.html("/router/rebuild?id=R1")
    assert "6 of 6 rows that were written to R1 are missing" in page
    form = {"id": "R1", "digest": "of another plan", "reason": "reset by mistake"}
    refused = post_from(noc.console.operator, "/console/router/rebuild", **form)
    assert "no longer what you saw" in refused.text
    form["digest"] = shown["digest"]
    done = post_from(noc.console.operator, "/console/router/rebuild", **form)
    assert "6 services queued" in done.text
    noc.run()
    assert len(noc.r1.rows(LEASES)) == 6
    (entry,) = noc.console.store.audit.entries()
    assert (entry.what, entry.detail) == ("router.rebuild_approved", "reset by mistake")


def test_a_check_says_what_fails_and_what_to_do(noc):
    noc.console.store.fleet.pause("R1", "firmware", "anna")
    document = noc.read("/check")
    levels = {line["what"]: line["level"] for line in document["checks"]}
    assert (levels["connection"], levels["login"]) == ("ok", "ok")
    assert [line["what"] for line in document["workers"]] == ["paused"]
    page = noc.html("/router/check?id=R1")
    assert "fingerprint" in page
    assert "leasewire routers resume R1" in page
    before = document["read_at"]
    done = post_from(noc.console.viewer, "/console/router/check", id="R1")
    assert "R1 is being checked." in done.text
    assert noc.read("/check")["read_at"] > before


def test_each_kind_of_alert_leads_to_its_runbook(console):
    viewer = console.viewer
    for name in KINDS | ENDS:
        page = viewer.get("/console/runbook", params={"name": name})
        assert page.status_code == 200, name
        assert f"Runbook {name}" in page.text
        assert "## " not in page.text
        assert "```" not in page.text
    assert viewer.get("/console/runbook?name=../secret").status_code == 404
