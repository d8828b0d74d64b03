import socket
import time

import pytest

from simulator.control import ControlError
from simulator.testing import running

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"


def add(raw, n, *more):
    return raw.send((f"{LEASE}/add", f"=address=10.0.0.{n}", *more))


def test_a_router_without_power_refuses_and_comes_back_on_its_port(sim, connect):
    raw = connect(sim)
    sim.router.power_off()
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.read()
    with pytest.raises(ConnectionRefusedError):
        connect(sim)
    with pytest.raises(ConnectionRefusedError):
        connect(sim, tls=True)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((sim.router.host, sim.router.api_port))  # the port stays the router's
    sim.router.power_on()
    connect(sim)
    connect(sim, tls=True)


@pytest.mark.parametrize("tls", [False, True])
def test_a_lost_reply_leaves_the_write_done(sim, connect, tls):
    raw = connect(sim, tls=tls)
    sim.router.set_faults(lose_replies=1, fault_command="/lease/add")
    assert raw.talk("/system/identity/set", "=name=X") == [["!done"]]
    add(raw, 1)
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.read()
    assert [row["address"] for row in sim.router.rows(LEASE)] == ["10.0.0.1"]
    again = connect(sim, tls=tls)
    add(again, 2)
    assert again.read() == ["!done", "=ret=*2"]


def test_a_cut_reply_stops_in_its_middle(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(cut_replies=1)
    raw.send(("/system/resource/print",))
    got = raw.sock.recv(65536)
    with pytest.raises(ConnectionResetError):
        raw.sock.recv(1)
    assert got.startswith(b"\x03!re")
    assert b"!done" not in got


def test_a_hanging_router_accepts_and_stays_silent(sim, connect):
    before = connect(sim)
    sim.router.set_faults(hang_on_connect=True)
    raw = connect(sim, login=False)
    raw.sock.settimeout(0.2)
    raw.send(("/login", f"=name={sim.user}", f"=password={sim.password}"))
    with pytest.raises(TimeoutError):
        raw.read()
    assert before.talk("/system/identity/print")[-1] == ["!done"]
    sim.router.set_faults(hang_in_use=True)
    add(before, 1)
    before.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        before.read()
    assert sim.router.rows(LEASE) == []
    sim.router.clear_faults()
    add(before, 1)
    with pytest.raises(TimeoutError):
        before.read()
    add(connect(sim, tls=True), 2)


def test_replies_to_commands_sent_together_wait_for_one_round_trip(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(latency_ms=200)
    start = time.monotonic()
    for n in range(1, 21):
        add(raw, n)
    for _ in range(20):
        raw.read()
    assert 0.2 <= time.monotonic() - start < 20 * 0.2


def test_writes_take_their_service_time_one_after_the_other_in_the_whole_router(sim, connect):
    both = [connect(sim), connect(sim)]
    sim.router.set_faults(service_ms=20)
    start = time.monotonic()
    for n in range(1, 6):
        add(both[0], n)
        add(both[1], n + 100)
    for raw in both:
        for _ in range(5):
            raw.read()
    assert time.monotonic() - start >= 0.2
    sim.router.set_faults(service_ms=60_000)
    both[0].talk(f"{LEASE}/print")  # what only reads takes none: else this would time out


def test_shuffled_commands_keep_their_tags_and_wait_for_untagged_ones(connect):
    with running(seed=1, switches={"tagged_order": "shuffle"}) as sim:
        raw = connect(sim)
        for n in range(1, 11):
            add(raw, n, f".tag={n}")
        add(raw, 99)
        for n in range(11, 21):
            add(raw, n, f".tag={n}")
        replies = [raw.read() for _ in range(21)]
        order = [row["address"].rpartition(".")[2] for row in sim.router.rows(LEASE)]
        assert order[10] == "99"
        assert sorted(map(int, order[:10])) == list(range(1, 11))
        assert order != sorted(order, key=int)
        tags = [word for words in replies for word in words if word.startswith(".tag=")]
        assert tags == [f".tag={n}" for n in order if n != "99"]


def test_values_can_be_refused_or_stored_otherwise(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(
        refuse_values=[{"menu": LEASE, "field": "comment", "value": "no", "text": "failure: no"}],
        change_values=[{"menu": LEASE, "field": "comment", "value": "a", "text": "b"}],
    )
    assert raw.talk(f"{LEASE}/add", "=comment=no")[0] == ["!trap", "=message=failure: no"]
    raw.talk(f"{LEASE}/add", "=comment=a")
    assert [row["comment"] for row in sim.router.rows(LEASE)] == ["b"]
    sim.router.clear_faults()
    assert raw.talk(f"{LEASE}/add", "=comment=no") == [["!done", "=ret=*2"]]


def test_a_policy_taken_away_stops_writes_but_not_reads(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(denied_policies=["write"])
    assert raw.talk(f"{LEASE}/add")[0] == ["!trap", "=message=not enough permissions (9)"]
    assert raw.talk(f"{LEASE}/print")[-1] == ["!done"]
    sim.router.set_faults(denied_policies=["api"])
    assert connect(sim, login=False).login(sim.user, sim.password)[0][0] == "!trap"


def test_sessions_beyond_the_limit_are_accepted_and_closed(sim, connect):
    sim.router.set_faults(session_limit=2)
    connect(sim)
    second = connect(sim)
    third = connect(sim, login=False)
    with pytest.raises((EOFError, ConnectionResetError)):
        third.read()
    sim.router.set_switches(beyond_session_limit="silent")
    fourth = connect(sim, login=False)
    fourth.sock.settimeout(0.2)
    fourth.send(("/login", f"=name={sim.user}", f"=password={sim.password}"))
    with pytest.raises(TimeoutError):
        fourth.read()
    second.sock.close()
    deadline = time.monotonic() + 5
    while len(sim.router.sessions()) > 1:
        assert time.monotonic() < deadline
    connect(sim)


def test_a_session_can_die_at_a_given_command(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(reset_after_commands=3)  # the login was one
    add(raw, 1)
    add(raw, 2)
    raw.read()
    raw.read()
    add(raw, 3)
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.read()
    assert len(sim.router.rows(LEASE)) == 2


def test_a_reply_can_trickle(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(trickle_bytes_per_s=2000)
    start = time.monotonic()
    assert raw.talk("/system/resource/print")[-1] == ["!done"]
    assert time.monotonic() - start > 0.1


def test_a_reboot_ends_sessions_and_restarts_the_uptime(sim, connect):
    raw = connect(sim)
    sim.router.reboot(down_s=0.1)
    with pytest.raises((EOFError, ConnectionResetError)):
        raw.read()
    deadline = time.monotonic() + 5
    while True:
        try:
            again = connect(sim)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
    assert "=uptime=0s" in again.talk("/system/resource/print")[0]


def test_another_certificate_serial_and_identity_show_at_once(sim, connect):
    old = sim.router.fingerprint_sha256
    sim.router.new_certificate()
    assert sim.router.fingerprint_sha256 != old
    raw = connect(sim, tls=True)  # verifies against the new one
    sim.router.set_serial("ABC123")
    sim.router.set_row("/system/identity", "", {"name": "other"})
    assert "=serial-number=ABC123" in raw.talk("/system/routerboard/print")[0]
    assert raw.talk("/system/identity/print")[0] == ["!re", "=name=other"]
    assert sim.router.serial == "ABC123"


def test_a_person_at_the_router_is_bound_by_its_rules_but_not_counted(sim):
    row_id = sim.router.add_row(LEASE, {"address": "10.0.0.1"})
    with pytest.raises(ControlError, match="already have static lease with this IP"):
        sim.router.copy_row(LEASE, row_id, {"comment": "copy"})
    sim.router.copy_row(LEASE, row_id, {"address": "10.0.0.2", "comment": "copy"})
    sim.router.set_row(LEASE, row_id, {"comment": "mine"})
    sim.router.remove_row(LEASE, row_id)
    assert [row["comment"] for row in sim.router.rows(LEASE)] == ["copy"]
    assert sim.router.counters() == {}
    assert sim.router.refusals() == {}
    assert {entry["session"] for entry in sim.router.journal()} == {"operator"}


def test_an_unknown_fault_or_action_is_named(sim):
    with pytest.raises(ControlError, match="no fault named latency_s"):
        sim.router.set_faults(latency_s=1)
    with pytest.raises(ControlError, match="no switch named order"):
        sim.router.set_switches(order="x")


def test_a_port_that_is_taken_is_an_error_at_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), running(api_port=port):
            pass
