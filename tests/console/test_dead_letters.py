"""Events and services that failed: by cause, with every problem; retried, corrected, discarded."""

import html
import json
import re

import pytest

from gateway import dead_letters
from gateway.console.failed import dead_letter_actions
from tests import builders
from tests.console.conftest import csrf_of
from tests.console.noc import a_noc
from tests.leasewire.conftest import LEASES
from worker.admin import summaries
from worker.core.service.outcome import DeadLetter
from worker.store.commits import ServiceCommit

pytestmark = [pytest.mark.redis, pytest.mark.router]
BY = "the-operator (console)"
REFUSED = "invalid value for argument address"


@pytest.fixture
def noc(console_at, tmp_path, monkeypatch):
    monkeypatch.setattr(summaries, "_REST", 0)
    with a_noc(console_at, tmp_path) as noc:
        yield noc


def broken(service="SVC-1", **more):
    event = builders.activated(service, router="R1", server=None, label="<script>alert(1)</script>")
    event["data"]["service"]["device"]["mac"] = "00:00:5E:00:53"
    event["data"]["service"]["plan"] = {"code": "HOME", "speed": 5}
    return event | more


def from_unknown(count):
    return [
        builders.activated(f"SVC-{n}", source="urn:unknown", mac=builders.mac(n), server=None)
        for n in range(1, count + 1)
    ]


def the_dead_letter(noc):
    (cause,) = noc.json("/failed")["causes"]
    return cause["example"]


def text_area(page):
    return html.unescape(page.split("<textarea", 1)[1].split(">", 1)[1].split("</textarea>", 1)[0])


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page)[1]


def test_failures_are_listed_by_cause(noc):
    noc.say(*from_unknown(30), broken("SVC-A"), broken("SVC-B"))
    found = noc.json("/failed")
    assert (found["total"], found["read"]) == (32, 32)
    assert [(cause["count"], cause["reason"]) for cause in found["causes"]] == [
        (30, "source-not-allowed"),
        (2, "invalid-event"),
    ]
    assert found["reasons"] == {"source-not-allowed": 30, "invalid-event": 2}
    (chosen,) = noc.json("/failed", reason="invalid-event")["causes"]
    cause = noc.json("/cause", id=chosen["id"])
    assert {each["service"] for each in cause["dead_letters"]} == {"SVC-A", "SVC-B"}
    many = found["causes"][0]["id"]
    first, second = (noc.json("/cause", id=many, page=page) for page in (1, 2))
    assert (len(first["dead_letters"]), first["more"]) == (25, True)
    assert (len(second["dead_letters"]), second["more"]) == (5, False)
    assert "30 dead letters" in noc.page("/cause", id=many)
    assert "Retry all" not in noc.page("/cause", noc.console.viewer, id=many)
    assert noc.console.viewer.get("/console/cause?id=none").status_code == 404


def test_each_problem_stands_beside_its_field_and_text_is_never_markup(noc):
    noc.say(broken())
    letter = noc.json("/dead-letter", id=the_dead_letter(noc))
    assert {problem["pointer"] for problem in letter["problems"]} == {
        "/data/service/device/mac",
        "/data/service/plan/speed",
    }
    assert letter["body"]["data"]["service"]["label"] == "<script>alert(1)</script>"
    for path in ("/dead-letter", "/dead-letter/edit"):
        page = noc.page(path, id=letter["id"])
        assert "<script>alert" not in page
        (row,) = [row for row in page.split("<tr") if "&#34;mac&#34;" in row]
        assert "/data/service/device/mac" in row
    assert json.loads(text_area(page))["data"]["service"]["device"]["mac"] == "00:00:5E:00:53"
    assert "It cannot be retried: it is still invalid." in noc.page(
        "/dead-letter/retry", id=letter["id"]
    )
    assert noc.console.viewer.get(f"/console/dead-letter/edit?id={letter['id']}").status_code == 403


def test_a_corrected_event_is_previewed_then_published_and_written_to_the_router(noc):
    noc.say(broken())
    name = the_dead_letter(noc)
    wrong = noc.post("/dead-letter/preview", id=name, event="{nope")
    assert "is not JSON" in wrong.text
    assert "{nope" in text_area(wrong.text)
    still = noc.post("/dead-letter/preview", id=name, event=json.dumps(broken()))
    assert "2 problems" in still.text

    event = builders.activated("SVC-1", router="R1", server=None, ipv4="223.203.225.50")
    text = json.dumps(event, indent=2)
    page = noc.post("/dead-letter/preview", id=name, event=text.replace("\n", "\r\n")).text
    assert "What is different" in page
    assert "-        &#34;mac&#34;: &#34;00:00:5E:00:53&#34;" in page
    assert noc.rows() == {}
    form = {key: hidden(page, key) for key in ("id", "at_ms", "digest")}
    form = {key: html.unescape(value) for key, value in form.items()}
    form |= {"event": text_area(page).removeprefix("\n"), "reason": "a typing error"}
    again = noc.post("/dead-letter/preview", **form | {"step": "edit"}).text
    assert json.loads(text_area(again)) == event
    other = form | {"event": form["event"].replace("SVC-1", "SVC-2")}
    assert "not the one that was previewed" in noc.post("/dead-letter/publish", **other).text
    assert "failed again" in noc.post("/dead-letter/publish", **form | {"at_ms": "1"}).text
    assert "Published as" in noc.post("/dead-letter/publish", **form).text
    noc.work()
    assert noc.rows()["SVC-1"]["address"] == "223.203.225.50"
    assert noc.json("/failed")["causes"] == []
    assert noc.audit() == [("dead_letter.edited", BY, "invalid-event: a typing error")]
    viewed = noc.console.viewer
    token = csrf_of(viewed)
    answer = viewed.post("/console/dead-letter/preview", data={"csrf": token, "id": name})
    assert answer.status_code == 403


def test_a_service_is_retried_and_then_stands_on_its_router(noc, monkeypatch):
    monkeypatch.setattr(summaries, "_REST", 1e9)  # listed again only because a person decided
    faults = {"menu": LEASES, "field": "address", "value": "*", "text": REFUSED}
    noc.r1.set_faults(refuse_values=[faults])
    noc.served("SVC-1")
    letter = noc.json("/dead-letter", id=the_dead_letter(noc))
    assert (letter["kind"], letter["service"]) == ("service", "SVC-1")
    assert REFUSED in letter["detail"]
    assert "Edit …" not in noc.page("/dead-letter", id=letter["id"])
    assert (
        noc.console.operator.get(f"/console/dead-letter/edit?id={letter['id']}").status_code == 409
    )
    noc.r1.clear_faults()
    form = {
        "id": letter["id"],
        "at_ms": hidden(noc.page("/dead-letter/retry", id=letter["id"]), "at_ms"),
    }
    assert (
        "failed again" in noc.post("/dead-letter/retry", **form | {"at_ms": "1"}, reason="x").text
    )
    assert "Give a reason" in noc.post("/dead-letter/retry", **form, reason="").text
    assert "is retried" in noc.post("/dead-letter/retry", **form, reason="router repaired").text
    assert noc.json("/failed")["total"] == 0
    noc.work()
    assert list(noc.rows()) == ["SVC-1"]
    (line,) = [line for line in noc.history("SVC-1") if line["what"] == "retried"]
    assert (line["by"], line["why"]) == (BY, "router repaired")


def test_a_pass_that_is_faster_than_the_retry_undoes_nothing_of_it(noc, monkeypatch):
    faults = {"menu": LEASES, "field": "address", "value": "*", "text": REFUSED}
    noc.r1.set_faults(refuse_values=[faults])
    noc.served("SVC-1")
    dead_letter = noc.store.views.dead_letter(the_dead_letter(noc))
    noc.r1.clear_faults()
    add_work = noc.store.routers.add_work

    def add_and_pass(router, services):
        add_work(router, services)
        noc.converge.run(router)

    monkeypatch.setattr(noc.store.routers, "add_work", add_and_pass)
    assert dead_letters.retry(noc.store, None, dead_letter, BY, "router repaired") == ""
    assert list(noc.rows()) == ["SVC-1"]
    assert noc.audit() == [
        ("dead_letter.retried", BY, f"{dead_letter.reason}: router repaired"),
    ]


def test_all_of_a_cause_are_retried_in_steps_which_say_how_many_are_done(noc, monkeypatch):
    faults = {"menu": LEASES, "field": "address", "value": "*", "text": REFUSED}
    noc.r1.set_faults(refuse_values=[faults])
    services = [f"SVC-{n}" for n in range(5)]
    noc.served(*services)
    (cause,) = noc.json("/failed")["causes"]
    assert cause["count"] == 5
    noc.r1.clear_faults()
    monkeypatch.setattr(dead_letter_actions, "STEP_S", 0)
    answer, pressed = noc.page("/cause/retry", id=cause["id"]), 0
    while 'action="/console/cause/retry"' in answer:
        form = {
            name: html.unescape(hidden(answer, name)) for name in ("id", "until", "after", "done")
        }
        answer = noc.post("/cause/retry", **form, reason="repaired").text
        pressed += 1
        if pressed < 5:
            assert f"{pressed} done, {5 - pressed} left." in answer
    assert pressed == 5
    assert "None is left." in answer
    noc.work()
    assert sorted(noc.rows()) == services
    assert len(noc.audit()) == pressed


def test_only_those_that_were_seen_are_discarded(noc):
    noc.say(*from_unknown(3))
    (cause,) = noc.json("/failed")["causes"]
    page = noc.page("/cause/discard", id=cause["id"])
    until = int(hidden(page, "until"))
    noc.say(builders.activated("SVC-9", source="urn:unknown", mac=builders.mac(9), server=None))
    form = {"id": cause["id"], "until": until, "after": "", "done": 0}
    done = noc.post("/cause/discard", **form, reason="a test feed")
    assert "3 dead letters discarded. None is left." in done.text
    (left,) = noc.json("/cause", id=cause["id"])["dead_letters"]
    assert left["service"] == "SVC-9"
    ((what, by, detail),) = noc.audit()
    assert (what, by, detail) == ("dead_letter.discarded", BY, "source-not-allowed: a test feed")


def test_a_password_of_a_webhook_is_not_shown(noc):
    for number, body in enumerate(
        (
            json.dumps({"user": "x", "pppoePassword": 'hunter\\"2', "n": {"api_key": 5555}}),
            "user=x&password=hunter2&n=5",
        )
    ):
        posted = {"id": "1", "hook": "crm", "body": body, "content_type": "", "attempts": 1}
        letter = DeadLetter(
            f"hook-{number}", "hook", "mapping-incomplete", "x", body=json.dumps(posted)
        )
        noc.store.records.commit([ServiceCommit("", dead_letters=[letter])], 1000)
        for answer in (
            noc.console.viewer.get(f"/console/dead-letter?id=hook-{number}"),
            noc.console.viewer.get(f"/console/dead-letter.json?id=hook-{number}"),
        ):
            assert answer.status_code == 200
            assert "crm" in answer.text
            assert "[redacted]" in answer.text
            assert "hunter" not in answer.text
            assert "5555" not in answer.text


def test_whatever_came_is_shown(noc):
    odd = '\ud800<b>"\u202e\x00&'
    whole = builders.activated("SVC-1")
    for event in (
        whole | {"source": odd},
        whole | {"id": odd, odd: odd, "data": whole["data"] | {"service_id": odd}},
        {"id": "x", "source": builders.SOURCE, "type": odd, "data": [odd, 5, None, [{}]]},
        *("no json \u202e <b>", "[1,2]", '"\\ud800"', "[" * 3000),
        *('{"a": 1, "a": 2, "data": {"x": NaN}}', '{"data": 1e999}'),
        '{"a":' * 600 + "1" + "}" * 600,
    ):
        noc.say(event)
    causes = noc.json("/failed")["causes"]
    letters = [
        letter["id"]
        for cause in causes
        for letter in noc.json("/cause", id=cause["id"])["dead_letters"]
    ]
    assert len(letters) == 10
    for path in ("", "/edit", "/retry", "/discard"):
        for letter in letters:
            page = noc.page(f"/dead-letter{path}", id=letter)
            assert "<b>" not in page
            assert "\u202e" not in page.split("<textarea")[0]
            assert len(page) < 100_000
    for letter in letters:
        assert noc.json("/dead-letter", id=letter)["id"] == letter
    noc.say('{"a": "' + "x" * 70_000 + '"}')
    (large,) = [
        cause["example"]
        for cause in noc.json("/failed")["causes"]
        if "too-large" in cause["detail"]
    ]
    assert "leasewire dead-letters show" in noc.page("/dead-letter", id=large)
    assert noc.console.operator.get(f"/console/dead-letter/edit?id={large}").status_code == 409
    for text in (whole | {"x": odd}, [], "[" * 5000, "{}", "", '{"a": NaN}', "x" * 70_000):
        event = text if isinstance(text, str) else json.dumps(text)
        page = noc.post("/dead-letter/preview", id=letters[0], event=event).text
        assert "<b>" not in page.split("<textarea")[0]
        assert "problem" in page
