"""The core of what we do with a router, on every version that there is a recording of."""

import pytest

from simulator.schema import recorded_versions
from simulator.testing import running
from tests.routeros.peers import LEASE, SERVER, add, nothing
from worker.core.rows.operations import MakeStatic, Remove, Set
from worker.errors import RouterBlocked
from worker.ports import LeaseQuery

pytestmark = pytest.mark.router

NEWEST = recorded_versions()[-1]


@pytest.mark.parametrize(
    ("version", "transport"),
    [
        *((version, "api-ssl") for version in ("6.48.6", "7.1.5", *recorded_versions())),
        ("7.1.5", "rest"),
        (NEWEST, "rest"),
    ],
)
def test_what_is_written_is_found(log_into, version, transport):
    with running(seed_guide=True, version=version, rest_port=0) as sim:
        router = sim.router
        leased = router.device("00:00:5E:00:53:99", server=SERVER)["row_id"]
        session = log_into(router, transport)
        assert session.version == version
        first = session.write([add(1), add(2), add(3), MakeStatic(4, "S-4", leased)], nothing)
        assert [each.refusal for each in first] == [None] * 4
        ids = {row["address"]: row[".id"] for row in router.rows(LEASE)}
        second = session.write(
            [
                Set(1, "S-1", ids["198.51.100.1"], {"mac-address": "00:00:5E:00:53:07"}, {}),
                Remove(2, "S-2", ids["198.51.100.2"], {}),
                add(3),
            ],
            nothing,
        )
        kinds = [each.refusal.kind if each.refusal else None for each in second]
        assert kinds == [None, None, "stale"]
        query = LeaseQuery(
            devices=frozenset({"00:00:5E:00:53:07", "00:00:5E:00:53:99"}),
            addresses=frozenset({"198.51.100.2"}),
            comments=frozenset({"leasewire:acme:S-3"}),
        )
        found = {lease.device: lease for lease in session.read_leases(query, nothing)}
        assert found.keys() == {"00:00:5E:00:53:07", "00:00:5E:00:53:99", "00:00:5E:00:53:03"}
        assert found["00:00:5E:00:53:07"].address == "198.51.100.1"
        assert not found["00:00:5E:00:53:99"].dynamic
        assert session.read_setup(fresh=True).servers == {SERVER}
        session.close()


def test_a_version_without_rest_calls_a_person(log_into):
    with running(version="6.48.6", rest_port=0) as sim, pytest.raises(RouterBlocked) as raised:
        log_into(sim.router, "rest")
    assert raised.value.message == "it has no REST (status 404)"
    assert "transport api-ssl" in raised.value.advice
