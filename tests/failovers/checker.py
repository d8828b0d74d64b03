"""Checks the history of a run with failovers: `python -m tests.failovers.checker DIRECTORY`.

It imports nothing of Leasewire, and neither does `history.py`, which says what is in the directory.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Final

from tests.failovers.history import Attempt, History, Row, read_history

DONE: Final = frozenset({"applied", "superseded"})
"""Outcomes of these events, none of which is wrong."""
_LEASES: Final = "/ip/dhcp-server/lease"
_TAG: Final = re.compile(r"leasewire:[a-z0-9-]+:(SVC-[0-9-]+)")
_FIELDS: Final = ("mac-address", "address")
_NOT_THERE_YET_S: Final = 1.0
"""What Redis was told so long before a fault no replica may have."""


@dataclass
class Report:
    """What was found.

    Attributes:
        figures: what was counted.
        violations: what must not be, as sentences.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def check(history: History) -> Report:
    """Hold a history against what Leasewire guarantees."""
    report = Report()
    accepted = {attempt.event: attempt for attempt in history.attempts if attempt.is_accepted}
    report.figures["accepted"] = len(accepted)
    report.figures["failed calls"] = sum(bool(a.answer) for a in history.attempts) - len(accepted)
    found = {
        "lost": _lost(history, accepted),
        "not done": [
            f"{event} is {state}"
            for event, state in history.outcomes.items()
            if state not in DONE and event in accepted
        ],
        "doubled": _doubled(history),
        "wrongly written": _written_again(history, report),
        "other rows at the end": _differing(history, accepted),
        "late": _late(history, report),
        "wrongly reported": _wrongly_reported(history, accepted, report),
        "empty": [] if accepted and any(history.journals.values()) else ["nothing happened"],
    }
    for name, sentences in found.items():
        report.figures[name] = len(sentences)
        report.violations += sentences
    return report


def _lost(history: History, accepted: Mapping[str, Attempt]) -> list[str]:
    return [
        f"{event} of {attempt.service} was accepted at {attempt.answered:.3f}, and nobody knows it"
        for event, attempt in accepted.items()
        if event not in history.outcomes
    ]


def _lost_at_first(history: History, accepted: Mapping[str, Attempt]) -> list[str]:
    """Events that publishers were told are accepted, and that the new primary did not know.

    That is, before publishers could meet it.
    """
    return [
        event
        for fault in history.faults
        for event in fault.unknown
        if event in accepted and accepted[event].answered < fault.stopped
    ]


def _in_flight(history: History) -> set[str]:
    """Events that the new primary did not know, and whose publisher waited for an answer.

    It may come from either primary, so nobody can tell from outside whether these were lost.
    """
    return {
        attempt.event
        for fault in history.faults
        for attempt in history.attempts
        if attempt.called < fault.stopped
        and not 0 < attempt.answered < fault.stopped
        and attempt.event in fault.unknown
    }


def _wrongly_reported(
    history: History, accepted: Mapping[str, Attempt], report: Report
) -> list[str]:
    """Whether the program reports as many lost events as there were.

    Of a second failover at once nobody knows: it may lose more, or bring back what the first lost.
    """
    lost, in_flight = _lost_at_first(history, accepted), _in_flight(history)
    never_sent_again = accepted.keys() - history.outcomes.keys() - set(lost)
    were_lost, reported = len(lost) + len(never_sent_again), history.reported_lost
    report.figures |= {"lost at first": len(lost), "in flight": len(in_flight)}
    report.figures["reported"] = reported
    if not history.may_lose and reported:
        return [f"{reported} events were lost, though each was on two machines"]
    most = were_lost + len(in_flight)
    at_once = any(fault.failovers > 1 for fault in history.faults)
    if history.waits or at_once or were_lost <= reported <= most:
        return []
    return [f"the program reports {reported} lost events, not {were_lost} (to {most})"]


def _rows(history: History, router: str) -> Iterator[tuple[Mapping[str, Any], dict[str, Row]]]:
    """Each write to leases of ours, and all of them after it, by id."""
    rows: dict[str, Row] = {}
    for entry in history.journals[router]:
        before, after = entry["before"], entry["after"]
        if entry["error"] or not entry["command"].startswith(_LEASES):
            continue
        if after is None:
            rows.pop(before[".id"], None)
        else:
            rows[after[".id"]] = after
        yield entry, rows


def _doubled(history: History) -> list[str]:
    """What was twice there at some moment."""
    sentences = []
    for router in history.journals:
        for entry, rows in _rows(history, router):
            after = entry["after"]
            if after is None:
                continue
            others = [row for row in rows.values() if row[".id"] != after[".id"]]
            for name in (*_FIELDS, "service"):
                value = _value(after, name)
                if any(_value(row, name) == value for row in others):
                    place = f"{router}, write {entry['seq']}"
                    sentences.append(f"{place}: two rows with the {name} {value}")
    return sentences


def _written_again(history: History, report: Report) -> list[str]:
    """Values that were written a second time.

    Where a failover may lose accepted events it may lose what else Redis held: a row then goes back
    to what the new primary knows, and forward again, if it changed during the fault or just before.
    """
    sentences, count = [], 0
    known = {value for attempt in history.attempts for value in (attempt.sets or {}).values()}
    first: dict[str, float] = {}
    changed: dict[tuple[str, str], float] = {}

    ends = [fault.began for fault in history.faults[1:]] + [inf]
    may_lose = [
        (fault.began - _NOT_THERE_YET_S, fault.ended if fault.failovers == 1 else end)
        for fault, end in zip(history.faults, ends, strict=True)
        if not history.waits or fault.failovers > 1
    ]

    def may_be_lost(at: float) -> bool:
        return any(first < at < last for first, last in may_lose)

    for router in history.journals:
        for entry, _ in _rows(history, router):
            before, after = entry["before"] or {}, entry["after"] or {}
            place, service = f"{router}, write {entry['seq']}", _value(after or before, "service")
            for name in _FIELDS:
                value = after.get(name, "")
                if value == before.get(name):
                    continue
                if after and value not in known:
                    sentences.append(f"{place}: no event has the {name} {value}")
                former_change = changed.get((service, name), 0.0)
                changed[service, name] = entry["time"]
                if not after or first.setdefault(value, entry["time"]) == entry["time"]:
                    continue
                count += 1
                if not may_be_lost(first[value]) and not may_be_lost(former_change):
                    sentences.append(f"{place}: {value} is written a second time")
    report.figures["written a second time"] = count
    return sentences


def _differing(history: History, accepted: Mapping[str, Attempt]) -> list[str]:
    """Rows at the end that are not what the accepted events set."""
    wanted: dict[tuple[str, str], Row | None] = {}
    for attempt in accepted.values():
        place = attempt.router, attempt.service
        before = wanted.get(place) or {}
        wanted[place] = None if attempt.sets is None else {**before, **attempt.sets}
    at_the_end: dict[tuple[str, str], Row] = {}
    for router in history.journals:
        *_, last = ({}, *(rows for _, rows in _rows(history, router)))
        for row in last.values():
            values = {name: row.get(name, "") for name in _FIELDS}
            at_the_end[router, _value(row, "service")] = values
    unanswered = {a.service for a in history.attempts if not a.answer}
    return [
        f"{place[1]} on {place[0]}: {at_the_end.get(place)}, but {wanted.get(place)} was accepted"
        for place in sorted(wanted.keys() | at_the_end.keys())
        if at_the_end.get(place) != wanted.get(place) and place[1] not in unanswered
    ]


def _late(history: History, report: Report) -> list[str]:
    """Faults after which no new event reached a router in time.

    New is an event that was called after the fault began, by a publisher that is not on the
    machine of the fault.
    """
    first_called: dict[str, Attempt] = {}
    for attempt in history.attempts:
        first_called.setdefault(attempt.event, attempt)
    by_value = {value: a for a in first_called.values() for value in (a.sets or {}).values()}
    written = [
        (entry["time"], by_value[value])
        for router in history.journals
        for entry, _ in _rows(history, router)
        for value in ((entry["after"] or {}).get(name) for name in _FIELDS)
        if value in by_value and value not in (entry["before"] or {}).values()
    ]
    written.sort(key=lambda write: write[0])
    took = []
    for fault in history.faults:
        times = (
            at - fault.began
            for at, attempt in written
            if at > fault.promoted
            and attempt.called > fault.began
            and attempt.machine != fault.machine
        )
        took.append((fault, next(times, None)))
    report.figures["new primary and back after s"] = [
        [
            *(fault.kind, fault.failovers, round(fault.promoted - fault.began, 1)),
            None if seconds is None else round(seconds, 1),
        ]
        for fault, seconds in took
    ]
    return [
        f"{fault.kind} of machine {fault.machine}: back at work after {seconds} s"
        for fault, seconds in took
        if seconds is None or seconds > history.back_within_s
    ]


def _value(row: Row, name: str) -> str:
    if name != "service":
        return row.get(name, "")
    tag = _TAG.match(row.get("comment", ""))
    return tag[1] if tag else ""


def main(directory: Path) -> int:
    """Print the report as JSON; 1: something must not be."""
    report = check(read_history(directory))
    print(json.dumps({"figures": report.figures, "violations": report.violations}))  # noqa: T201 - that is its answer
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
