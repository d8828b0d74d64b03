"""What the console shows of services with IPv6: their page, the lease table, and the search."""

import pytest

from tests.bindings import duid
from tests.builders import mac
from tests.console.noc import a_noc
from tests.console.test_services import ask, found, read
from tests.full_read.ipv6 import BINDINGS, prefix, row_of, stated, with_ipv6, with_server6
from tests.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def noc(console_at, tmp_path, monkeypatch):
    """R1 with a DHCPv6 server; SVC-1, whose device was learned, and SVC-2, whose was not seen."""
    monkeypatch.setenv("LEASEWIRE_CONNECT_TIMEOUT_S", "1")
    with a_noc(console_at, tmp_path) as noc:
        noc.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
        with_server6(noc.r1)
        noc.say(with_ipv6(1), with_ipv6(2))
        noc.work()
        noc.r1.device(mac(1), server="dhcp-vlan-32")
        noc.r1.device6(mac(1))
        noc.console.store.routers.add_work("R1", ["SVC-1"])
        noc.work()
        noc.r1.device6_renews(mac(1))
        yield noc


def test_the_page_of_a_service_says_why_and_compares_its_binding(noc):
    document = read(noc)
    assert document["why_ipv6"]["code"] == "all-well"
    compared = {row["field"]: row for row in document["compared"]}
    for field, value in (("address", prefix(1)), ("duid", duid(1)), ("iaid", "1")):
        row = compared[f"prefix {field}"]
        assert (row["wanted"], row["written"], row["read"]) == (value, value, value)
    page = noc.page("/service", id="SVC-1")
    assert page.count("all is well") == 2
    assert "DUID" in page
    noc.r1.set_row(BINDINGS, row_of(noc.r1, 1)[".id"], {"iaid": "9"})
    ask(noc, "/service", id="SVC-1", read="again")
    assert read(noc)["why_ipv6"]["code"] == "binding-differs"
    document = read(noc, "SVC-2")
    assert document["why_ipv6"]["code"] == "ipv6-client-unknown"
    assert "ipv6" in noc.page("/service", id="SVC-2")
    assert "prefix duid" not in {row["field"] for row in document["compared"]}


def test_a_service_is_found_by_its_prefix_an_address_in_it_and_the_duid(noc):
    noc.say(stated(3))
    eventually(lambda: ask(noc, "/services")["index"]["services"] == 3, "all are known")
    assert found(noc, prefix(1)) == ["SVC-1"]
    assert found(noc, "2001:db8:1:1ff::1") == ["SVC-1"]
    assert found(noc, duid(3)) == found(noc, duid(3).upper()[2:]) == ["SVC-3"]
    (row,) = ask(noc, "/services", q="SVC-2")["services"]
    assert row["prefix"] == prefix(2)
    assert prefix(2) in noc.page("/services", q="SVC-2")


def test_the_lease_table_has_the_bindings_and_is_searched_by_duid(noc):
    noc.r1.device6(mac(9))
    eventually(lambda: not ask(noc, "/router", id="R1")["reading"]["running"], "R1 was read")
    rows = ask(noc, "/router/leases", id="R1", find=duid(1))["rows"]
    assert [(row["address"], row["service"]) for row in rows] == [(prefix(1), "SVC-1")]
    rows = ask(noc, "/router/leases", id="R1", whose="unknown-device")["rows"]
    assert [row["duid"] for row in rows] == [duid(9)]
    page = noc.page("/router/leases", id="R1")
    assert f"DUID {duid(1)}, IAID 1" in page
    assert mac(1) in page
