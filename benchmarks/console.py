"""Row 14: the console's pages while events come in, and live latency with and without readers.

Run: `.venv/bin/python -m benchmarks.console [--services N] [--routers N] [--seconds S]
[--rounds N]`. Most routers are only in the inventory (`benchmarks/populate.py`); events go to 50
simulated ones, over HTTP to the gateway process that also serves the console. Readers are in a
process of their own: each opens the next page every two seconds, and follows Now live. Phases
without and with readers alternate. The time of a page is that of the server, as its header
`Server-Timing` says: from the request to the beginning of the answer, which is made by then.
`seen_ms` is the reader's, who shares the processors with all the rest.
"""

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Final, NamedTuple

import httpx

from benchmarks.over_http import gateway
from benchmarks.populate import paper_routers, populate
from benchmarks.silent_router import p99
from benchmarks.stage import LATENCY_MS, Latencies, Stage, at_pace, installation, print_result
from gateway.api.api_keys import ApiKeys, KeyScope
from gateway.console.now.live import MOST_A_PERSON
from gateway.console.people import People, Role
from gateway.console.sessions import LoginSessions
from producers.http_transport import HttpTransport
from producers.publisher import Publisher
from tests import builders
from tests.installation import PREFIX
from tests.waiting import eventually

SIMULATED: Final = 50
PACE: Final = 200
"""Events a second."""
PUBLISHERS: Final = 4
READERS: Final = 10
EVERY_S: Final = 2.0
"""Between two pages of a reader."""
MOST_MS: Final = 100
MOST_BYTES: Final = 100_000
PASSWORD: Final = "a-long-enough-password"  # noqa: S105 - of a person that only this benchmark has
PAGES: Final = (
    "/now",
    "/services?q=elm+street",
    "/services?q=02:00:5e:00:12",
    "/services?q=10.64.3.77",
    "/service?id=ACC-000007",
    "/routers",
    "/routers?find=site-07",
    "/router?id=site-0001",
    "/router?id=R1",
    "/router/leases?id=R1",
    "/approvals",
    "/failed",
    "/calendar",
    "/sources",
    "/audit",
    "/people",
)


class Read(NamedTuple):
    """One page that a reader opened.

    Attributes:
        page: its path and query.
        took_ms: of the server.
        seen_ms: from the request to the last byte.
        size: bytes of the body.
    """

    page: str
    took_ms: float
    seen_ms: float
    size: int


def read_pages(url: str, sessions: Sequence[str], seconds: float) -> list[Read]:
    """Open pages for so long, each with one of the sessions; each follows Now live meanwhile."""
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(2 * len(sessions)) as pool:
        reading = [pool.submit(_reader, url, s, n, ends) for n, s in enumerate(sessions)]
        live = [pool.submit(_follow, url, session, ends) for session in sessions]
        try:
            for follower in live:
                follower.result()
            return [read for reader in reading for read in reader.result()]
        except httpx.HTTPError as error:  # which does not come through between processes
            raise AssertionError(str(error)) from None


def _reader(url: str, session: str, number: int, ends: float) -> list[Read]:
    found = []
    with httpx.Client(base_url=url, cookies={"leasewire_session": session}, timeout=30) as client:
        time.sleep(EVERY_S * (number % READERS) / READERS)
        while time.monotonic() < ends:
            page = PAGES[number % len(PAGES)]
            number += 1
            began = time.monotonic()
            answer = client.get(f"/console{page}")
            took_s = time.monotonic() - began
            answer.raise_for_status()
            server_ms = float(answer.headers["server-timing"].rpartition("dur=")[2])
            found.append(Read(page, server_ms, took_s * 1000, len(answer.content)))
            time.sleep(max(0.0, EVERY_S - took_s))
    return found


def _follow(url: str, session: str, ends: float) -> None:
    """Read the stream of Now; it is silent while nothing changes."""
    limits = httpx.Timeout(30, read=max(0.1, ends - time.monotonic()))
    with (
        suppress(httpx.ReadTimeout),
        httpx.Client(
            base_url=url, cookies={"leasewire_session": session}, timeout=limits
        ) as client,
        client.stream("GET", "/console/now/live") as answer,
    ):
        answer.raise_for_status()
        for _ in answer.iter_lines():
            if time.monotonic() > ends:
                return


def measure(
    here: Stage, services: int, seconds: float, rounds: int, pace: int = PACE
) -> list[dict[str, object]]:
    """The rows: p95 and size of the slowest and the largest page, and the ratio of latencies.

    The installation has its paper routers in the inventory; there are so many rounds of either
    phase.
    """
    populate(here, services)
    here.warm()
    reads: list[Read] = []
    took_ms: dict[bool, list[list[float]]] = {False: [], True: []}
    with ExitStack() as stack:
        # A fork before any thread begins: a new process would import all of this once more.
        pool = stack.enter_context(ProcessPoolExecutor(1, get_context("fork")))
        pool.submit(int).result()
        url, _ = stack.enter_context(gateway(here, "--console"))
        sessions = log_in(here)
        publisher = stack.enter_context(_publisher(here, url))
        wait_for_search(url, sessions[0])
        for phase in range(2 * rounds):
            is_read = phase % 2 == 1
            reading = pool.submit(read_pages, url, sessions, seconds) if is_read else None
            took_ms[is_read].append(_live(here, publisher, round(seconds * pace), pace))
            reads += reading.result() if reading else []
    common = {
        "services": services,
        "routers": here.tables.count("[routers.") + here.routers,
        "events_per_s": pace,
        "readers": READERS,
        "reads": len(reads),
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
    }
    return [row | common for row in (*_pages(reads), _growth(took_ms))]


def log_in(here: Stage) -> list[str]:
    """A session of each reader; one person may follow Now in only so many."""
    people, sessions = People(here.client, PREFIX), LoginSessions(here.client, PREFIX)
    persons = [
        people.add(f"reader-{n}", Role.ADMIN, PASSWORD, _now())
        for n in range(math.ceil(READERS / MOST_A_PERSON))
    ]
    return [sessions.begin(persons[n // MOST_A_PERSON]) for n in range(READERS)]


def _now() -> str:
    return datetime.now(UTC).isoformat()  # noqa: TID251 - a benchmark is a composition root


def _publisher(here: Stage, url: str) -> Publisher:
    keys = ApiKeys(here.client, PREFIX)
    key = keys.create(
        "bss", [builders.SOURCE], [KeyScope.PUBLISH], rate=10**6, created_at=_now(), actor="bench"
    )
    clock = lambda: datetime.now(UTC)  # noqa: E731, TID251 - a benchmark is a composition root
    return Publisher(HttpTransport(url, key.token), clock=clock)


def _live(here: Stage, publisher: Publisher, count: int, pace: int) -> list[float]:
    """Latencies (ms) of events that several callers send at this pace together."""
    watched = Latencies(here, publisher)
    events = here.fresh(count)

    def send(part: Sequence[dict[str, object]]) -> None:
        for event in at_pace(part, pace / PUBLISHERS):
            watched.publish(event)

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        list(pool.map(send, [events[n::PUBLISHERS] for n in range(PUBLISHERS)]))
    return watched.took_ms()


def wait_for_search(url: str, session: str) -> None:
    """Until the index of the search knows all services: it is built when the gateway starts."""
    with httpx.Client(base_url=url, cookies={"leasewire_session": session}, timeout=30) as client:
        eventually(
            lambda: client.get("/console/services.json?q=ACC-000000").json()["index"]["complete"],
            "the search knows all services",
            within_s=3600,
        )


def _pages(reads: Sequence[Read]) -> list[dict[str, object]]:
    pages = sorted({read.page for read in reads})
    took = {page: [read.took_ms for read in reads if read.page == page] for page in pages}
    sizes = {page: max(read.size for read in reads if read.page == page) for page in pages}
    p95_ms = {page: round(p95(times_ms), 1) for page, times_ms in took.items()}
    slowest, largest = max(p95_ms, key=p95_ms.__getitem__), max(sizes, key=sizes.__getitem__)
    return [
        {
            "row": "14",
            "what": f"p95 of the console's slowest page, {slowest}, against 100 ms",
            "p95_ms": p95_ms,
            "median_ms": round(statistics.median(read.took_ms for read in reads), 1),
            "seen_p95_ms": round(p95([read.seen_ms for read in reads]), 1),
            "ratio": round(p95_ms[slowest] / MOST_MS, 2),
            "at_most": 1,
        },
        {
            "row": "14 kB",
            "what": f"the console's largest page, {largest}, against 100 kB",
            "kb": {page: round(size / 1000, 1) for page, size in sizes.items()},
            "ratio": round(sizes[largest] / MOST_BYTES, 2),
            "at_most": 1,
        },
    ]


def _growth(took_ms: dict[bool, list[list[float]]]) -> dict[str, object]:
    medians = {is_read: [statistics.median(x) for x in took_ms[is_read]] for is_read in took_ms}
    p99s = {is_read: [p99(x) for x in took_ms[is_read]] for is_read in took_ms}
    without, beside = (statistics.median(medians[is_read]) for is_read in (False, True))
    return {
        "row": "14 live",
        "what": f"live latency while {READERS} people read the console, against none",
        "median_ms": [[round(x, 1) for x in medians[is_read]] for is_read in (False, True)],
        "p99_ms": [[round(x, 1) for x in p99s[is_read]] for is_read in (False, True)],
        "ratio": round(beside / without, 2),
        "at_most": 1.1,
    }


def p95(values: Sequence[float]) -> float:
    """The 95th percentile: the smallest value that 95 % do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=20_000)
    parser.add_argument("--routers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    tables = paper_routers(options.routers - SIMULATED)
    with installation(SIMULATED, latency_ms=LATENCY_MS, tables=tables) as here:
        for row in measure(here, options.services, options.seconds, options.rounds):
            print_result(row)


if __name__ == "__main__":
    main()
