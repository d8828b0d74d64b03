"""Shapes and words of other menus than the lease, as recordings of real routers have them.

Each says whose: LAB is a CHR 7.23.7 over REST, NTC console sessions of real routers, TF and ANS the
samples and defaults of Terraform's and Ansible's modules, MAN the manual of 2026, RR trees of real
CHRs. README.md has the sources.
"""

import pytest

from simulator.control import ControlError
from simulator.testing import running

pytestmark = pytest.mark.router
QUEUE, POOL, LEASE = "/queue/simple", "/ip/pool", "/ip/dhcp-server/lease"
SERVER, LIST, RULES = "/ip/dhcp-server", "/ip/firewall/address-list", "/ip/firewall/filter"
MAC = "00:00:5E:00:53:0A"


@pytest.fixture
def newest():
    with running(version="7.23.3", seed_guide=True) as sim:
        yield sim.router


def bound(router, mac=MAC, address="223.203.225.10", **fields):
    """A static lease that its device has."""
    row_id = router.add_row(LEASE, {"mac-address": mac, "address": address, **fields})
    assert router.device(mac)["kind"] == "ack"
    return row_id


def refused(router, menu, values, words, verb="add"):
    with pytest.raises(ControlError) as raised:
        router.run(f"{menu}/{verb}", values)
    assert str(raised.value) == words


# --- the queue of a lease ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        # a recorded lease with bursts; times without a unit are seconds
        (
            "350k/1200k 360k/1500k 128k/750k 180/180",
            {
                "max-limit": "350000/1200000",
                "limit-at": "350000/1200000",
                "burst-limit": "360000/1500000",
                "burst-threshold": "128000/750000",
                "burst-time": "3m/3m",
                "priority": "8/8",
            },
        ),
        # what is left out: one rate is both, thresholds are the rates, the time is 1s (MAN)
        (
            "5M 10M",
            {
                "max-limit": "5000000/5000000",
                "burst-limit": "10000000/10000000",
                "burst-threshold": "5000000/5000000",
                "burst-time": "1s/1s",
            },
        ),
        ("5M/20M", {"burst-limit": "0/0", "burst-threshold": "0/0", "burst-time": "0s/0s"}),
        # priority and minimum, documented for RADIUS, are passed on leases by ISPs' tools
        (
            "5M/20M 0/0 0/0 0/0 3 1M/2M",
            {"max-limit": "5000000/20000000", "limit-at": "1000000/2000000", "priority": "3/3"},
        ),
    ],
)
def test_the_queue_of_a_lease_has_all_parts_of_its_rate(router, rate, shown):
    bound(router, **{"rate-limit": rate})
    (queue,) = router.rows(QUEUE)
    assert queue.items() >= shown.items()


@pytest.mark.parametrize(
    "rate", ["fast", "5M/20M/1M", "5M/20M 1 2 3 9", "5T", "-1M", "5M 1 1 soon"]
)
def test_a_rate_of_no_form_is_refused(router, rate):
    words = "invalid value for argument rate-limit"  # the manual has the form, nobody the words
    refused(router, LEASE, {"address": "10.0.0.1", "rate-limit": rate}, words)


def test_the_queue_of_a_lease_is_put_where_lease_or_server_say(router):
    """First of all without a word, so that it shadows static ones (MAN: strict order)."""
    for name in ("a", "b"):
        router.add_row(QUEUE, {"name": name, "target": "10.0.0.1"})
    router.add_row("/queue/type", {"name": "sfq-lease", "kind": "sfq"})

    def order():
        return [row["name"].removeprefix("dhcp-ds") for row in router.rows(QUEUE)]

    def device(n, **fields):
        mac = f"00:00:5E:00:53:{n:02X}"
        fields = {"rate-limit": "1M", **fields}
        bound(router, mac, f"223.203.225.{n}", **fields)
        return f"<{mac}>"

    first = device(1)
    assert order() == [first, "a", "b"]
    second = device(2)
    assert order() == [second, first, "a", "b"]
    last = device(3, **{"insert-queue-before": "bottom"})
    assert order()[-1] == last
    between = device(4, **{"insert-queue-before": "b"})
    assert order() == [second, first, "a", between, "b", last]
    (server,) = router.rows(SERVER)
    more = {"insert-queue-before": "b", "parent-queue": "a"}
    router.set_row(SERVER, server[".id"], more)
    by_server = device(5, **{"queue-type": "sfq-lease"})
    assert order()[order().index("b") - 1] == by_server
    (row,) = [row for row in router.rows(QUEUE) if row["name"].endswith(by_server)]
    assert (row["parent"], row["queue"]) == ("a", "sfq-lease/sfq-lease")
    of_the_lease = device(6, **{"parent-queue": "none", "insert-queue-before": "first"})
    assert order()[0] == of_the_lease
    assert router.rows(QUEUE)[0]["parent"] == "none"


# --- simple queues -------------------------------------------------------------------------------


def test_a_queue_has_the_counters_that_a_real_one_has(router):
    """TF: `rate` is `0/0`, not `0bps/0bps`; RR 7.21.5 has the names."""
    router.add_row(QUEUE, {"target": "10.0.0.1"})
    (row,) = router.rows(QUEUE)
    pairs = ("rate", "dropped", "packet-rate", "queued-bytes", "queued-packets", "pcq-queues")
    assert [row[name] for name in pairs] == ["0/0"] * 6
    totals = ("total-rate", "total-bytes", "total-packets", "total-dropped")
    assert [row[name] for name in totals] == ["0"] * 4


def test_a_queue_is_refused_with_the_recorded_message(sim, connect):
    """A public client's recorded traps: they come without a category."""
    raw = connect(sim)
    add = (f"{QUEUE}/add", "=target=10.0.0.1")
    assert raw.talk(*add, "=name=a")[-1][0] == "!done"
    for more, words in (
        (("=name=a",), "failure: already have such name"),
        (("=parent=nobody",), "input does not match any value of parent"),
        (
            ("=limit-at=2M/1M", "=max-limit=1M/1M"),
            "failure: upload-max-limit less than upload-limit",
        ),
        (
            ("=limit-at=1M/2M", "=max-limit=1M/1M"),
            "failure: download-max-limit less than download-limit",
        ),
    ):
        assert raw.talk(*add, *more)[0] == ["!trap", f"=message={words}"]
    # no limit is no smaller one; many queues of one target are no mistake
    assert raw.talk(*add, "=limit-at=2M/2M", "=parent=a")[-1][0] == "!done"
    assert raw.talk(*add, "=queue=nothing/nothing")[0][0] == "!trap"
    assert raw.talk(*add, "=queue=default-small/pcq-download-default")[-1][0] == "!done"


# --- pools ---------------------------------------------------------------------------------------


def test_a_pool_is_refused_with_the_recorded_message(sim, connect):
    """The same recordings: one without, the other with a category."""
    raw = connect(sim)
    taken = raw.talk(f"{POOL}/add", "=name=pool-vlan-32", "=ranges=10.0.0.1-10.0.0.2")
    assert taken[0] == ["!trap", "=message=failure: pool with such name exists"]
    bad = raw.talk(f"{POOL}/add", "=name=p", "=ranges=10.0.0.1-x")
    words = "value of range must have ip address after '-'"
    assert bad[0] == ["!trap", "=category=1", f"=message={words}"]


# --- DHCP servers --------------------------------------------------------------------------------


def test_a_dhcp_server_of_7_23_has_exactly_these_fields(newest):
    """LAB; FN 7.24.4 has no `authoritative` at its default either."""
    (row,) = newest.rows(SERVER)
    assert set(row) == {
        *(".id", "name", "interface", "address-pool", "lease-time", "lease-script"),
        *("address-lists", "add-dns-entries-suffix", "dynamic-lease-identifiers"),
        *("support-broadband-tr101", "use-radius", "use-reconfigure"),
        *("disabled", "dynamic", "invalid"),
    }
    assert row["add-dns-entries-suffix"] == "lan"
    newest.set_row(SERVER, row[".id"], {"authoritative": "no", "comment": "c"})
    (row,) = newest.rows(SERVER)
    assert (row["authoritative"], row["comment"]) == ("no", "c")
    with pytest.raises(ControlError, match="invalid value for argument add-dns-entries-suffix"):
        newest.set_row(SERVER, row[".id"], {"add-dns-entries-suffix": ""})  # MAN: never empty


def test_an_older_one_says_that_it_is_authoritative(router):
    """ANS: readable with its default `yes`."""
    (row,) = router.rows(SERVER)
    assert (row["authoritative"], "add-dns-entries-suffix" in row) == ("yes", False)


def test_a_server_on_an_interface_without_address_is_invalid_and_silent(newest):
    """MAN. RR: the property `.about`, shown with a warning alone; its words are assumed."""
    (row,) = newest.rows(SERVER)
    assert (row["invalid"], ".about" in row) == ("false", False)
    (address,) = newest.rows("/ip/address")
    newest.remove_row("/ip/address", address[".id"])
    (row,) = newest.rows(SERVER)
    assert (row["invalid"], "address" in row[".about"]) == ("true", True)
    assert newest.device(MAC)["kind"] == "none"
    again = {"address": "10.0.0.1/24", "interface": "vlan-32"}
    newest.add_row("/ip/address", again)
    assert newest.rows(SERVER)[0]["invalid"] == "false"
    assert newest.device(MAC)["kind"] == "ack"


def test_of_two_servers_on_an_interface_the_second_is_invalid(router):
    """One server an interface for clients that are there themselves (MAN); a relay's is another."""
    router.add_row(SERVER, {"name": "second", "interface": "vlan-32"})
    router.add_row(SERVER, {"name": "relayed", "interface": "vlan-32", "relay": "192.0.2.1"})
    shown = {row["name"]: row["invalid"] for row in router.rows(SERVER)}
    assert shown == {"dhcp-vlan-32": "false", "second": "true", "relayed": "false"}
    router.run(f"{SERVER}/disable", {".id": "dhcp-vlan-32"})
    assert {row["name"]: row["invalid"] for row in router.rows(SERVER)}["second"] == "false"


# --- firewall ------------------------------------------------------------------------------------


def test_a_rule_shows_what_was_written(router):
    """LAB: `log`, `log-prefix` and `disabled` are absent else."""
    plain = router.add_row(RULES, {"chain": "input"})
    said = {"log": "no", "log-prefix": "x", "disabled": "no"}
    notified = router.add_row(RULES, {"chain": "input", **said})
    rows = {row[".id"]: row for row in router.rows(RULES)}
    assert not said.keys() & rows[plain].keys()
    shown = [rows[notified][name] for name in said]
    assert shown == ["false", "x", "false"]
    router.run(f"{RULES}/disable", {".id": plain})
    assert router.rows(RULES)[0]["disabled"] == "true"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("203.0.113.77/24", "203.0.113.0/24"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0-203.0.113.255", "203.0.113.0/24"),
        ("203.0.113.5-203.0.113.9", "203.0.113.5-203.0.113.9"),
        ("203.0.113.5-203.0.113.5", "203.0.113.5"),
        # no address is a name, without an error
        ("203.0.113.1-254", "203.0.113.1-254"),
        ("shop.example", "shop.example"),
        ("300.1.1.1", "300.1.1.1"),
    ],
)
def test_an_address_of_a_list_is_kept_so(router, written, kept):
    """MAN."""
    router.add_row(LIST, {"list": "a", "address": written})
    assert [row["address"] for row in router.rows(LIST)] == [kept]
    refused(router, LIST, {"list": "a", "address": written}, "failure: already have such entry")


def test_a_dynamic_row_stands_beside_a_disabled_static_one(router):
    """NTC: the same list and address, `X` and `D`."""
    same = {"list": "a", "address": "223.203.225.10"}
    router.add_row(LIST, {**same, "disabled": "yes"})
    router.add_row(LIST, {**same, "timeout": "1h"})
    assert [row["dynamic"] for row in router.rows(LIST)] == ["false", "true"]
    refused(router, LIST, {**same, "timeout": "1h"}, "failure: already have such entry")
    refused(router, LIST, same, "failure: already have such entry")


def test_so_does_the_row_of_a_lease(router):
    same = {"list": "a", "address": "223.203.225.10"}
    static = router.add_row(LIST, {**same, "disabled": "yes"})
    lease = bound(router, **{"address-lists": "a"})
    assert len(router.rows(LIST)) == 2
    router.remove_row(LEASE, lease)
    router.run(f"{LIST}/enable", {".id": static})
    bound(router, **{"address-lists": "a"})
    assert [row[".id"] for row in router.rows(LIST)] == [static]


# --- small ones ----------------------------------------------------------------------------------


def test_what_is_always_there(router):
    """LAB."""
    router.add_row("/ip/dns/static", {"name": "a.example", "address": "10.0.0.1"})
    (row,) = router.rows("/ip/dns/static")
    assert (row["type"], row["ttl"]) == ("A", "1d")
    assert router.rows("/system/clock")[0]["dst-active"] == "false"
    router.device(MAC)
    assert all(row["extra-info"] == "" for row in router.rows("/log"))


@pytest.mark.parametrize(
    ("menu", "values"),
    [("/ip/service", None), ("/log", None), ("/system/scheduler", {"name": "s"})],
)
def test_the_first_id_of_these_is_0(router, menu, values):
    """LAB."""
    if values:
        router.add_row(menu, values)
    router.device(MAC)
    assert router.rows(menu)[0][".id"] == "*0"


def test_a_dynamic_bound_lease_has_an_age(newest):
    """NTC: sessions of a version with `class-id`; no static row there has one."""
    newest.device(MAC)
    static = bound(newest, "00:00:5E:00:53:0B")
    ages = {row[".id"]: "age" in row for row in newest.rows(LEASE)}
    (dynamic,) = ages.keys() - {static}
    assert ages == {dynamic: True, static: False}
    newest.run(f"{LEASE}/make-static", {"numbers": dynamic})
    assert not any("age" in row for row in newest.rows(LEASE))


def test_no_older_one_has(router):
    with running(version="7.15.3", seed_guide=True) as sim:
        sim.router.device(MAC)
        assert "age" not in sim.router.rows(LEASE)[0]
