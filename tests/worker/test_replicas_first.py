"""A worker writes to a router only what replicas of Redis have too, if the settings say so."""

import pytest
from structlog.testing import capture_logs

from tests.small_installation import SmallInstallation, activated
from tests.store.replicas import replica_of, silent
from worker.store.store import open_store

pytestmark = [pytest.mark.redis, pytest.mark.router]


class Replicated(SmallInstallation):
    """An installation whose workers wait for a replica."""

    def _start(self, stack):
        super()._start(stack)
        self.replica = stack.enter_context(replica_of(self.server))
        self.store = open_store(self.client, self.prefix, min_replicas=1)
        self.load()


def test_what_no_replica_confirms_is_not_written_and_soon_tried_again():
    given = activated()
    with Replicated(1) as here:
        here.say(given)
        with silent(here.replica), capture_logs() as logged:
            here.converge.run("R1")
            assert here.rows("R1") == []
            assert (here.outcome(given) or "").startswith("accepted")
        [reason] = [x["reason"] for x in logged if x["event"] == "store.not_replicated"]
        assert "0 of 1 replicas of Redis confirmed" in reason
        assert not here.client.exists(here.block("R1").lock)
        here.drain()
        assert (here.outcome(given) or "").startswith("applied")
        assert len(here.rows("R1")) == 1
