"""A session with a router that fails: always a verdict, always in time, never a socket left."""

import gc
import time
from contextlib import contextmanager

import pytest

from tests.routeros.peers import (
    LEASE,
    Client,
    add,
    config_for,
    nothing,
    peer,
    port_of,
    sockets_open,
)
from tests.waiting import eventually
from worker.errors import OutcomeUnknown, ReadTooLong, RouterBlocked, RouterUnreachable
from worker.ports import LeaseQuery
from worker.routeros.rest_connection import RestConnection

pytestmark = pytest.mark.router

SOME = LeaseQuery(comments=frozenset({"anything"}))


@pytest.fixture(autouse=True, scope="module")
def _others_are_no_garbage():
    """What other tests left takes half a second a search for garbage, twice a test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_socket_is_left(_others_are_no_garbage):
    before = sockets_open()
    yield
    eventually(lambda: sockets_open() <= before, "no socket is left open")


@contextmanager
def raises_in_time(verdict, limit_s, clock=time.monotonic):
    started = clock()
    with pytest.raises(verdict) as raised:
        yield raised
    assert clock() - started < limit_s
    assert type(raised.value) is verdict
    assert raised.value.__cause__ is not None or verdict is RouterBlocked


def test_a_router_without_power(log_into, router, transport):
    router.power_off()
    with raises_in_time(RouterUnreachable, 1) as raised:
        log_into(router, transport)
    assert raised.value.message == (
        f"connecting to {router.host}:{port_of(router, transport)}: Connection refused"
    )


def test_a_router_that_accepts_and_says_nothing(log_into, router, transport):
    router.set_faults(hang_on_connect=True)
    with raises_in_time(RouterUnreachable, 3) as raised:
        log_into(router, transport)
    assert "no answer in time" in raised.value.message


def test_a_peer_that_says_nothing_to_tls(log_into):
    def answer(client: Client) -> None:
        while client.sock.recv(1000):
            pass

    with peer(answer) as silent, raises_in_time(RouterUnreachable, 2) as raised:
        log_into(silent, connect_timeout_s=0.3)
    assert raised.value.message.startswith("TLS with ")


def test_a_router_that_falls_silent_in_use(log_into, router, transport):
    for use, verdict in (
        (lambda session: session.read_leases(SOME, nothing), RouterUnreachable),
        (lambda session: session.write([add(1)], nothing), OutcomeUnknown),
        (lambda session: session.read_setup(fresh=True), RouterUnreachable),
        (lambda session: session.read_ipv6_setup(fresh=True), RouterUnreachable),
    ):
        router.clear_faults()
        session = log_into(router, transport, command_timeout_s=0.3, router_lock_s=0.6)
        router.set_faults(hang_in_use=True)
        with raises_in_time(verdict, 2):
            use(session)
        assert session.closed


def test_a_reply_cut_by_a_reset(log_into, router, transport):
    session = log_into(router, transport)
    session.write([add(number) for number in range(1, 50)], nothing)
    router.set_faults(cut_replies=1)
    with raises_in_time(RouterUnreachable, 2):
        session.read_leases(None, nothing)
    session = log_into(router, transport)
    router.set_faults(cut_replies=1)
    with raises_in_time(OutcomeUnknown, 2):
        session.write([add(100)], nothing)


def test_a_write_whose_reply_is_lost_is_no_failed_write(log_into, router, transport):
    session = log_into(router, transport)
    router.set_faults(lose_replies=1, fault_command="/lease/add")
    with raises_in_time(OutcomeUnknown, 2):
        session.write([add(1), add(2)], nothing)
    assert "198.51.100.1" in {row["address"] for row in router.rows(LEASE)}


def test_a_slow_router_is_no_silent_one(log_into, router, transport):
    """Fifteen writes of 0.1 s: the last waits for long, but never in silence."""
    session = log_into(router, transport, command_timeout_s=0.5)
    router.set_faults(service_ms=100)
    written = session.write([add(number) for number in range(1, 16)], nothing)
    assert {each.refusal for each in written} == {None}


def test_bytes_that_trickle_in_are_no_reason_to_wait(log_into, router, transport):
    session = log_into(router, transport, command_timeout_s=0.5, read_timeout_s=1)
    session.write([add(1, comment="x" * 10_000)], nothing)
    router.set_faults(trickle_bytes_per_s=1000)
    # over REST nothing is silence while a whole table is put together
    verdict = ReadTooLong if transport == "rest" else RouterUnreachable
    with raises_in_time(verdict, 2):
        session.read_leases(None, nothing)


@pytest.mark.parametrize("silent", [False, True])
def test_a_table_that_rest_never_gives_whole(log_into, router, monkeypatch, silent):
    """RouterOS ends a request after a minute: no longer wait helps, and the router is not away."""
    monkeypatch.setattr(RestConnection, "longest_s", 0.3)
    router.set_switches(rest_limit_s=0.3)
    session = log_into(router, "rest", command_timeout_s=0.5, read_timeout_s=30)
    router.set_faults(hang_in_use=silent, service_ms_by_command={f"{LEASE}/print": 700})
    with raises_in_time(ReadTooLong, 2) as raised:
        session.read_leases(None, nothing)
    assert "not complete after 0.3 s" in raised.value.message


def test_a_login_answered_byte_by_byte(log_into):
    def answer(client: Client) -> None:
        client.read()
        client.sock.sendall(b"\xe0\x7f\xff\xff")  # a word of 8 MB
        while True:
            client.sock.sendall(b"x")
            time.sleep(0.02)

    with peer(answer) as slow, raises_in_time(RouterUnreachable, 2) as raised:
        log_into(slow, "api", first_reply_timeout_s=0.3)
    assert "no answer in time" in raised.value.message


def test_bytes_without_end_that_say_nothing_end(log_into):
    """There is always more to read, so no wait ever ends by its own limit."""

    def answer(client: Client) -> None:
        client.read()
        empty_sentences = bytes(10_000_000)
        while True:
            client.sock.sendall(empty_sentences)

    # of the processor: it reads all the time, and a busy machine gives it little
    with (
        peer(answer) as flood,
        raises_in_time(RouterUnreachable, 1, clock=time.thread_time) as raised,
    ):
        log_into(flood, "api", first_reply_timeout_s=0.3)
    assert "no answer in time" in raised.value.message


def test_rows_without_end_end(log_into):
    def answer(client: Client) -> None:
        client.take_login()
        tag = client.read()[-1]
        while True:
            client.say("!re", "=.id=*1", tag)
            time.sleep(0.01)

    with peer(answer) as endless:
        session = log_into(endless, "api", command_timeout_s=0.3, read_timeout_s=0.6)
        with raises_in_time(ReadTooLong, 2):
            session.read_leases(None, nothing)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("!fatal", "session terminated on request"), "ended the session: session terminated"),
        (("!fatal",), "ended the session: without a reason"),
        (
            ("!done", ".tag=99"),
            "not one of the RouterOS API: '!done' for a command",
        ),
        (("!done",), "not one of the RouterOS API: '!done' for a command"),
        (("HTTP/1.1 400 Bad Request",), "not one of the RouterOS API"),
    ],
)
def test_an_answer_out_of_turn_ends_the_session(log_into, said, words):
    def answer(client: Client) -> None:
        client.take_login()
        client.read()
        client.say(*said)
        client.read()

    with peer(answer) as odd:
        session = log_into(odd, "api")
        with raises_in_time(OutcomeUnknown, 2) as raised:
            session.write([add(1)], nothing)
    assert words in raised.value.message


def test_a_tagged_word_that_is_no_reply_ends_the_session(log_into):
    def answer(client: Client) -> None:
        client.take_login()
        client.say("!well", client.read()[-1])
        client.read()

    with peer(answer) as odd:
        session = log_into(odd, "api")
        with raises_in_time(RouterUnreachable, 2) as raised:
            session.read_leases(None, nothing)
    assert "'!well' is not a reply" in raised.value.message


def test_a_row_without_an_id_ends_the_session(log_into):
    def answer(client: Client) -> None:
        client.take_login()
        tag = client.read()[-1]
        client.say("!re", "=address=198.51.100.1", tag)
        client.say("!done", tag)
        client.read()

    with peer(answer) as odd:
        session = log_into(odd, "api")
        with raises_in_time(RouterUnreachable, 2) as raised:
            session.read_leases(None, nothing)
        assert session.closed
    assert "a row without .id" in raised.value.message


def test_closing_is_a_reset(log_into):
    ends = []

    def answer(client: Client) -> None:
        client.take_login()
        try:
            client.read()
        except ConnectionResetError:
            ends.append("reset")
        except ConnectionError:
            ends.append("end")

    with peer(answer) as watching:
        log_into(watching, "api").close()
    assert ends == ["reset"]


@pytest.mark.parametrize("how", ["another password", "refused by the router"])
def test_a_refused_login_blocks_and_does_nothing_else(log_into, router, transport, how):
    config = config_for(router, transport)
    if how == "another password":
        config = config_for(router, transport, _environ={"ROUTER_PASSWORD": "hunter2"})
    else:
        router.set_faults(refuse_login=True)
    with raises_in_time(RouterBlocked, 2) as raised:
        log_into(config)
    assert raised.value.cause == "login-refused"
    assert raised.value.message == (
        "Unauthorized" if transport == "rest" else "invalid user name or password (6)"
    )
    assert "leasewire" in raised.value.advice
    assert "hunter2" not in f"{raised.value} {raised.value!r}"
    assert set(router.counters()) == {"/login"}


def test_a_missing_password_blocks_without_a_connection(log_into, router):
    with raises_in_time(RouterBlocked, 1) as raised:
        log_into(config_for(router, _environ={}))
    assert raised.value.cause == "credentials-missing"
    assert router.counters() == {}


def test_a_user_that_may_not_read_blocks(log_into, router, transport):
    session = log_into(router, transport)
    router.set_faults(denied_policies=["read"])
    with raises_in_time(RouterBlocked, 2) as raised:
        session.read_leases(None, nothing)
    assert raised.value.cause == "not-permitted"
    assert session.closed
    with raises_in_time(RouterBlocked, 2) as raised:
        log_into(router, transport)
    assert raised.value.cause == "not-permitted"


def test_a_user_that_may_not_write_is_told_by_operation(log_into, router, transport):
    session = log_into(router, transport)
    router.set_faults(denied_policies=["write"])
    (written,) = session.write([add(1)], nothing)
    assert written.refusal is not None
    assert written.refusal.kind == "not-permitted"


@pytest.mark.parametrize("transport", ["api", "api-ssl"])  # the limit is one of the API
def test_a_session_too_many_may_work_later(log_into, router, transport):
    log_into(router, transport)
    router.set_faults(session_limit=1)
    with raises_in_time(RouterUnreachable, 2):
        log_into(router, transport)


def test_a_reboot_in_use(log_into, router, transport):
    session = log_into(router, transport)
    router.reboot()
    with raises_in_time(RouterUnreachable, 2):
        session.read_leases(None, nothing)
    assert log_into(router, transport).read_leases(None, nothing) == []


def test_a_router_that_wants_the_old_login_says_so(log_into):
    def answer(client: Client) -> None:
        client.say("!done", "=ret=ebddd18303a54111e2dea05a92ab46b4", client.read()[-1])
        client.read()

    with peer(answer) as old, raises_in_time(RouterBlocked, 2) as raised:
        log_into(old, "api")
    assert raised.value.cause == "login-refused"
    assert "before 6.43" in raised.value.message


def test_a_name_that_nobody_knows(log_into, router):
    for host in ("router.invalid", "a..b", "x" * 70 + ".invalid"):
        with raises_in_time(RouterUnreachable, 2) as raised:
            log_into(config_for(router, host=host))
        assert raised.value.message.startswith(f"connecting to {host}:")


def test_a_name_is_looked_up(log_into, router):
    assert log_into(config_for(router, host="localhost")).identity == "MikroTik"


def test_an_identity_that_is_not_told(log_into):
    def answer(client: Client) -> None:
        client.say("!done", client.read()[-1])
        while client.read():
            pass

    with peer(answer) as mute, raises_in_time(RouterUnreachable, 2) as raised:
        log_into(mute, "api", first_reply_timeout_s=0.3)
    assert raised.value.message == "reading identity: no answer in time"
