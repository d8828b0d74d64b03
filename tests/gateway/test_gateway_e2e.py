"""From a POST to a row on a router, with real workers; and a gateway that is killed in mid-load."""

import json
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from gateway.api.api_keys import ApiKeys, KeyScope
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from tests import builders
from tests.forking import Forked
from tests.gateway.asking import BATCH
from tests.installation import PREFIX, SERVER, Installation, end
from tests.waiting import eventually
from worker.store.audit import AuditFilter
from worker.version import installed_version

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

STRANGER = "urn:isp:nobody-knows"


def activated(number, **given):
    mac = f"00:00:5E:00:{0x53 + (number >> 8):02X}:{number & 255:02X}"
    address = f"100.64.{number >> 8}.{number & 255}"
    return builders.activated(f"SVC-{number}", server=SERVER, mac=mac, ipv4=address, **given)


@contextmanager
def running_gateway(here, port=0):
    """`leasewire gateway` as a user starts it; gives process and URL."""
    with (here.directory / "gateway.log").open("ab") as log:
        process = Forked(
            [sys.executable, "-m", "leasewire", "gateway", "--port", str(port)],
            env=here.environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline()
        assert f"; it is version {installed_version()} and " in line
        yield process, re.search(r"http://[^;]*", line)[0]
    finally:
        end(process)


def key_of(here):
    made = ApiKeys(here.client, PREFIX).create(
        "e2e",
        [builders.SOURCE, STRANGER],
        [KeyScope.PUBLISH, KeyScope.READ, KeyScope.OPS],
        rate=100_000,
        created_at=datetime.now(UTC).isoformat(),
        actor="ann",
    )
    return {"Authorization": f"Bearer {made.token}"}


def test_a_posted_event_is_applied_and_its_status_says_so(short_directory):
    with Installation(short_directory) as here, running_gateway(here) as (process, url):
        here.start_workers("events", "routers")
        with httpx.Client(base_url=url, headers=key_of(here), timeout=30) as client:
            answer = client.post("/v1/events", json=activated(1))
            assert answer.status_code == 202
            status_url = answer.headers["location"]
            eventually(
                lambda: client.get(status_url).json()["state"] == "applied",
                "it is applied",
                within_s=20,
            )
            assert here.rows("R1")["SVC-1"][0]["address"] == "100.64.0.1"

            waited = client.post("/v1/events", json=activated(2), headers={"Prefer": "wait=20"})
            assert waited.status_code == 200
            (receipt,) = waited.json()["receipts"]
            assert receipt["status"] == receipt["outcome"]["state"] == "applied"
            assert here.rows("R1")["SVC-2"]

            again = client.post("/v1/events", json=activated(2), headers={"Prefer": "wait=20"})
            assert again.json()["receipts"][0]["duplicate"]

            service = client.get("/v1/services/SVC-1").json()
            assert (service["status"], service["routers"][0]["sync"]) == ("active", "in_sync")
            lines = client.get("/v1/services/SVC-1/events").json()["history"]
            assert lines[0]["at"] >= lines[-1]["at"]
            assert "event applied" in {each["what"] for each in lines}
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout.read() == "The gateway has stopped.\n"


def test_dead_letters_are_retried_and_discarded_over_http(short_directory):
    with Installation(short_directory) as here, running_gateway(here) as (_, url):
        here.start_workers("events")
        with httpx.Client(base_url=url, headers=key_of(here), timeout=30) as client:

            def dead_letters():
                return {
                    each["reason"]: each
                    for each in client.get("/v1/dead-letters").json()["dead_letters"]
                }

            first = activated(9, id_="e-1")
            assert client.post("/v1/events", json=first).status_code == 202
            eventually(lambda: here.outcome(first), "it is folded", within_s=20)
            other = activated(10, id_="e-1")
            assert client.post("/v1/events", json=other).status_code == 422
            # Who speaks to Redis finds out later.
            transport = JournalTransport(here.client, prefix=PREFIX)
            Publisher(transport, clock=lambda: datetime.now(UTC)).publish([other])
            unknown_source = activated(11, source=STRANGER)
            answer = client.post("/v1/events", json=unknown_source, headers={"Prefer": "wait=20"})
            assert answer.json()["receipts"][0]["outcome"]["reason"] == "source-not-allowed"
            reasons = {"event-id-reused", "source-not-allowed"}
            eventually(lambda: set(dead_letters()) == reasons, "both are dead letters", within_s=20)

            reused, refused = (
                dead_letters()["event-id-reused"],
                dead_letters()["source-not-allowed"],
            )
            answer = client.post(f"/v1/dead-letters/{reused['id']}/retry")
            assert answer.status_code == 409
            assert "edit" in answer.json()["detail"]
            assert client.post("/v1/dead-letters/none/retry").status_code == 404

            answer = client.post(f"/v1/dead-letters/{refused['id']}/retry")
            assert (answer.status_code, answer.json()["status"]) == (202, "retried")
            eventually(
                lambda: dead_letters().get("source-not-allowed", refused)["at"] > refused["at"],
                "it is refused once more",
                within_s=20,
            )
            for each in dead_letters().values():
                assert client.post(f"/v1/dead-letters/{each['id']}/discard").status_code == 200
            assert dead_letters() == {}
            assert {
                entry.by[:4] for entry in here.store.audit.entries(AuditFilter(kind="dead_letter"))
            } == {"key "}


def test_what_was_answered_before_a_kill_is_applied(short_directory):
    """Several clients post while the gateway is killed and started again, on the same port."""
    promised, answers = [], threading.Lock()
    done = threading.Event()

    def post(url, headers, numbers):
        with httpx.Client(base_url=url, headers=headers, timeout=10) as client:
            for number in numbers:
                event = activated(number)
                while not done.is_set():
                    try:
                        answer = client.post("/v1/events", json=event)
                    except httpx.TransportError:
                        continue  # killed, or not there yet: sent again with the same id
                    if answer.status_code == 202:
                        with answers:
                            promised.append(event)
                        break

    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        headers, port, clients = key_of(here), 0, []
        try:
            for wanted in (60, 160, 260, 399):
                with running_gateway(here, port) as (process, url):
                    if not clients:
                        port = int(url.rpartition(":")[2])
                        for first in range(1, 5):
                            arguments = (url, headers, range(first, 400, 4))
                            clients.append(threading.Thread(target=post, args=arguments))
                            clients[-1].start()
                    eventually(
                        lambda n=wanted: len(promised) >= n, f"{wanted} answers", within_s=60
                    )
                    process.kill()
                    process.wait()
        finally:
            done.set()
            for client in clients:
                client.join(30)
        assert len(promised) == 399
        here.wait_until_settled(60)
        assert {here.outcome(event).state for event in promised} == {"applied"}
        assert len(here.rows("R1")) == 399


def test_live_events_are_served_before_an_import(short_directory):
    imported = [activated(number) for number in range(300)]
    live = [activated(number) for number in range(300, 320)]
    with Installation(short_directory) as here, running_gateway(here) as (_, url):
        with httpx.Client(base_url=url, headers=key_of(here), timeout=30) as client:
            for path, events in (("/v1/events?lane=bulk", imported), ("/v1/events", live)):
                body = json.dumps(events)
                assert client.post(path, content=body, headers=BATCH).status_code == 202
        depths = [here.store.journal.depth(lane) for lane in ("bulk", "events")]
        assert depths == [300, 20]
        here.start_workers("events", "routers")
        here.wait_until_settled(60)
        first, last = (
            [here.outcome(event).event.accepted_at_ms for event in events]
            for events in (live, imported)
        )
        assert max(first) < min(last)
        assert len(here.rows("R1")) == 320
