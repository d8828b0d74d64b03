"""Checks the history of a run with failovers: `python -I checker.py DIRECTORY`.

It imports nothing of Leasewire. It knows what is documented: the form of an event's outcome over
HTTP, the tag in a row's comment, the log event `publisher.sent_again`; and of the simulated routers
their control socket. Everything else it reads from what the publishers wrote down of their own
calls. Times are seconds of the machine's monotonic clock, which all processes share.

In the directory:

- `run.json`: `control` (socket of the routers), `written_before` (router -> number of its last
  write before the run), `gateways` (URLs), `key`, `waits` (whether publishers wait for a replica),
  `back_within_s` (how long a failover may take);
- `publisher-*.jsonl`: a line for each call (`at`, `event`, `source`, `service`, `router`,
  `machine`, and `sets`: fields of the row that the event sets; null: it ends the service) and each
  `answer`;
- `faults.jsonl`: `kind`, `machine`, `began`, `promoted`, `ended`, `failovers`; and where publishers
  were stopped before they could meet the new primary: `stopped`, and `unknown`, the events that it
  did not know;
- `*.log`: what the program logged.
"""

import http.client
import json
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

DONE: Final = frozenset({"applied", "superseded"})
"""Outcomes of these events, none of which is wrong."""
_LEASES: Final = "/ip/dhcp-server/lease"
_TAG: Final = re.compile(r"leasewire:[a-z0-9-]+:(SVC-[0-9-]+)")
_SENT_AGAIN: Final = re.compile(r"publisher\.sent_again lost=(\d+)")
_FIELDS: Final = ("mac-address", "address")
_READERS: Final = 4
_ANSWERS_WITHIN_S: Final = 30.0
"""A gateway whose Redis fails over."""

Row = Mapping[str, str]


@dataclass
class Attempt:
    """One call of a publisher; `answered` and `answer` as long as there is none: 0 and empty."""

    event: str
    source: str
    service: str
    router: str
    machine: int
    sets: Row | None
    called: float
    answered: float = 0.0
    answer: str = ""

    @property
    def is_accepted(self) -> bool:
        """The publisher was told that the event is safe."""
        return self.answer == "accepted"


@dataclass
class Fault:
    """One fault; `failovers`: how often Sentinel named another primary because of it."""

    kind: str
    machine: int
    began: float
    promoted: float
    ended: float
    failovers: int = 1
    stopped: float = 0.0
    unknown: Sequence[str] = ()


@dataclass
class History:
    """What happened, as others than the program saw it.

    Attributes:
        waits: publishers waited for a replica.
        back_within_s: a new event must reach a router so long after a fault.
        attempts: in order, as far as they are of one publisher.
        journals: router -> what was written there, in order.
        outcomes: event -> state; missing: nobody knows the event.
        faults: in order.
        reported_lost: what the program itself reports as accepted, lost and sent again.
    """

    waits: bool
    back_within_s: float
    attempts: Sequence[Attempt]
    journals: Mapping[str, Sequence[Mapping[str, Any]]]
    outcomes: Mapping[str, str]
    faults: Sequence[Fault]
    reported_lost: int

    @property
    def may_lose(self) -> bool:
        """A primary may have lacked accepted events: nobody waited, or it was the second at once.

        Of the second Sentinel takes for the newest what has the largest offset, though that may be
        the former primary, with writes of its own.
        """
        return not self.waits or any(fault.failovers > 1 for fault in self.faults)


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
        "doubled": _doubled(history, accepted),
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
    """Events that were accepted, and that the new primary did not know before any was sent again.

    Those that were called later than the publishers were stopped were accepted by the new primary.
    """
    return [
        event
        for fault in history.faults
        for event in fault.unknown
        if event in accepted and accepted[event].called < fault.stopped
    ]


def _wrongly_reported(
    history: History, accepted: Mapping[str, Attempt], report: Report
) -> list[str]:
    """Whether the program reports as many lost events as there were."""
    lost = _lost_at_first(history, accepted)
    never_sent_again = accepted.keys() - history.outcomes.keys() - set(lost)
    report.figures["lost and sent again"] = len(lost)
    report.figures["reported"] = history.reported_lost
    if not history.may_lose and history.reported_lost:
        return [f"{history.reported_lost} events were lost, though each was on two machines"]
    were_lost = len(lost) + len(never_sent_again)
    if history.waits or history.reported_lost == were_lost:
        return []
    return [f"the program reports {history.reported_lost} lost events; {were_lost} were lost"]


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


def _doubled(history: History, accepted: Mapping[str, Attempt]) -> list[str]:
    """What was twice there at some moment, and what was written twice.

    The record of a service whose events were lost went back, and its row with it.
    """
    sentences = []
    went_back = {accepted[event].service for event in _lost_at_first(history, accepted)}
    written: Counter[str] = Counter()
    known = {value for attempt in history.attempts for value in (attempt.sets or {}).values()}
    for router in history.journals:
        for entry, rows in _rows(history, router):
            before, after = entry["before"] or {}, entry["after"]
            if after is None:
                continue
            place = f"{router}, write {entry['seq']}"
            others = [row for row in rows.values() if row[".id"] != after[".id"]]
            for name in (*_FIELDS, "service"):
                value = _value(after, name)
                if any(_value(row, name) == value for row in others):
                    sentences.append(f"{place}: two rows with the {name} {value}")
            for name in _FIELDS:
                value = after.get(name, "")
                if value == before.get(name):
                    continue
                if value not in known:
                    sentences.append(f"{place}: no event has the {name} {value}")
                written[value] += 1
                may_go_back = history.waits and history.may_lose
                may_go_back |= _value(after, "service") in went_back
                if written[value] == 2 and not may_go_back:
                    sentences.append(f"{place}: {value} is written a second time")
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


# Reading the history.


def read_history(directory: Path) -> History:
    """Read a run whose routers and gateways are still there."""
    run = json.loads((directory / "run.json").read_text())
    attempts = [
        attempt
        for path in sorted(directory.glob("publisher-*.jsonl"))
        for attempt in attempts_in(path.read_text().splitlines())
    ]
    called = {attempt.event: attempt.source for attempt in attempts}
    lines = (directory / "faults.jsonl").read_text().splitlines()
    return History(
        waits=run["waits"],
        back_within_s=run.get("back_within_s", 15.0),
        attempts=attempts,
        journals={
            router: _journal(run["control"], router, after)
            for router, after in run["written_before"].items()
        },
        outcomes=outcomes_of(called, run["gateways"], run["key"]),
        faults=[Fault(**json.loads(line)) for line in lines],
        reported_lost=sum(_reported(directory)),
    )


def attempts_in(lines: Iterable[str]) -> Iterator[Attempt]:
    """The calls of one publisher, from its log; a line that was not written whole is left out."""
    attempt: Attempt | None = None
    for text in lines:
        line = _parsed(text)
        if line.get("do") == "answer" and attempt is not None:
            attempt.answered, attempt.answer = line["at"], line["answer"]
        elif line.get("do") == "call":
            if attempt is not None:
                yield attempt
            names = ("event", "source", "service", "router", "machine", "sets")
            attempt = Attempt(*(line[name] for name in names), called=line["at"])
    if attempt is not None:
        yield attempt


def outcomes_of(events: Mapping[str, str], gateways: Sequence[str], key: str) -> dict[str, str]:
    """Ask gateways for the states of events; one that nobody knows is left out.

    Args:
        events: id -> source.
        gateways: their URLs.
        key: an API key that may read them.
    """
    items = sorted(events.items())
    parts = [items[number::_READERS] for number in range(_READERS)]
    urls = [gateways[number % len(gateways)] for number in range(_READERS)]
    with ThreadPoolExecutor(_READERS) as pool:
        answers = pool.map(lambda part, url: dict(_states(part, url, key)), parts, urls)
    return {event: state for answer in answers for event, state in answer.items()}


def _states(events: Sequence[tuple[str, str]], url: str, key: str) -> Iterator[tuple[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    for event, source in events:
        path = f"/v1/events/{quote(event)}?source={quote(source)}"
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while True:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
            if status != http.client.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                break
            time.sleep(0.2)  # it looks for the new primary
        if status == http.client.OK:
            yield event, json.loads(body)["state"]
        elif status != http.client.NOT_FOUND:
            raise SystemExit(f"{url}{path}: {status} {body.decode()}")
    connection.close()


def _journal(control: str, router: str, after: int) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rwb") as file:
        client.connect(control)
        request = {"router": router, "do": "journal", "with": {"after": after}}
        file.write(json.dumps(request).encode() + b"\n")
        file.flush()
        entries: list[dict[str, Any]] = json.loads(file.readline())["ok"]
    return entries


def _reported(directory: Path) -> Iterator[int]:
    for path in directory.glob("*.log"):
        for found in _SENT_AGAIN.finditer(path.read_text()):
            yield int(found[1])


def _parsed(text: str) -> dict[str, Any]:
    try:
        line: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return line


def main(directory: Path) -> int:
    """Print the report as JSON; 1: something must not be."""
    report = check(read_history(directory))
    print(json.dumps({"figures": report.figures, "violations": report.violations}))  # noqa: T201 - that is its answer
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
