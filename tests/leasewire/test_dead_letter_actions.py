"""Dead letters: grouped by cause, tried again, corrected, taken away; nothing lost on the way."""

import json
from dataclasses import replace

import pytest

from contracts.identity import event_key
from tests import builders
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]


def dead_letters(leasewire):
    return leasewire("dead-letters", "list", "--json").document["dead_letters"]


def outcome(world, event):
    (found,) = world.context.store.views.outcomes([event_key(event["source"], event["id"])])
    return found


def drain(world):
    world.accept.run([], "events")


def unknown_sources(count, source="urn:isp:bss:new"):
    return [
        builders.activated(
            f"SVC-{n}", source=source, mac=builders.mac(n), ipv4=builders.ipv4(n), server=None
        )
        for n in range(1, count + 1)
    ]


def test_a_list_is_grouped_by_cause(world, leasewire):
    world.say(*unknown_sources(3), {"id": "x", "source": "urn:y", "type": "z"})
    groups = leasewire("dead-letters", "list", "--json").document["groups"]
    assert [(group["count"], group["reason"]) for group in groups] == [
        (3, "source-not-allowed"),
        (1, "unsupported-type"),
    ]
    assert (
        leasewire("dead-letters", "list", "--reason", "invalid-event").out == "No dead letters.\n"
    )


def test_a_replayed_event_has_its_old_id_and_its_letter_goes(world, leasewire):
    event = builders.activated("SVC-1", router="R1", server=None)
    world.accept = replace(world.accept, sources={})  # its source is not configured yet
    world.say(event)
    (dead_letter,) = dead_letters(leasewire)
    retried = leasewire("dead-letters", "retry", dead_letter["id"], "--wait", "0", "--json")
    assert retried.document["retried"][0]["detail"].startswith("in the journal")
    assert dead_letters(leasewire) == []
    world.accept = replace(world.accept, sources=world.context.inventory.sources)
    drain(world)
    assert outcome(world, event).state == "accepted"
    (entry,) = world.context.store.audit.entries()
    assert (entry.what, entry.subject) == ("dead_letter.retried", dead_letter["id"])
    assert entry.by


def test_what_fails_anew_while_it_is_replayed_stays(world, leasewire):
    world.say(*unknown_sources(1))
    (old,) = world.context.store.dead_letters.all()
    world.say(*unknown_sources(1))  # the same again: a newer letter under the same id
    assert not world.context.store.dead_letters.settle(old, "retried", "me", 1)
    assert len(dead_letters(leasewire)) == 1


def test_an_overtaken_event_says_by_which(world, leasewire):
    late = builders.mac_changed("SVC-1", builders.mac(7), revision=2, source=builders.SOURCE)
    early = {**late, "data": {**late["data"], "typo": 1}}
    del early["data"]["revision"]
    world.say(builders.activated("SVC-1", router="R1", server=None), early)
    (dead_letter,) = dead_letters(leasewire)
    newer = builders.mac_changed("SVC-1", builders.mac(8), revision=3)
    world.say(newer)
    edited = leasewire(
        *("dead-letters", "edit", dead_letter["id"], "--set", "/data/revision=2", "--json")
    )
    assert edited.code == 2  # the typo is still in it
    assert "typo" in edited.err
    whole = world.context.settings.inventory.parent / "event.json"
    whole.write_text(json.dumps(late))
    missing = leasewire("dead-letters", "edit", dead_letter["id"], "--file", "none.json")
    assert (missing.code, missing.out) == (2, "")
    assert missing.err == "none.json: cannot be read: No such file or directory\n"
    shown = leasewire("dead-letters", "edit", dead_letter["id"], "--file", str(whole))
    assert "Nothing was published" in shown.out
    assert len(dead_letters(leasewire)) == 1
    done = leasewire(
        *("dead-letters", "edit", dead_letter["id"], "--file", str(whole), "--apply"),
        *("--actor", "noc-7", "--json"),
    ).document["event"]
    assert done["causationid"] == late["id"]
    assert done["id"] != late["id"]
    drain(world)
    said = outcome(world, done)
    assert (said.state, said.detail) == ("superseded", f"by {newer['id']}")
    history = world.context.store.views.service("SVC-1", ["R1"]).history
    assert {"edited", "noc-7"} <= {str(v) for line in history for v in line.values()}


def test_a_refused_service_is_tried_again_and_its_events_apply(world, leasewire):
    message = "invalid value for argument address"
    refused = {"menu": LEASES, "field": "address", "value": "*", "text": message}
    world.r1.set_faults(refuse_values=[refused])
    event = builders.activated("SVC-1", router="R1", server=None)
    world.say(event)
    world.converge.run("R1")
    (dead_letter,) = dead_letters(leasewire)
    assert (dead_letter["id"], dead_letter["reason"]) == ("SVC-1@R1", "operation-refused")
    assert "invalid value" in dead_letter["detail"]
    assert outcome(world, event).state == "failed"
    world.r1.clear_faults()
    assert leasewire("dead-letters", "retry", "--all").code == 0
    world.converge.run("R1")
    assert len([r for r in world.r1.rows(LEASES) if "SVC-1" in r.get("comment", "")]) == 1
    assert outcome(world, event).state == "applied"


def test_discard_asks_and_names_the_actor(world, leasewire):
    world.say(*unknown_sources(2), builders.activated("SVC-1", router="R1", server=None))
    assert leasewire("dead-letters", "discard", "nobody@R1", "--yes").code == 1
    assert leasewire("dead-letters", "discard").code == 2
    (cause,) = leasewire("dead-letters", "list", "--json").document["groups"]
    named = ("--yes", "--actor", "noc-7", "--why", "a test feed")
    assert (
        leasewire("dead-letters", "discard", "--cause", "0" * 12, *named).out
        == "No such dead letters.\n"
    )
    gone = leasewire("dead-letters", "discard", "--cause", cause["id"], *named)
    assert gone.code == 0
    assert dead_letters(leasewire) == []
    assert [entry.by for entry in world.context.store.audit.entries()] == ["noc-7", "noc-7"]
    history = world.context.store.views.service("SVC-1", ["R1"]).history
    said = [(line["what"], line["why"]) for line in history if line.get("by") == "noc-7"]
    assert said == [("discarded", "a test feed")]
