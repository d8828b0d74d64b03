"""Row 11: how much of Redis's memory a service and each of its events take, and in which keys.

Run: `.venv/bin/python -m benchmarks.memory [--services N]`. Five events for each service
(activated, suspended, resumed, suspended, resumed), all applied; then Redis's own `used_memory` is
read, which includes keys, history, outcomes and fragmentation. The table shows with `MEMORY USAGE`
how much each kind of key takes.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import cast

from benchmarks.stage import Stage, installation, print_result
from contracts import names
from tests import builders
from tests.installation import PREFIX
from worker.store.keys import Keys

ROUTERS = 10
EVENTS = 5
_ASKED_AT_ONCE = 500


def used_bytes(here: Stage) -> int:
    """Redis's memory in use."""
    return int(here.client.info("memory")["used_memory"])


def kinds() -> list[str]:
    """Every kind of key as `worker/store/keys.py` and the journal name it, `*` where it varies."""
    keys = Keys("")
    one_each = [value for name in vars(Keys) if isinstance(value := getattr(keys, name), str)]
    journals = [
        of("", lane)
        for lane in names.LANES
        for of in (names.journal_body, names.journal_due, names.journal_notified)
    ]
    many = [
        *(keys.record("*"), keys.history("*"), keys.refused("*")),
        *(keys.source("*"), *keys.losses("*"), keys.manifest("*"), keys.imported("*")),
        *(keys.feed("bulk:*"), keys.feed("live:*")),
        *keys.router("*"),
        *(keys.watched("*"), keys.notified("*"), "seen:*", "beside:*", "brief:*"),
        *(*keys.fleet, *keys.reports),
    ]
    return sorted({*one_each, *journals, *many})


def kind_of(key: str, known: Iterable[re.Pattern[str]], prefix: str = PREFIX) -> str:
    """Return the kind of a key; other keys belong to Celery."""
    for pattern in known:
        if pattern.fullmatch(key, len(prefix)):
            return pattern.pattern.replace("[^\0]*", "*").replace("\\", "")
    return "Celery's own"


def patterns() -> list[re.Pattern[str]]:
    """One for each kind, the most exact first."""
    by_exactness = sorted(kinds(), key=lambda pattern: (-len(pattern.replace("*", "")), pattern))
    return [re.compile(re.escape(pattern).replace(r"\*", "[^\0]*")) for pattern in by_exactness]


def by_kind(here: Stage) -> tuple[Counter[str], Counter[str]]:
    """Keys and bytes of each kind of key."""
    known, count, size = patterns(), Counter[str](), Counter[str]()
    keys = sorted(here.client.scan_iter(count=1000))
    for start in range(0, len(keys), _ASKED_AT_ONCE):
        asked = keys[start : start + _ASKED_AT_ONCE]
        with here.client.pipeline(transaction=False) as pipe:
            for key in asked:
                pipe.memory_usage(key, samples=0)
            answers = pipe.execute()
        for key, used in zip(asked, answers, strict=True):
            kind = kind_of(key, known)
            count[kind] += 1
            size[kind] += int(used or 0)  # None: it went meanwhile
    return count, size


def measure(here: Stage, services: int) -> dict[str, object]:
    """Bytes a service with its five events, and how many of them each further event takes."""
    here.warm()
    first = here.used
    steps = [here.fresh(services)] + [
        [say(f"SVC-{n}", revision=revision) for n in range(first, first + services)]
        for revision, say in enumerate(2 * [builders.suspended, builders.resumed], 2)
    ]
    used, sizes = [used_bytes(here)], [by_kind(here)]
    for step, events in enumerate(steps):
        here.publish_many(events)
        here.wait_until_settled(120)
        used.append(used_bytes(here))
        if step in (0, EVENTS - 1):
            sizes.append(by_kind(here))
    before, one, five = sizes
    found = {
        kind: {
            "keys_a_service": round((keys - before[0][kind]) / services, 2),
            "bytes_a_service": round((five[1][kind] - before[1][kind]) / services),
            "bytes_an_event": round((five[1][kind] - one[1][kind]) / services / (EVENTS - 1)),
        }
        for kind, keys in five[0].items()
    }
    whole = (used[-1] - used[0]) / services
    an_event = (used[-1] - used[1]) / services / (EVENTS - 1)
    found["tables of keys, fragments, the rest"] = {
        "keys_a_service": 0,
        "bytes_a_service": round(whole - sum(kind["bytes_a_service"] for kind in found.values())),
        "bytes_an_event": round(an_event - sum(kind["bytes_an_event"] for kind in found.values())),
    }
    largest = sorted(found.items(), key=lambda entry: -abs(entry[1]["bytes_a_service"]))
    return {
        "row": "11",
        "what": "memory of a service with five events, against 2 kB",
        "services": services,
        "latency_ms": 0,
        "service_ms": 0,
        "bytes_a_service": round(whole),
        "bytes_with_one_event": round((used[1] - used[0]) / services),
        "bytes_an_event": round(an_event),
        "by_kind": {kind: sizes for kind, sizes in largest if sizes["bytes_a_service"]},
        "ratio": round(whole / 2048, 2),
        "at_most": 1,
    }


def table(found: Mapping[str, object]) -> str:
    """The kinds of keys, the largest first."""
    kinds_found = cast("dict[str, dict[str, float]]", found["by_kind"])
    lines = [f"{'keys':<38} {'a service':>9} {'bytes':>7} {'bytes an event':>15}"]
    lines += [
        f"{kind:<38} {sizes['keys_a_service']:>9} {sizes['bytes_a_service']:>7} "
        f"{sizes['bytes_an_event']:>15}"
        for kind, sizes in kinds_found.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2_000)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=0) as stage:
        notified = measure(stage, options.services)
    sys.stderr.write(table(notified))
    print_result(notified)
