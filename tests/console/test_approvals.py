"""What the brake holds, decided on in the console."""

import pytest

from tests import builders
from tests.console.noc import a_noc
from worker.admin import summaries

pytestmark = [pytest.mark.redis, pytest.mark.router]
IDS = [f"SVC-{i}" for i in range(8)]
BY = "the-operator (console)"


@pytest.fixture
def noc(console_at, tmp_path, monkeypatch):
    monkeypatch.setattr(summaries, "_REST", 0)
    with a_noc(console_at, tmp_path) as noc:
        noc.served(*IDS)
        noc.say(*(builders.cancelled(service, revision=2) for service in IDS))
        yield noc


def the_list(noc):
    (held,) = noc.json("/approvals")["approvals"]
    return held


def shown(noc):
    held = the_list(noc)
    return {"id": held["id"], "digest": held["digest"]}


def test_a_list_shows_what_would_be_lost_and_viewers_decide_nothing(noc):
    held = the_list(noc)
    assert (held["scope"], held["name"], held["count"]) == ("router", "R1", 8)
    assert (held["kinds"], held["counted"]) == ({"cancelled": 8}, 8)
    assert [service["service"] for service in held["services"]] == IDS[:3]
    whole = noc.json("/approval", id=held["id"])
    assert [service["service"] for service in whole["services"]] == IDS
    assert whole["services"][0]["mac"] == builders.mac(1)
    assert whole["change"] is None
    assert "8 cancelled" in noc.page("/approvals")
    assert "Approve …" in noc.page("/approval", id=held["id"])
    for path in ("/approvals", "/approval"):
        page = noc.page(path, noc.console.viewer, id=held["id"])
        assert "Approve …" not in page
        assert "Announce losses" not in page
    assert noc.console.viewer.get("/console/approval/approve", params=shown(noc)).status_code == 403
    assert noc.console.viewer.get("/console/approval?id=none").status_code == 404


def test_an_approval_lets_the_rows_go(noc, monkeypatch):
    monkeypatch.setattr(summaries, "_REST", 1e9)  # listed again only because a person decided
    named = shown(noc)
    page = noc.page("/approval/approve", **named)
    assert f'name="digest" value="{named["digest"]}"' in page
    assert "Give a reason" in noc.post("/approval/approve", **named, reason=" ").text
    assert len(noc.rows()) == 8
    done = noc.post("/approval/approve", **named, reason="they <b>moved</b>")
    assert done.url.path == "/console/approvals"
    assert "8 services approved." in done.text
    assert "Nothing is held." in done.text
    noc.work()
    assert noc.rows() == {}
    (line,) = [line for line in noc.history("SVC-3") if line["what"] == "brake-approved"]
    assert (line["actor"], line["reason"]) == (BY, "they <b>moved</b>")
    assert noc.audit() == [("brake.approved", BY, "8 services: they <b>moved</b>")]


def test_a_rejection_leaves_the_rows_as_they_are(noc):
    before = noc.rows()
    assert "8 services" in noc.page("/approval/reject", **shown(noc))
    assert "8 services rejected" in noc.post("/approval/reject", **shown(noc), reason="wrong").text
    noc.work()
    assert noc.rows() == before
    assert noc.json("/approvals")["approvals"] == []
    assert (BY, "wrong") in [(line.get("actor"), line.get("note")) for line in noc.history("SVC-3")]
    assert noc.audit() == [("brake.rejected", BY, "8 services: wrong")]


def test_a_list_that_changed_is_shown_with_what_is_different_and_nothing_is_done(noc):
    named = shown(noc)
    noc.say(builders.resumed("SVC-1", revision=3, service=None))
    noc.say(
        builders.snapshot(
            "SVC-2", server=None, mac=builders.mac(3), ipv4="223.203.225.13", revision=3
        )
    )
    before = noc.rows()
    late = noc.post("/approval/approve", **named, reason="as shown")
    assert (late.url.path, late.url.params["since"]) == ("/console/approval", named["digest"])
    assert "Nothing was done: the list has changed" in late.text
    assert noc.audit() == []
    noc.converge.run("R1")
    assert noc.rows() == before

    change = noc.json("/approval", id=named["id"], since=named["digest"])["change"]
    different = {
        name: [item["service"] for item in change[name]["first"]]
        for name in ("added", "gone", "changed")
    }
    assert different == {"added": [], "gone": ["SVC-2"], "changed": ["SVC-1"]}
    for page in (late.text, noc.page("/approval/approve", **named)):
        assert "No longer held: 1 service" in page
        assert "SVC-2" in page
    assert 'action="/console/approval/approve"' not in noc.page("/approval/approve", **named)
    unknown = noc.page("/approval", id=named["id"], since="0" * 12)
    assert "What is different is not known here" in unknown

    assert "7 services approved" in noc.post("/approval/approve", **shown(noc), reason="seen").text
    assert (
        "Nothing is held there any more" in noc.post("/approval/approve", **named, reason="x").text
    )


def test_losses_are_announced_and_withdrawn(noc):
    form = {"router": "R1", "services": "5", "lasts": "2h", "reason": "migration"}
    for wrong, message in (
        ({"router": "R9"}, "There is no router R9"),
        ({"router": ""}, "Choose a source, or name a router"),
        ({"source": builders.SOURCE}, "not both"),
        ({"services": "0"}, "whole number of 1 or more"),
        ({"lasts": "soon"}, "must be a duration"),
        ({"reason": ""}, "Give a reason"),
    ):
        assert message in noc.post("/announce", **(form | wrong)).text
    assert builders.SOURCE in noc.page("/announce")
    assert "Announced: 5 services of router:R1" in noc.post("/announce", **form).text
    (announced,) = noc.json("/approvals")["announced"]
    assert (announced["name"], announced["services"], announced["by"]) == ("R1", 5, BY)
    assert "migration" in noc.page("/announce/withdraw", scope="router:R1")
    assert "withdrawn" in noc.post("/announce/withdraw", scope="router:R1", reason="done").text
    assert noc.json("/approvals")["announced"] == []
    assert "any more" in noc.post("/announce/withdraw", scope="router:R1", reason="done").text
    assert len(noc.audit()) == 2
