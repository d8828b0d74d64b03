"""Retired words do not come back: one thing has one word (docs/glossary.md)."""

from collections import defaultdict
from fnmatch import fnmatch
from functools import cache

import pytest

from tests.leasewire.retired_words import PACKAGES, ROOT, Name, names_of

RETIRED = {
    "admission": "check",
    "admitted": "accepted",
    "anew": "again",
    "asks": "blocked_by",
    "bell": "notification",
    "buried": "dead-lettered",
    "bury": "dead-letter",
    "census": "full read",
    "crossing": "superseded alarm",
    "desk": "admin",
    "doubt": "safety check, warning",
    "first contact": "safety checks",
    "giver": "blocker",
    "hindered": "missing prerequisite",
    "hindrance": "missing prerequisite",
    "inquiry": "row observer, diagnosis",
    "lack": "missing prerequisite",
    "lacks": "missing prerequisite",
    "looker": "reader",
    "looking": "row observer",
    "lookout": "maintenance",
    "marking": "work item",
    "marks": "work items",
    "news": "notices",
    "onlooker": "row observer",
    "outages": "circuit",
    "outstanding": "pending",
    "park": "open the circuit",
    "parked": "circuit open",
    "patience": "time limits",
    "rang": "notified",
    "replay": "retry",
    "ring": "notify",
    "say": "a verb for what happens: print, log, report",
    "says": "a verb for what happens: print, log, report",
    "seldom": "time limits",
    "shortcomings": "missing prerequisites",
    "stranger": "unknown source",
    "strangers": "unknown sources",
    "stray": "foreign row, unknown device",
    "strays": "unknown devices, foreign rows",
    "strong": "held",
    "surplus": "duplicate",
    "survey": "full read",
    "surveyed": "full read",
    "tally": "statistics",
    "tell": "log, notify, print",
    "telling": "notification",
    "told": "logged, notified",
    "turns": "compute gate",
    "unseen": "awaiting effect",
    "untold": "not notified",
    "upkeep": "maintenance",
    "vitals": "health figures",
    "weak": "vacating",
    "wish": "spec",
}
"""Retired word, or words in a row -> what to say."""

ORDINARY = frozenset(
    {
        "asks",
        "lack",
        "lacks",
        "looking",
        "marks",
        "news",
        "replay",
        "say",
        "says",
        "tell",
        "ring",
        "strong",
        "told",
        "turns",
        "wish",
    }
)
"""Retired as names; a help text may have them as ordinary words."""

ALLOWED: dict[str, tuple[str, ...]] = {}
"""Retired word -> files where it is a word of RouterOS, Celery or Python."""


@cache
def names_in(package: str) -> list[Name]:
    """All names that a package has."""
    return [name for path in sorted((ROOT / package).rglob("*.py")) for name in names_of(path)]


def retired_in(name: Name) -> list[str]:
    """The retired words, also of several words in a row, that a name holds."""
    parts = f" {' '.join(name.parts)} "
    return [
        word
        for word in RETIRED
        if f" {word} " in parts
        and not (name.kind == "help" and word in ORDINARY)
        and not any(fnmatch(name.file, pattern) for pattern in ALLOWED.get(word, ()))
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_retired_word_in_names_log_events_keys_and_help(package):
    assert names_in(package)
    found = [
        f"{name.file}:{name.line}: {name.kind} {name.text!r}: "
        f"say {RETIRED[word]!r} in place of {word!r}"
        for name in names_in(package)
        for word in retired_in(name)
    ]
    assert not found, "\n".join(["", *found])


def test_each_idea_has_a_class_name_of_its_own():
    """The simulator stands apart: its routers have sessions, menus and rows too."""
    files = defaultdict(set)
    for package in set(PACKAGES) - {"simulator"}:
        for name in names_in(package):
            if name.kind == "class" and not name.text.startswith("_"):
                files[name.text].add(name.file)
    shared = {name: sorted(found) for name, found in files.items() if len(found) > 1}
    # The second is what Celery's broker library calls it.
    assert shared == {"Transport": ["producers/transport.py", "worker/runtime/transport.py"]}


def test_a_word_is_found_in_every_way_of_writing_it(tmp_path):
    source = tmp_path / "sample.py"
    source.write_text(
        "class ParkedRouter:\n    def is_parked(self, parked_since): self.parked = 1\n"
        'log.info("router.parked", parked=1)\nlog.info("spool.parked, again in %s", 1)\n'
        'DOCUMENT = {"parked-since": 1}\n'
        'Option("--parked", help="Parked ones.")\n'
        'def sparked():\n    """Parked."""\n'
    )
    found = [name.kind for name in names_of(source, tmp_path) if "parked" in retired_in(name)]
    expected = ["argument", "class", "function", "help", "key", "log event", "log event"]
    assert sorted(found) == [*expected, "option", "variable"]
