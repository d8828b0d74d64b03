"""A purged service leaves a hash of its id, and nothing that names it."""

import pytest

from tests import builders
from worker.store.purge import hashed

pytestmark = [pytest.mark.redis, pytest.mark.router]


def texts(client, prefix):
    """Every key and all that is in it, as one text."""
    found = []
    for key in client.scan_iter(f"{prefix}*"):
        found.append(key)
        match client.type(key):
            case "string":
                found.append(client.get(key))
            case "hash":
                found.append(str(client.hgetall(key)))
            case "list":
                found.append(str(client.lrange(key, 0, -1)))
            case "set":
                found.append(str(client.smembers(key)))
            case "zset":
                found.append(str(client.zrange(key, 0, -1)))
            case "stream":
                found.append(str(client.xrange(key)))
    return " ".join(found)


def test_a_cancelled_service_is_forgotten_wholly(world, leasewire, client, prefix):
    world.say(
        builders.activated("SVC-77", server="dhcp-vlan-32", ipv4="223.203.225.10"),
        builders.activated(
            "SVC-8", server="dhcp-vlan-32", ipv4="223.203.225.11", mac=builders.mac(8)
        ),
        builders.event("mac_changed", "SVC-77", revision=2, mac="no MAC"),
    )
    world.converge.run("R1")
    refused = leasewire("services", "purge", "SVC-77", "--yes")
    assert (refused.code, "cancel it first" in refused.err) == (1, True)
    world.say(builders.cancelled("SVC-77"))
    refused = leasewire("services", "purge", "SVC-77", "--yes")
    assert (refused.code, "may still have a row on R1" in refused.err) == (1, True)
    world.converge.run("R1")
    late = builders.resumed("SVC-77", revision=9)
    world.context.publisher().publish([late])
    done = leasewire("services", "purge", "SVC-77", "--yes", "--actor", "maria")
    assert done.code == 0, done.err
    assert "dead letters 1" in done.out
    assert "journal 1" in done.out
    left = texts(client, prefix)
    assert "SVC-77" not in left
    assert "SVC-8" in left
    assert hashed("SVC-77") in left
    (entry,) = world.context.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == ("maria", "service.purged", hashed("SVC-77"))
    assert leasewire("services", "purge", "SVC-77", "--yes").code == 1
