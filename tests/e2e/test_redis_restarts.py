"""Redis is killed under load: the workers are back at work within 15 s, and nothing is lost.

`LEASEWIRE_REDIS_KILLS=20` is the long form.
"""

import os
import sys
import threading
import time

import pytest

from producers.errors import PublishFailed
from tests import builders
from tests.installation import SERVER, Installation
from tests.waiting import eventually
from worker.core.service.outcome import FINAL

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

KILLS = int(os.environ.get("LEASEWIRE_REDIS_KILLS", "1"))
BACK_WITHIN_S = 15


def snapshot(number, revision):
    block = builders.service_block(
        server=SERVER,
        mac=f"00:00:5E:00:{number >> 8:02X}:{number & 255:02X}",
        ipv4=f"100.64.0.{number}",
        status="active" if revision % 2 else "suspended",
    )
    return builders.event("snapshot", f"SVC-{number}", revision=revision, service=block)


class Load(threading.Thread):
    """Publishes without pause but for Redis's, which it outlasts."""

    def __init__(self, publisher):
        super().__init__(daemon=True)
        self.publisher, self.published = publisher, []
        self.ending = threading.Event()

    def run(self):
        revision = 0
        while not self.ending.wait(0.01):
            revision += 1
            event = snapshot(1 + revision % 100, revision)
            try:
                self.publisher.publish([event])
            except PublishFailed:
                continue
            self.published.append(event)


@pytest.mark.timeout(60 + 40 * KILLS)
def test_workers_are_back_at_work_after_redis_was_killed(short_directory, capsys):
    back_s = []
    command = (sys.executable, "-m", "leasewire")
    with Installation(short_directory, worker_command=command) as here:
        here.start_workers("worker")
        load = Load(here.publisher)
        load.start()
        eventually(lambda: len(here.rows("R1")) > 10, "at work", within_s=30)
        for kill in range(KILLS):
            here.valkey.kill()
            time.sleep(0.1 + kill % 5)  # how long it is away is what the kills differ in
            here.valkey.start()
            began = time.monotonic()
            probe = snapshot(200, kill + 1)
            here.publisher.publish([probe])
            eventually(
                lambda probe=probe: (said := here.outcome(probe)) and said.state in FINAL,
                f"an event published after kill {kill + 1} is applied",
                within_s=BACK_WITHIN_S,
            )
            back_s.append(round(time.monotonic() - began, 1))
        load.ending.set()
        load.join(10)
        here.wait_until_settled(60)
        lost = [event for event in load.published if here.outcome(event) is None]
        silent = here.log_text().count('"worker.silent"')
        ended = here.log_text().count('"worker.ended"')
    with capsys.disabled():
        if KILLS > 1:
            sys.stdout.write(
                f"\n{KILLS} kills: back at work after {sorted(back_s)} s; {len(load.published)} "
                f"events, lost {len(lost)}; workers that ended {ended}, of them silent {silent}\n"
            )
    assert lost == []
