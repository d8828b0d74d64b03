"""A session with a router that works: what is written stands there, what stands there is read."""

import pytest

from simulator.testing import running
from tests.routeros.peers import LEASE, SERVER, Client, add, nothing, peer
from worker.core.rows.operations import Add, MakeStatic, Move, Remove, Set
from worker.core.rows.queues import OwnQueue, queue_fields
from worker.core.rows.rows import QUEUES
from worker.errors import LockLost, RouterUnreachable
from worker.ports import FieldEquals, LeaseQuery, Refusal

pytestmark = pytest.mark.router


@pytest.fixture
def session(log_into, router, transport):
    return log_into(router, transport)


def test_the_router_is_known_after_login(session, router):
    assert (session.identity, session.version) == (router.identity, router.version)
    assert session.serial == router.serial


def test_operations_change_the_rows(session, router):
    by_hand = router.device("00:00:5E:00:53:99", server=SERVER)["row_id"]
    written = session.write([add(1), add(2), add(3)], nothing)
    assert [each.refusal for each in written] == [None] * 3
    ids = {row["address"]: row[".id"] for row in router.rows(LEASE)}
    one, two = ids["198.51.100.1"], ids["198.51.100.2"]
    new = {"mac-address": "00:00:5E:00:53:07", "client-id": "", "block-access": "yes"}
    operations = [
        Set(1, "S-1", one, new, {}),
        Remove(2, "S-2", two, {}),
        MakeStatic(3, "S-9", by_hand),
    ]
    assert [each.operation for each in session.write(operations, nothing)] == operations
    rows = {lease.address: lease for lease in session.read_leases(None, nothing)}
    assert "198.51.100.2" not in rows
    assert rows["198.51.100.1"].fields.items() >= new.items()
    assert rows["198.51.100.1"].comment == "leasewire:acme:S-1"
    (made,) = (lease for lease in rows.values() if lease.device == "00:00:5E:00:53:99")
    assert (made.id, made.dynamic) == (by_hand, False)


def test_queues_are_added_in_place_moved_and_read_in_order(session, router):
    site = router.add_row(QUEUES, {"name": "site", "target": "198.51.100.0/24"})
    rate = "10M/50M 20M/80M 5M/40M 10s/10s 3 1M/1M"
    wanted = queue_fields(OwnQueue("198.51.100.10", rate), "leasewire:acme:S-1")
    adding = Add(1, "S-1", {**wanted, "comment": "ours", "place-before": site}, menu=QUEUES)
    assert [each.refusal for each in session.write([adding], nothing)] == [None]
    own, other = session.read_rows(QUEUES, None, nothing)
    assert (own.place, other.place, other.queue, own.comment) == (0, 1, "site", "ours")
    assert wanted.items() <= own.fields.items()
    session.write([Move(2, "S-1", own.id, "", "last", {})], nothing)
    assert [row.queue for row in session.read_rows(QUEUES, None, nothing)] == ["site", own.queue]
    session.write([Move(3, "S-1", own.id, site, "first", {})], nothing)
    assert [row.queue for row in session.read_rows(QUEUES, None, nothing)] == [own.queue, "site"]
    (found,) = session.read_rows(QUEUES, [FieldEquals("name", own.queue)], nothing)
    assert (found.id, found.place) == (own.id, -1)
    (again,) = session.write([adding], nothing)
    assert again.refusal == Refusal("stale", "failure: already have such name")


def test_each_refusal_is_with_its_operation_whatever_the_order(log_into, transport):
    with running(seed_guide=True, rest_port=0, switches={"tagged_order": "shuffle"}) as sim:
        session = log_into(sim.router, transport)
        session.write([add(1)], nothing)
        sim.router.set_faults(latency_ms=5)
        same_mac = add(1).fields["mac-address"]
        results = session.write(
            [
                add(2),
                add(3, **{"mac-address": same_mac}),
                add(4, address="198.51.100.1"),
                add(5, server="dhcp-gone"),
                add(6, address="300.1.1.1"),
                Remove(7, "S-7", "*FF", {}),
                add(8, **{"no-such-field": "x"}),
                add(9),
            ],
            nothing,
        )
    refusals = [each.refusal for each in results]
    assert refusals == [
        None,
        Refusal("stale", "failure: already have static lease for this client"),
        Refusal("stale", "failure: already have static lease with this IP address"),
        Refusal("waiting", "input does not match any value of server"),
        Refusal("refused", refusals[4].message),
        Refusal("stale", f"no such item ({'Not Found' if transport == 'rest' else 4})"),
        Refusal("refused", "unknown parameter no-such-field"),
        None,
    ]


@pytest.mark.parametrize(
    "comment",
    [
        "true",
        "yes",
        "123",
        "007",
        "0",
        "a=b==",
        "Zürich",
        "caf\udce9",
        "\udcff\udc80",
        "x" * 20_000,
    ],
)
def test_any_comment_comes_back_as_it_was_written(session, router, comment):
    session.write([add(1, comment=comment)], nothing)
    (row,) = router.rows(LEASE)
    (lease,) = session.read_leases(None, nothing)
    assert lease.comment == comment
    assert row["comment"] == comment
    assert session.read_leases(LeaseQuery(comments=frozenset({comment})), nothing) == [lease]


def test_a_query_reads_what_matches_each_row_once(log_into, router, transport):
    session = log_into(router, transport, read_terms_per_print=3)
    session.write([add(number) for number in range(1, 21)], nothing)
    router.reset_counters()
    query = LeaseQuery(
        devices=frozenset(add(number).fields["mac-address"] for number in (1, 2, 3)),
        addresses=frozenset(f"198.51.100.{number}" for number in (2, 3, 4, 99)),
        comments=frozenset({"leasewire:acme:S-3", "leasewire:acme:S-5", "nobody's"}),
    )
    found = session.read_leases(query, nothing)
    assert sorted(lease.comment for lease in found) == [
        f"leasewire:acme:S-{n}" for n in range(1, 6)
    ]
    assert router.counters() == {f"{LEASE}/print": 4}
    assert session.read_leases(LeaseQuery(), nothing) == []
    assert len(session.read_leases(None, nothing)) == 20
    assert router.counters() == {f"{LEASE}/print": 5}


def test_a_row_of_every_server_is_read_as_all(session):
    session.write([add(1, server="all")], nothing)
    assert [lease.server for lease in session.read_leases(None, nothing)] == ["all"]


@pytest.mark.parametrize("version", ["7.17.2", "7.18.2"])
def test_an_empty_answer_is_no_rows(log_into, version, transport):
    with running(seed_guide=True, rest_port=0, version=version) as sim:
        session = log_into(sim.router, transport)
        assert session.read_leases(None, nothing) == []
        assert session.version == version


def test_500_services_are_one_login_one_print_and_500_adds(log_into, router, transport):
    session = log_into(router, transport)
    operations = [add(number) for number in range(1, 501)]
    query = LeaseQuery(
        devices=frozenset(each.fields["mac-address"] for each in operations),
        addresses=frozenset(each.fields["address"] for each in operations),
    )
    assert session.read_leases(query, nothing) == []
    assert {each.refusal for each in session.write(operations, nothing)} == {None}
    counters = router.counters()
    assert counters["/login"] == 1
    assert counters[f"{LEASE}/print"] == 1
    assert counters[f"{LEASE}/add"] == 500


def test_no_more_commands_than_the_window_are_in_flight(log_into):
    def answer(client: Client) -> None:
        client.take_login()
        tags = [client.read()[-1] for _ in range(4)]
        for left in range(16, -1, -1):
            assert client.is_quiet_for(0.02)
            client.say("!done", tags.pop())  # the last first: any order will do
            if left:
                tags.append(client.read()[-1])
        for tag in tags:
            client.say("!done", tag)

    with peer(answer) as router:
        session = log_into(router, "api", write_window=4)
        assert len(session.write([add(number) for number in range(20)], nothing)) == 20
        session.close()


def test_progress_is_told_between_answers(log_into, router, transport):
    session = log_into(router, transport, write_window=10)
    notified = []
    session.write([add(number) for number in range(1, 101)], lambda: notified.append(1))
    assert len(notified) >= 10


def test_what_progress_raises_ends_the_session_by_reset(log_into, router, transport):
    session = log_into(router, transport, write_window=1)

    def lost():
        raise LockLost("R1")

    with pytest.raises(LockLost):
        session.write([add(1), add(2), add(3)], lost)
    assert len(router.rows(LEASE)) == 1
    with pytest.raises(RouterUnreachable, match="closed"):
        session.read_leases(None, nothing)
    with pytest.raises(RouterUnreachable, match="closed") as raised:
        session.write([add(4)], nothing)
    assert type(raised.value) is RouterUnreachable  # nothing was sent: nothing is unknown


def test_two_full_buffers_do_not_make_both_sides_wait(log_into):
    """The router writes megabytes before it reads on, and so do we."""

    def answer(client: Client) -> None:
        client.take_login()
        for _ in range(100):
            tag = client.read()[-1]
            client.say("!re", "=comment=" + "x" * 200_000, tag)
            client.say("!done", tag)

    with peer(answer) as router:
        session = log_into(router, "api", write_window=100)
        big = [add(number, comment="y" * 200_000) for number in range(100)]
        assert len(session.write(big, nothing)) == 100
        session.close()
