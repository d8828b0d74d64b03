"""A publisher process that writes down each of its calls, and the answer: `python -m … CONFIG`.

Its services are its own. Each event sets a MAC or an address that no other event ever sets, so that
whoever sees a value on a router knows which event it is of. What was not accepted is published
again until it is. It ends at SIGTERM, once its last event was accepted.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from producers.connection import open_publisher
from producers.errors import PublishFailed
from producers.http_transport import HttpTransport
from producers.publisher import Publisher
from tests import builders
from tests.installation import SERVER
from worker.log_setup import configure_logging
from worker.settings import Settings, environment

CHANGES: Final = 5
"""Events of a service, from its activation to its end."""
APART: Final = 12
"""So many services are begun between two events of one."""


def source_of(number: int) -> str:
    """The source of a publisher."""
    return f"{builders.SOURCE}:{number}"


def events_of(number: int, machine: int, routers: int) -> Iterator[tuple[dict, dict]]:
    """Each event of a publisher, and what its log says of it.

    At each moment some services are begun, some changed and some ended.
    """
    for turn in count():
        change, service = turn % CHANGES, turn // CHANGES - turn % CHANGES * APART
        if service < 0:
            continue
        mac = ":".join(f"{part:02X}" for part in (2, number, *service.to_bytes(3, "big"), change))
        bits = number << 20 | service << 3 | change
        ipv4 = ".".join(map(str, (10, *bits.to_bytes(3, "big"))))
        name, router = f"SVC-{number}-{service}", f"R{service % routers + 1}"
        given: Any = {"id_": f"p{number}-{turn}", "source": source_of(number)}
        given |= {"revision": change + 1}
        sets: dict[str, str] | None
        match change:
            case 0:
                sets = {"mac-address": mac, "address": ipv4}
                block = {"router": router, "server": SERVER, "mac": mac, "ipv4": ipv4}
                event = builders.activated(name, **block, **given)
            case 2:
                sets, event = {"mac-address": mac}, builders.mac_changed(name, mac=mac, **given)
            case 4:
                sets, event = None, builders.cancelled(name, **given)
            case _:
                sets, event = {"address": ipv4}, _moved(name, ipv4, given)
        said = {"event": event["id"], "source": event["source"], "service": name}
        yield event, {**said, "router": router, "machine": machine, "sets": sets}


def _moved(service: str, ipv4: str, given: Any) -> dict:
    return builders.address_changed(service, address={"mode": "static", "ipv4": ipv4}, **given)


class Ways:
    """Ways to publish: one to Redis, or one through each gateway; after a failure the next."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._ways = [_publisher(config, gateway) for gateway in config["gateways"] or [None]]

    def publish(self, event: dict) -> str:
        """What came of it: `accepted`, or the failure."""
        try:
            self._ways[0].publish([event])
        except PublishFailed as failure:
            self._ways.append(self._ways.pop(0))
            return str(failure)
        return "accepted"


def _publisher(config: dict[str, Any], gateway: str | None) -> Publisher:
    def now() -> datetime:
        return datetime.now(UTC)

    if gateway is not None:
        return Publisher(HttpTransport(gateway, config["key"], timeout_s=5, plain=True), clock=now)
    return open_publisher(
        config["url"], clock=now, prefix=config["prefix"], min_replicas=config["min_replicas"]
    )


def main(config: dict[str, Any]) -> None:
    """Publish until SIGTERM."""
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    pace_s, ways = 1 / config["events_a_second"], Ways(config)
    due = time.monotonic()
    with Path(config["log"]).open("w", buffering=1) as log:

        def write(**what: object) -> None:
            log.write(json.dumps({"at": time.monotonic(), **what}) + "\n")

        for event, said in events_of(config["number"], config["machine"], config["routers"]):
            answer = ""
            while answer != "accepted":
                if answer:
                    time.sleep(0.1)  # the pace of trying again
                write(do="call", **said)
                answer = ways.publish(event)
                write(do="answer", event=said["event"], answer=answer)
            due = max(due + pace_s, time.monotonic() - 1)
            if ends.wait(max(0.0, due - time.monotonic())):
                return


if __name__ == "__main__":
    configure_logging(Settings.load(environment()))
    main(json.loads(sys.argv[1]))
