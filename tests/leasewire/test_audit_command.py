"""Every write by a person leaves one entry in the audit trail, which is filtered and exported."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit_file import AuditFormat, audit_file
from tests.builders import activated, cancelled, ipv4, mac
from worker.store.audit import AUDIT_MOST, AuditEntry, AuditFilter, add_entry

pytestmark = [pytest.mark.redis, pytest.mark.router]


class Trail:
    """Entries without Redis."""

    def __init__(self, *entries):
        self._entries = entries

    def entries(self, chosen):
        return (entry for entry in self._entries if chosen.matches(entry))


def test_each_command_that_writes_leaves_one_entry(world, leasewire, tmp_path):
    audit = world.context.store.audit
    seen = []

    def entry_of(*arguments, code=0):
        """What one command added to the trail, which must be one entry."""
        answer = leasewire(*arguments, "--actor", "ann")
        assert answer.code == code, answer.err or answer.out
        added = [*audit.entries()][: -len(seen) or None]
        assert len(added) == 1, (arguments, added)
        seen.extend(added)
        assert (added[0].by, bool(added[0].subject)) == ("ann", True)
        return added[0].what

    world.say(
        activated("SVC-1", server="dhcp-vlan-32"),
        activated("SVC-2", server="dhcp-vlan-32", mac=mac(2), ipv4=ipv4(2)),
    )
    world.drain()
    source = activated("SVC-1")["source"]
    assert entry_of("routers", "pause", "R1", "--reason", "firmware") == "router.paused"
    assert entry_of("routers", "resume", "R1") == "router.resumed"
    assert entry_of("routers", "replace", "R1", "--apply") == "router.replaced"
    assert entry_of("keys", "create", "billing", "--scope", "ops") == "key.created"
    assert entry_of("keys", "revoke", seen[-1].subject) == "key.revoked"
    assert entry_of("sources", "rebase", source, "--apply") == "source.rebased"
    mute = ("alerts", "mute", "drift", "R1", "--for", "2h")
    assert entry_of(*mute) == "alert.muted"
    assert entry_of("alerts", "unmute", "drift", "R1") == "alert.unmuted"
    announce = ("brake", "announce", "--router", "R1", "--services", "3", "--for", "2h")
    assert entry_of(*announce) == "brake.announced"
    resumed = ("publish", "resumed", "--service", "SVC-1")
    assert entry_of(*resumed) == "event.published"
    world.say(cancelled("SVC-2"))
    world.drain()
    assert entry_of("services", "restore", "SVC-2", "--wait", "0") == "service.restored"
    # What is only shown, or refused, is not recorded.
    for arguments in (
        ("routers", "resume", "R1"),
        ("routers", "replace", "R1"),
        ("keys", "revoke", "none"),
        ("sources", "rebase", source),
    ):
        leasewire(*arguments)
    assert len([*audit.entries()]) == len(seen)


def test_the_trail_is_filtered_and_paged(world, leasewire):
    store = world.context.store
    for number in range(5):
        store.audit.record("ann", "router.paused", f"R{number}", "why")
    store.audit.record("Bob (console)", "service.purged", "SVC-1")

    def subjects(*arguments):
        entries = leasewire("audit", "list", "--json", *arguments).document["entries"]
        return [entry["subject"] for entry in entries]

    assert subjects() == ["SVC-1", "R4", "R3", "R2", "R1", "R0"]
    assert subjects("--by", "bob") == ["SVC-1"]
    assert subjects("--kind", "router", "--subject", "r3") == ["R3"]
    assert subjects("--kind", "router.resumed") == []
    assert subjects("--most", "2", "--page", "3") == ["R1", "R0"]
    assert subjects("--from", "2100-01-01T00:00:00Z") == []
    assert len(subjects("--until", "2100-01-01T00:00:00Z")) == 6
    assert leasewire("audit", "list", "--from", "yesterday").code == 2
    exported = leasewire("audit", "export", "--format", "ndjson", "--by", "bob").out
    assert json.loads(exported)["what"] == "service.purged"


def test_the_trail_is_bounded_and_long_texts_are_cut(world):
    store = world.context.store
    with store.client.pipeline(transaction=False) as pipe:
        for number in range(AUDIT_MOST + 3):
            add_entry(pipe, store.keys.audit, AuditEntry(number, "ann", "a.b", "R1"))
        pipe.execute()
    store.audit.record("ann", "event.published", "x" * 5000)
    kept = [*store.audit.entries()]
    assert (len(kept), len(kept[0].subject), kept[-1].at_ms) == (AUDIT_MOST, 1000, 4)


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.text()] * 4), max_size=4))
def test_no_cell_of_the_csv_is_a_formula_and_no_text_leaves_its_cell(texts):
    trail = Trail(*(AuditEntry(1, *four) for four in texts))
    file = "".join(audit_file(trail, AuditFilter(), AuditFormat.CSV))
    heading, *rows = csv.reader(io.StringIO(file))
    assert (heading[0], len(rows)) == ("at", len(texts))
    for row, four in zip(rows, texts, strict=True):
        assert len(row) == 1 + len(four)
        assert not [cell for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
        assert [cell.isprintable() for cell in row] == [True] * 5


WORD = st.text(st.sampled_from('aAsSiIÄ"\\İß\n'), max_size=3)


@settings(max_examples=60)
@given(st.tuples(WORD, WORD, WORD), st.tuples(WORD, WORD, WORD))
def test_a_text_without_the_parts_of_a_filter_is_of_no_entry_that_matches(fields, wanted):
    entry, chosen = AuditEntry(1, *fields), AuditFilter(*wanted)
    if chosen.matches(entry):
        text = entry.to_text().lower()
        assert "\\u" in text or all(part in text for part in chosen.parts())
