"""Bindings that were on a router before us: `leasewire adopt`, and the services made of them."""

from datetime import UTC, datetime

import pytest

from leasewire.routers.adopt_services import events_of_rows, folded
from producers.connection import open_publisher
from tests.bindings import binding, duid
from tests.builders import ipv4, lease, mac
from tests.full_read.ipv6 import BINDINGS, prefix, row_of, with_ipv6, with_server6
from worker.core.full_read.adoption import SortedRow
from worker.core.policy.policy import RouterPolicy

pytestmark = [pytest.mark.redis, pytest.mark.router]


def by_hand(router, number, **fields):
    row = {"address": prefix(number), "duid": duid(number), "iaid": "1", "comment": "by hand"}
    return router.run(f"{BINDINGS}/add", row | fields)


def test_bindings_are_tagged_and_then_as_the_services_want_them(world, leasewire):
    router = world.r1
    with_server6(router)
    by_hand(router, 1)
    by_hand(router, 2, address="2001:db8:9::/56")  # found by the MAC in its DUID
    by_hand(router, 3)  # of no service
    by_hand(router, 4, address="2001:db8:1:480::/58")  # inside the prefix of SVC-4
    world.say(with_ipv6(1), with_ipv6(2), with_ipv6(4))
    router.run(f"{BINDINGS}/set", {"numbers": "*4", "duid": "0x00020000ab11"})
    found = leasewire("adopt", "R1", "--json").document
    assert found["counts"] == {"ours": 0, "adopt": 2, "conflict": 1, "foreign": 1, "differing": 1}
    rows = {row["address"]: row for row in found["rows"]}
    assert rows[prefix(1)]["duid"] == duid(1)
    assert rows["2001:db8:9::/56"]["service"] == "SVC-2"
    assert "overlaps the prefix of SVC-4" in rows["2001:db8:1:480::/58"]["reason"]
    before = len(router.journal())
    done = leasewire("adopt", "R1", "--apply")
    assert "2 rows adopted" in done.out
    written = router.journal()[before:]
    assert [sorted(entry["arguments"]) for entry in written] == [["comment", "numbers"]] * 2
    assert row_of(router, 1)["comment"] == "leasewire:acme:SVC-1 by hand"
    world.drain()
    assert row_of(router, 1)["address"] == prefix(1)
    assert (row_of(router, 2)["address"], row_of(router, 2)["duid"]) == (prefix(2), duid(2))
    assert len(router.rows(BINDINGS)) == 4


@pytest.fixture
def made(valkey, prefix, store):
    """Makes services of leases and bindings."""
    with open_publisher(valkey.url, clock=lambda: datetime.now(UTC), prefix=prefix) as publisher:

        def make(leases, bindings):
            rows = [SortedRow(row, "foreign") for row in leases]
            events = events_of_rows(
                rows, bindings, "R1", RouterPolicy("acme"), publisher=publisher, actor="eva"
            )
            return {record.value("mac"): record for record in folded(store, events, {})}

        yield make


def test_a_service_made_of_a_lease_gets_the_ipv6_of_its_device(made):
    leases = [lease(f"*{n}", mac=mac(n), address=ipv4(n)) for n in range(1, 6)]
    bindings = [
        binding("*1", 1, address="2001:db8:1::/56"),
        binding("*2", 1, address="2001:db8::5/128", ia_type="na"),
        binding("*3", 2, address="2001:db8:2::/56", dynamic=True),
        binding("*4", 3, address="2001:db8:3::/56", iaid="1"),
        binding("*5", 3, address="2001:db8:4::/56", iaid="2"),  # which of both?
        binding("*6", 4, address="2001:db8:5::/56", comment="leasewire:other:X"),
        binding("*7", 5, address="2001:db8:6::/80"),  # longer than a service may have
    ]
    records = made(leases, bindings)
    assert records[mac(1)].value("ipv6") == {
        "prefix": {"mode": "static", "ipv6": "2001:db8:1::/56"},
        "address": "2001:db8::5",
    }
    client = (records[mac(1)].value("duid"), records[mac(1)].value("iaid"))
    assert client == (duid(1).removeprefix("0x"), 1)
    assert [records[mac(n)].value("ipv6") for n in range(2, 6)] == [None] * 4
