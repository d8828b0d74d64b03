"""Events that come one after the other while something fails."""

import threading

from producers.errors import PublishFailed
from tests import builders
from tests.installation import SERVER


def activated(number):
    """The first event of a service of its own; each number has another."""
    return builders.activated(
        f"SVC-{number}",
        server=SERVER,
        mac=f"00:00:5E:00:{number // 256:02X}:{number % 256:02X}",
        ipv4=f"100.64.{number // 250}.{number % 250 + 1}",
    )


class Load(threading.Thread):
    """Publishes one event after the other until it is told to end; again what was not taken."""

    def __init__(self, publisher):
        super().__init__()
        self.publisher = publisher
        self.taken = []
        self.ends = threading.Event()

    def run(self):
        while not self.ends.wait(0.005):
            event = activated(len(self.taken) + 1)
            try:
                self.publisher.publish([event])
            except PublishFailed:
                continue
            self.taken.append(event)
