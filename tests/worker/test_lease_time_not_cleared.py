"""A router that refuses an empty lease time gets that of its DHCP server: no lease stays short."""

import pytest

from tests.builders import activated, ipv4, mac
from tests.worker.memory_router import MemoryRouter
from worker.convergence.router_pass import Converge
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Set
from worker.core.service.record_parts import ShortLease
from worker.ports import Refusal
from worker.store.commits import ServiceCommit

pytestmark = pytest.mark.redis


class Strict(MemoryRouter):
    """It takes no empty lease time."""

    def _apply(self, operation):
        if isinstance(operation, Set) and operation.fields.get("lease-time") == "":
            return Refusal("refused", "invalid value for argument lease-time")
        return super()._apply(operation)


@pytest.mark.parametrize(("router", "then"), [(MemoryRouter(), ""), (Strict(), "1h")])
def test_a_lease_time_that_cannot_be_cleared_becomes_that_of_the_server(desk, router, then):
    converge = Converge(desk.store, router, {"R1": RouterPolicy("acme", "dhcp1")})
    desk.send(activated(mac=mac(1), ipv4=ipv4(10)))
    converge.run("R1")
    (row,) = router.tables.rows()
    router.tables.apply(Set(0, "SVC-1", row.id, {"lease-time": "2m"}, {}))
    stored = desk.store.records.read(["SVC-1"])["SVC-1"]
    at = stored.record.placements["R1"]._replace(short=ShortLease("2m", 0, 3_600, ""))
    record = stored.record._replace(placements={"R1": at})
    commit = ServiceCommit("SVC-1", stored.generation, record, work_items={"R1": 0})
    assert desk.store.records.commit([commit], desk.store.records.now_ms()).done == [True]
    converge.run("R1")
    (row,) = router.tables.rows()
    assert row.fields["lease-time"] == then
    at = desk.record().placements["R1"]
    assert (at.short, "lease-time" in at.written) == (None, False)
    assert not desk.dead_letters
    assert not desk.queued()
