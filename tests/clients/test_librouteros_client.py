"""librouteros as its users write it, sync and async, plain and TLS."""

import asyncio
import ssl
from functools import partial

import pytest
from librouteros import async_connect, connect
from librouteros.exceptions import TrapError
from librouteros.query import And, Key, Or

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"
ROW = {"mac-address": "00:00:5E:00:53:01", "address": "223.203.225.10", "comment": "Zürich"}


@pytest.fixture(params=["api", "api-ssl"])
def api(sim, request):
    router = sim.router
    more = {"port": router.api_port}
    if request.param == "api-ssl":
        context = ssl.create_default_context(cadata=router.certificate_pem)
        more = {
            "port": router.api_ssl_port,
            "ssl_wrapper": partial(context.wrap_socket, server_hostname=router.host),
        }
    client = connect(router.host, sim.user, sim.password, encoding="utf-8", **more)
    yield client
    client.close()


def test_add_query_change_duplicate_remove(api):
    leases = api.path(LEASE)
    row_id = leases.add(**ROW)
    assert row_id.startswith("*")
    (row,) = list(leases.select("comment", "mac-address").where(Key("address") == ROW["address"]))
    assert row == {"comment": "Zürich", "mac-address": ROW["mac-address"]}
    leases.update(**{".id": row_id, "comment": "other", "disabled": True})
    (row,) = list(leases)
    assert (row["comment"], row["disabled"]) == ("other", True)
    leases.update(**{".id": row_id, "disabled": False})
    with pytest.raises(TrapError, match="already have static lease for this client"):
        leases.add(**ROW)
    with pytest.raises(TrapError, match="does not match any value of server") as caught:
        leases.add(server="nowhere")
    assert caught.value.category == 1
    second = leases.add(address="223.203.225.11")
    key = Key("address")
    both = Or(key == "223.203.225.10", key == "223.203.225.11")
    named = And(both, Key("comment") == "other")
    assert len(list(leases.select(".id").where(both))) == 2
    assert len(list(leases.select(".id").where(named))) == 1
    assert len(list(leases.select(".id").where(key.In("223.203.225.10", "1.1.1.1")))) == 1
    assert len(list(leases.select(".id").where(Key("disabled") == False))) == 2  # noqa: E712 - the query language
    leases.remove(row_id, second)
    assert list(leases) == []


def test_the_async_client_does_the_same(sim):
    async def story():
        api = await async_connect(
            sim.router.host, sim.user, sim.password, port=sim.router.api_port, encoding="utf-8"
        )
        leases = api.path(LEASE)
        row_id = await leases.add(**ROW)
        rows = [row async for row in leases]
        await leases.update(**{".id": row_id, "comment": "other"})
        with pytest.raises(TrapError, match="already have static lease"):
            await leases.add(**ROW)
        await leases.remove(row_id)
        left = [row async for row in leases]
        await api.close()
        return rows, left

    rows, left = asyncio.run(story())
    assert [row["comment"] for row in rows] == ["Zürich"]
    assert left == []


def test_a_wrong_password_is_told(sim):
    with pytest.raises(TrapError, match=r"invalid user name or password \(6\)"):
        connect(sim.router.host, sim.user, "wrong", port=sim.router.api_port)
