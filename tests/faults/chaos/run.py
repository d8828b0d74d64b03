"""One run of chaos, from its seed to its table."""

import random
import secrets
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from contracts.sealing import sealed_event
from tests import builders
from tests.faults import estate, odd_worker
from tests.faults.chaos.on_estate import OF_NOW, OnEstate
from tests.faults.chaos.scene import DISPLACED_BY, Scale
from tests.faults.history import deliveries, history
from tests.faults.mischief import KINDS, SERVICE_MS
from tests.faults.put_back import ROOT

EVENTS_A_SECOND = 60
_CURSED_MAC, _CURSED_ADDRESS = "00:00:5E:00:53:FE", "198.51.100.254"
_REST_EVERY_S = 40.0
CONVERGES_IN_S = 180.0


def make_chaos(directory: Path, routers: int) -> OnEstate:
    """An installation as `estate.py` has it; nothing runs yet."""
    chaos = OnEstate(
        directory,
        routers,
        simulator=[
            "--with-mac-server",
            "--order",
            "shuffle",
            "--latency-ms",
            "10",
            "--service-ms",
            str(SERVICE_MS),
        ],
        inventory=estate.keys_of(routers),
        tables=estate.TABLES + estate.POOL_TABLES,
        sources=estate.SOURCES,
        worker_command=OF_NOW,
        command=[sys.executable, "-m", "tests.faults.newer", "leasewire"],
    )
    chaos.environ_more = {
        "LEASEWIRE_ROUTER_RECHECK_S": "2",
        "LEASEWIRE_WATCH_EVERY_S": "5",
        "LEASEWIRE_REPORT_EVERY_S": "10",
        # over REST a router that falls silent in a whole read is noticed only then
        "LEASEWIRE_READ_TIMEOUT_S": "30",
        "LEASEWIRE_SECRET_KEYS_FILE": str(chaos.secret_keys),
        "PYTHONPATH": str(ROOT),  # the command runs in a directory of its own
    }
    chaos.secret_keys.write_text(secrets.token_hex(64))
    odd_worker.shares(directory, 0)
    return chaos


def run(
    directory: Path, seed: int, scale: Scale, deadline_s: float = CONVERGES_IN_S
) -> tuple[dict[str, Any], list[str]]:
    """One run; returns the table, and what does not hold.

    Every so often all comes to rest and is looked at: what later events would hide is seen so.
    """
    rng = random.Random(seed)
    with make_chaos(directory, scale.routers) as chaos:
        chaos.start_workers("events", "routers", "events", "routers")
        chaos.wait_for_workers()
        told = history(
            rng,
            list(chaos.control),
            scale.services,
            scale.events,
            conflicting=scale.conflicting,
            wide=True,
        )
        events = [sealed_event(event, chaos.sealer)[0] for event in told]
        cursed = builders.activated(
            odd_worker.CURSED, mac=_CURSED_MAC, ipv4=_CURSED_ADDRESS, server=estate.SERVERS[0]
        )
        chaos.arriving = [cursed]
        rests = max(1, round(scale.seconds / _REST_EVERY_S))
        one = replace(scale, seconds=scale.seconds / rests)
        ends = [len(events) * n // rests for n in range(rests + 1)]
        slowest_s, problems = 0.0, []
        for turn, (begin, end) in enumerate(pairwise(ends)):
            if turn == rests // 2:
                chaos.upgrade(one.seconds)
            chaos.events = events[:end]
            chaos.arriving += deliveries(
                rng, events[begin:end], duplicates=0.2, displaced_by=DISPLACED_BY
            )
            chaos.unleash(rng, one)
            began = time.monotonic()
            problems = chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
            problems += chaos.reconcile()
            problems += chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
            slowest_s = max(slowest_s, time.monotonic() - began)
            figures, wrong = chaos.judge([cursed], conflicting=scale.conflicting)
            problems += wrong
            if problems:
                break
        problems += chaos.upgrade_problems()
        links = chaos.links.values()
        table = {
            "seed": seed,
            "seconds": scale.seconds,
            "routers": scale.routers,
            "services": scale.services,
            "events": len(chaos.events),
            "events published": chaos.counts.pop("events"),
            **{kind: chaos.counts.pop(kind, 0) for kind in KINDS},
            "went on late, nothing to deliver": sum(link.lost_by_reset for link in links),
            "went on late, and delivered": sum(link.delivered_late for link in links),
            **dict(chaos.counts),
            "longest that a late write doubled": f"{chaos.longest_doubled_s:.1f} s",
            "alerts seen": ", ".join(sorted(chaos.alerts_seen)),
            "converged after, at the longest": f"{slowest_s:.1f} s" if not problems else "never",
            **figures,
        }
        return table, problems
