"""The checker finds each kind of fault in a history; in a good one it finds none."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.failovers.checker import check
from tests.failovers.history import Attempt, Fault, History, attempts_in
from tests.forking import ROOT

LEASE = "/ip/dhcp-server/lease"
TAG = "leasewire:tests:"
FAULT = Fault("kill", machine=0, began=10.0, promoted=12.0, ended=20.0)


def row(id_, service, number, ip=None):
    values = {"mac-address": f"02:00:00:00:00:{number:02}", "address": ip or f"10.0.0.{number}"}
    return {".id": id_, "comment": TAG + service, **values}


def written(at, before, after, error=None):
    verb = "remove" if after is None else "set" if before else "add"
    entry = {"time": at, "command": f"{LEASE}/{verb}", "before": before, "after": after}
    return {**entry, "error": error, "seq": int(at * 10)}


def attempt(event, service, sets, called, answer="accepted"):
    return Attempt(event, "urn:s", service, "R1", 1, sets, called, called + 0.1, answer)


def fields(number):
    found = row("*1", "", number)
    return {name: found[name] for name in ("mac-address", "address")}


FIRST, SECOND = row("*1", "SVC-1", 1), row("*2", "SVC-2", 2)
MOVED = row("*1", "SVC-1", 1, "10.0.0.3")
GOOD = History(
    waits=False,
    back_within_s=15,
    attempts=[
        attempt("e1", "SVC-1", fields(1), 1.0),
        attempt("e2", "SVC-2", fields(2), 10.5, answer="timed out"),
        attempt("e2", "SVC-2", fields(2), 12.5),
        attempt("e3", "SVC-1", {"address": "10.0.0.3"}, 13.0),
        attempt("e4", "SVC-2", None, 14.0),
    ],
    journals={
        "R1": [
            written(2.0, None, FIRST),
            written(13.0, None, SECOND),
            written(13.1, None, row("*3", "SVC-2", 2), error="already have such lease"),
            written(14.0, FIRST, MOVED),
            written(15.0, SECOND, None),
        ]
    },
    outcomes={"e1": "applied", "e2": "applied", "e3": "applied", "e4": "superseded"},
    faults=[FAULT],
    reported_lost=0,
)
LOST = replace(FAULT, stopped=12.2, unknown=["e1", "e2"])
"""The new primary does not know e2 either, which was not accepted until then."""


def journal(*entries):
    return {"journals": {"R1": entries}}


def without(event):
    kept = {name: state for name, state in GOOD.outcomes.items() if name != event}
    return {"outcomes": kept}


def test_a_good_history_has_no_violations():
    report = check(GOOD)
    assert report.violations == []
    assert report.figures["accepted"] == 4
    assert report.figures["failed calls"] == 1
    assert report.figures["new primary and back after s"] == [["kill", 1, 2.0, 3.0]]


def test_what_was_lost_and_is_reported_is_no_violation():
    report = check(replace(GOOD, faults=[LOST], reported_lost=1))
    assert report.violations == []
    assert report.figures["lost at first"] == 1


def test_with_wait_a_second_failover_at_once_may_lose_what_is_sent_again():
    twice = replace(FAULT, failovers=2)
    assert check(replace(GOOD, waits=True, faults=[twice], reported_lost=1)).violations == []


R1 = GOOD.journals["R1"]
BACK = journal(*R1, written(16.0, MOVED, FIRST), written(16.5, FIRST, MOVED))
"""A row goes back to what a new primary knew, and forward again."""


def test_without_wait_a_row_may_go_back_at_a_fault():
    report = check(replace(GOOD, **BACK))
    assert report.violations == []
    assert report.figures["written a second time"] == 2


def test_an_event_that_waited_for_its_answer_may_have_been_lost_or_not():
    waited = replace(GOOD.attempts[3], answered=14.0)  # until after the publishers were stopped
    attempts = [*GOOD.attempts[:3], waited, *GOOD.attempts[4:]]
    fault = replace(FAULT, stopped=13.5, unknown=["e1", "e3"])
    history = replace(GOOD, attempts=attempts, faults=[fault])
    assert check(replace(history, reported_lost=1)).violations == []
    assert check(replace(history, reported_lost=2)).violations == []
    for wrong in (0, 3):
        assert check(replace(history, reported_lost=wrong)).figures["wrongly reported"] == 1


@pytest.mark.parametrize("reported", [0, 2])
def test_of_two_failovers_at_once_the_second_may_lose_more_or_bring_back(reported):
    twice = replace(LOST, failovers=2)
    assert check(replace(GOOD, faults=[twice], reported_lost=reported)).violations == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        (without("e3"), "lost"),
        ({"outcomes": {**GOOD.outcomes, "e3": "waiting"}}, "not done"),
        (journal(*R1[:3], written(13.2, None, row("*4", "SVC-2", 9)), *R1[3:]), "doubled"),
        (journal(*R1[:3], written(13.2, None, row("*4", "SVC-9", 2)), *R1[3:]), "doubled"),
        (journal(*R1[:3], written(13.2, None, row("*4", "SVC-2", 9)), *R1[3:]), "wrongly written"),
        ({"waits": True, **BACK}, "wrongly written"),
        ({"faults": [replace(FAULT, ended=13.5)], **BACK}, "wrongly written"),
        (journal(*R1[:3], R1[4]), "other rows at the end"),
        (journal(*R1[:4]), "other rows at the end"),
        (journal(*R1[:1], *(entry | {"time": 26.0} for entry in R1[1:])), "late"),
        (journal(R1[0]), "late"),
        ({"reported_lost": 1}, "wrongly reported"),
        ({"faults": [LOST]}, "wrongly reported"),
        ({"faults": [LOST], "reported_lost": 2}, "wrongly reported"),
        ({"reported_lost": 1, "waits": True}, "wrongly reported"),
        (without("e3"), "wrongly reported"),
        ({"attempts": [], "outcomes": {}}, "empty"),
    ],
)
def test_each_fault_is_found(changes, kind):
    report = check(replace(GOOD, **changes))
    assert report.figures[kind] > 0
    assert report.violations


def test_a_line_that_was_not_written_whole_is_left_out():
    call = (
        '{"at": 1, "do": "call", "event": "e", "source": "s", "service": "SVC-1", "router": "R1",'
        ' "machine": 0, "sets": null}'
    )
    found = list(attempts_in([call, '{"at": 2, "do": "answer", "event": "e", "ans']))
    assert [(a.event, a.called, a.answer) for a in found] == [("e", 1, "")]


def test_the_checker_knows_nothing_of_ours():
    program = "import sys, tests.failovers.checker; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages >= {"tests", "json"}
    assert not packages & {"contracts", "producers", "worker", "gateway", "leasewire", "simulator"}
