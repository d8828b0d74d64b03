"""A person's tags are written only where replicas know of them, if the settings say so."""

import pytest

from tests.builders import ipv4, mac
from tests.small_installation import SERVER, activated

pytestmark = [pytest.mark.redis, pytest.mark.router]

LEASE = "/ip/dhcp-server/lease"


def test_nothing_is_tagged_that_no_replica_confirms(world, leasewire, monkeypatch):
    row = {"mac-address": mac(1), "address": ipv4(1), "server": SERVER, "comment": "by hand"}
    world.r1.add_row(LEASE, row)
    world.say(activated("SVC-1", 1))
    monkeypatch.setenv("LEASEWIRE_REDIS_MIN_REPLICAS", "1")
    refused = leasewire("adopt", "R1", "--apply")
    assert refused.code == 3
    assert "0 of 1 replicas of Redis confirmed" in refused.err
    assert "try again" in refused.err
    assert [row["comment"] for row in world.r1.rows(LEASE)] == ["by hand"]
    monkeypatch.setenv("LEASEWIRE_REDIS_MIN_REPLICAS", "0")
    assert "1 rows adopted" in leasewire("adopt", "R1", "--apply").out
