"""Reads the history of a run with failovers; it imports nothing of Leasewire.

It knows what is documented: the form of an event's outcome over HTTP, and the log event
`publisher.sent_again`; and of the simulated routers their control socket. Everything else it reads
from what the publishers wrote down of their own calls. Times are seconds of the machine's monotonic
clock, which all processes share.

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
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

_SENT_AGAIN: Final = re.compile(r"publisher\.sent_again lost=(\d+)")
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
