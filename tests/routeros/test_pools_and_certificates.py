"""What the hourly report asks besides: how full pools are, until when a certificate is valid."""

from datetime import UTC, datetime, timedelta

import pytest

from simulator.testing import running
from tests.builders import mac
from tests.routeros.peers import config_for, settings
from worker.core.rows.pools import Pool
from worker.routeros.check import check_router
from worker.routeros.commands import Reply
from worker.routeros.reads import pools_of
from worker.routeros.transport import ends_ms

pytestmark = pytest.mark.router

SERVER = "dhcp-vlan-32"
DAY_MS = 86_400_000


def nothing():
    """No progress to tell."""


@pytest.mark.parametrize("version", ["6.49.17", "7.18.2", "7.24"])
def test_pools_are_counted_in_every_version(version, log_into):
    with running(seed_guide=True, version=version) as simulation:
        router = simulation.router
        for number in (1, 2, 3):
            router.device(mac(number), server=SERVER)
        router.add_row("/ip/pool", {"name": "more", "ranges": "10.0.0.0/29,10.0.1.1-10.0.1.2"})
        (row,) = [r for r in router.rows("/ip/pool") if r["name"] == "pool-vlan-32"]
        router.set_row("/ip/pool", row[".id"], {"next-pool": "more"})
        found = log_into(router).read_pools(nothing)
        assert found.pools == {"pool-vlan-32": Pool(155, 3, "more"), "more": Pool(10, 0)}
        assert found.servers == {SERVER: "pool-vlan-32"}


def test_pools_are_read_over_each_transport(router, log_into, transport):
    router.device(mac(1), server=SERVER)
    assert log_into(router, transport).read_pools(nothing).pools == {"pool-vlan-32": Pool(155, 1)}


def test_servers_without_a_pool_and_switched_off_ones_count_nothing():
    servers = [
        {"name": "a", "address-pool": "static-only"},
        {"name": "b", "address-pool": "p", "disabled": "true"},
        {"name": "c", "address-pool": "p", "disabled": "false"},
    ]
    odd = [{"name": "p", "ranges": "10.0.0.1"}, {"name": "q", "ranges": "what?"}]
    found = pools_of([Reply(odd), Reply([]), Reply(servers)])
    assert (found.pools, found.servers) == ({"p": Pool(1, 0)}, {"c": "p"})
    assert pools_of([Reply(), Reply(traps=["no such command"]), Reply()]) is None


@pytest.mark.parametrize("over", ["api-ssl", "rest"])
def test_a_session_knows_until_when_the_certificate_is_valid(router, log_into, over):
    now_ms = datetime.now(UTC).timestamp() * 1000
    ends = log_into(router, over).certificate_ends_ms
    assert 3_640 * DAY_MS < ends - now_ms < 3_660 * DAY_MS
    lines = check_router(config_for(router, over), settings(), datetime.now(UTC))
    (line,) = [each for each in lines if each.what == "certificate"]
    assert line.level == "ok"
    assert f"valid until {datetime.fromtimestamp(ends / 1000, UTC):%Y-%m-%d}" in line.detail
    late = datetime.fromtimestamp(ends / 1000, UTC) - timedelta(days=20)
    lines = check_router(config_for(router, over), settings(), late)
    assert [each.level for each in lines if each.what == "certificate"] == ["warn"]


def test_without_tls_or_with_a_certificate_that_is_none_it_is_not_known(router, log_into):
    assert log_into(router, "api").certificate_ends_ms == 0
    assert (ends_ms(b""), ends_ms(b"\x30\x03abc")) == (0, 0)


def test_a_session_that_is_always_busy_is_opened_anew_each_hour(router, sessions):
    all_of_them = sessions(config_for(router), idle_session_s=60)
    first = all_of_them.open("R1")
    all_of_them.give_back("R1", first)
    assert all_of_them.open("R1") is first
    first.opened_s -= 3_600
    all_of_them.give_back("R1", first)
    assert all_of_them.open("R1") is not first
