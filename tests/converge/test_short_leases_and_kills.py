"""A pass that is killed around the write of a lease time forgets nothing that others had set."""

from datetime import UTC, datetime

import pytest

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated
from tests.waiting import eventually
from worker.convergence import batch

pytestmark = [pytest.mark.redis, pytest.mark.router]

DUE_MS = 2_500


class Killed(BaseException):
    """As a process that is killed: nothing catches it."""


def killed(small, monkeypatch, moment):
    """A pass that ends before or after its write, and whose lock has run out."""
    write = batch.write

    def dies(*arguments):
        if moment == "after":
            write(*arguments)
        raise Killed

    monkeypatch.setattr(batch, "write", dies)
    with pytest.raises(Killed):
        small.converge.run("R1")
    monkeypatch.setattr(batch, "write", write)
    small.client.delete(small.block("R1").lock)


@pytest.mark.parametrize("theirs", ["", "45m"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_pass_forgets_no_lease_time(monkeypatch, moment, theirs):
    with SmallInstallation(1, defaults='shorten_leases = "1s"') as small:
        small.say(activated())
        small.drain()
        if theirs:
            small.r["R1"].set_row(LEASES, small.rows("R1")[0][".id"], {"lease-time": theirs})
        due_ms = small.store.records.now_ms() + DUE_MS
        moment_text = datetime.fromtimestamp(due_ms / 1000, UTC).isoformat()
        address = {"mode": "static", "ipv4": builders.ipv4(99)}
        change = builders.event(
            "address_changed", "SVC-1", revision=2, address=address, effective_at=moment_text
        )
        small.say(change)
        killed(small, monkeypatch, moment)
        assert small.record().placements["R1"].short.before == theirs
        small.drain()
        assert small.rows("R1")[0]["lease-time"] == "1s"

        def has(lease_time):
            small.accept.release(small.store.schedule.take(10))
            small.drain()
            (row,) = small.rows("R1")
            return (row["address"], row.get("lease-time", "")) == (address["ipv4"], lease_time)

        eventually(lambda: has("1s"), "it moved", within_s=20)
        assert small.outcome(change).startswith("applied")

        def is_over():
            small.accept.release(small.store.schedule.take(10))
            return small.due("R1")

        eventually(is_over, "the time is over", within_s=20)
        killed(small, monkeypatch, moment)
        eventually(lambda: has(theirs), "it is put back", within_s=20)
        at = small.record().placements["R1"]
        assert (at.short, "lease-time" in at.written) == (None, False)
