"""`leasewire pools`: how full pools are, who has what, and the end of a quarantine."""

import pytest

from leasewire.context import Context
from tests import builders
from tests.worker.assigning_desk import AssigningDesk
from worker.store.samples import POOLS_EVERY_MS
from worker.watching.pool_watch import check_pools

pytestmark = pytest.mark.redis

INVENTORY = f"""\
[installation]
id = "acme"
[defaults]
username = "leasewire"
password_file = "secret"
dhcp_server = "dhcp1"
[routers.R1]
host = "192.0.2.1"
fingerprint = "{"00" * 32}"
[sources."{builders.SOURCE}"]
order = "revisions"
[pools.home]
ranges = ["198.51.100.0/28"]
exclude = ["198.51.100.11-198.51.100.14"]
[pools.edge6]
ranges = ["2001:db8:100::/54"]
prefix_length = 56
known_as = "home6"
routers = ["R*"]
"""


@pytest.fixture
def desk(valkey, prefix, tmp_path, monkeypatch):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    (tmp_path / "secret").write_text("none")
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    context = Context(tmp_path / "routers.toml")
    yield AssigningDesk(context.store, *context.inventory.pools.pools.values())
    context.store.client.close()


def prefix_of(pool):
    return {"prefix": {"mode": "assigned", "pool": pool}}


def test_each_pool_is_listed_with_what_is_left_of_it(desk, leasewire):
    desk.activate(1, 2, ipv6=prefix_of("home6"))
    desk.converge()
    desk.tell("cancelled", 2)
    desk.converge()
    answer = leasewire("pools", "list", "--json")
    assert answer.code == 0, answer.err
    edge, home = answer.document["pools"]
    assert edge == {
        "pool": "edge6",
        "kind": "prefix",
        "known_as": "home6",
        "routers": ["R*"],
        "prefix_length": 56,
        "size": 4,
        "given": 1,
        "quarantine": 1,
        "free": 2,
        "waiting": 0,
        "used_percent": 50.0,
        "days_left": None,
    }
    assert (home["size"], home["given"], home["free"]) == (10, 1, 8)
    assert "KNOWN AS" in leasewire("pools", "list").out


def test_a_pool_is_shown_with_who_has_what_and_who_waits(desk, leasewire):
    desk.activate(*range(1, 12))
    desk.converge()
    desk.tell("cancelled", 4)
    desk.converge()
    document = leasewire("pools", "show", "home", "--json").document
    assert document["ranges"] == ["198.51.100.1-198.51.100.14"]
    assert document["exclude"] == ["198.51.100.11-198.51.100.14"]
    assert [value["state"] for value in document["values"]] == ["given"] * 9 + ["quarantine"]
    assert document["values"][-1]["value"] == "198.51.100.4"
    assert [waiting["service"] for waiting in document["waiting_services"]] == ["SVC-11"]
    few = leasewire("pools", "show", "home", "--values", "2", "--skip", "1", "--json").document
    assert (few["values"], few["more"]) == (document["values"][1:3], True)
    text = leasewire("pools", "show", "home", "--values", "2").out
    assert "SVC-11" in text
    assert "There are more" in text
    unknown = leasewire("pools", "show", "office")
    assert unknown.code == 1
    assert "There is no pool office in the inventory; pools: edge6, home." in unknown.err


def test_a_person_ends_a_quarantine_and_nothing_else(desk, leasewire):
    desk.activate(1)
    desk.converge()
    held = leasewire("pools", "free", "home", "198.51.100.1", "--apply")
    assert held.code == 1
    assert "service SVC-1 has 198.51.100.1" in held.err
    desk.tell("cancelled", 1)
    assert (
        "its row may still be on a router" in leasewire("pools", "free", "home", "198.51.100.1").err
    )
    desk.converge()
    asked = leasewire("pools", "free", "home", "198.51.100.1")
    assert asked.code == 4
    assert "in quarantine until" in asked.out
    assert desk.use().quarantine == 1
    done = leasewire("pools", "free", "home", "198.51.100.1", "--apply", "--actor", "ann", "--json")
    assert done.document["freed"] is True
    assert desk.use().quarantine == 0
    (entry,) = desk.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == ("ann", "pool.value_freed", "198.51.100.1")
    assert "is free already" in leasewire("pools", "free", "home", "198.51.100.1").out
    for wrong in ("198.51.100.12", "198.51.100.0/29", "2001:db8::/56", "any"):
        said = leasewire("pools", "free", "home", wrong).err
        assert f"{wrong} is no value of pool home" in said


def test_an_alert_opens_before_a_pool_is_full(desk):
    def alerts():
        check_pools(desk.store, desk.pools)
        return {alert.subject: alert.text for alert in desk.store.alerts.all_open()}

    desk.activate(*range(1, 9))
    assert alerts() == {}
    desk.activate(9)
    assert alerts() == {"home": "pool home: 9 of 10 values are used (90%)"}
    desk.activate(10, 11)
    assert alerts()["home"].endswith("10 of 10 values are used (100%), 1 service waits for one")
    desk.tell("cancelled", 11)
    for number in (9, 10):
        desk.tell("cancelled", number)
    desk.end_quarantines()
    desk.converge()
    desk.end_quarantines()
    assert "home" in alerts(), "it stays until below 80 %"
    desk.tell("cancelled", 8)
    desk.converge()
    desk.end_quarantines()
    assert alerts() == {}


def test_the_use_of_a_pool_is_noted_each_hour(desk, leasewire):
    now_ms = desk.store.records.now_ms() - 13 * POOLS_EVERY_MS
    for hour in range(13):
        desk.activate(hour + 1) if hour < 5 else None
        usage = desk.store.pools.use(desk.pools, now_ms)
        desk.store.samples.note_pools(usage, now_ms + hour * POOLS_EVERY_MS)
        desk.store.samples.note_pools(usage, now_ms + hour * POOLS_EVERY_MS + POOLS_EVERY_MS - 1)
    document = leasewire("pools", "show", "home", "--json").document
    given = [sample["given"] for sample in document["samples"]]
    assert given == [1, 2, 3, 4, 5, *([5] * 8), 5]
    assert 0 < document["days_left"] < 2
    assert "MOST GIVEN" in leasewire("pools", "show", "home").out


def test_a_preview_of_an_import_says_who_gets_which_address_and_who_waits(
    desk, leasewire, tmp_path
):
    desk.activate(1)
    heading = "service_id,router,mac,ipv4,assigned_pool,assigned_ipv6_pool\n"
    rows = [
        f"S-1,R1,{builders.mac(11)},198.51.100.1,home,",
        f"S-2,R1,{builders.mac(12)},198.51.100.2,home,",
        f"S-3,R1,{builders.mac(13)},198.51.100.2,home,",
        f"S-4,R1,{builders.mac(14)},203.0.113.4,home,",
        f"S-5,R1,{builders.mac(15)},,office,",
        f"S-6,R1,{builders.mac(16)},198.51.100.6,,home6",
    ]
    rows += [f"S-{n},R1,{builders.mac(n)},,home," for n in range(21, 29)]
    (tmp_path / "s.csv").write_text(heading + "\n".join(rows) + "\n")
    shown = leasewire("import", "s.csv", "--json").document
    assert shown["counts"] == {"new": 14}
    assert sorted(shown["warnings"]) == [
        "S-1: service SVC-1 has 198.51.100.1 of pool home: it gets another one",
        "S-2 and S-3 both ask for 198.51.100.2: one gets another",
        "S-4: 203.0.113.4 is not in pool home: it gets another one",
        "no pool of the inventory is known as office on router R1: 1 service would wait for it",
        "pool home: 12 services would need a value, 9 are free: 3 services would wait",
    ]
    assert desk.use().given == 1
