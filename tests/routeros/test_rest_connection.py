"""REST on the wire: what is sent, and that any answer is a reply or a verdict, in time."""

import json
import socket
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routeros.peers import LEASE, Client, add, config_for, nothing, peer, settings
from tests.waiting import eventually
from worker.core.rows.operations import MakeStatic, Remove
from worker.errors import LockLost, OutcomeUnknown, RouterBlocked, RouterUnreachable
from worker.ports import LeaseQuery
from worker.routeros.commands import Pace
from worker.routeros.login import RouterIdentity
from worker.routeros.rest_connection import RestConnection
from worker.routeros.session import Session
from worker.routeros.wire import RouterSocket

pytestmark = pytest.mark.router

QUICKLY = Pace(window=1, silence_s=0.3, total_s=0.6)
SOME = LeaseQuery(comments=frozenset({"c"}))


def take_request(client: Client) -> tuple[list[str], object]:
    """The next request: the lines of its head, and what is in its body."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += received(client)
    head, _, body = came.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    length = next(int(line[16:]) for line in lines if line.startswith("Content-Length: "))
    while len(body) < length:
        body += received(client)
    return lines, json.loads(body)


def received(client: Client) -> bytes:
    data = client.sock.recv(65536)
    if not data:
        raise ConnectionError("end")
    return data


def response(content: object, status: str = "200 OK", *more: str) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status}", *more, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def connected(answer):
    """A connection without TLS to a router by hand, and every socket that it opened."""
    with peer(answer) as router:
        opened: list[RouterSocket] = []

        def connect() -> RouterSocket:
            opened.append(RouterSocket(socket.create_connection((router.host, router.api_port))))
            return opened[-1]

        connection = RestConnection("R1", router.host, connect)
        try:
            yield connection, opened
        finally:
            connection.close()
            for each in opened:
                each.close()


def session_on(connection: RestConnection, entries: str = "lease", **changes) -> Session:
    who = RouterIdentity("R", "7.18.2", "S", entries)
    return Session("R1", connection, who, settings(command_timeout_s=0.3, **changes))


def answering(*responses: bytes):
    def answer(client: Client) -> None:
        for each in responses:
            take_request(client)
            client.sock.sendall(each)
        client.sock.recv(1)  # until the client goes away

    return answer


def test_each_command_is_one_request_on_one_connection():
    seen = []

    def answer(client: Client) -> None:
        for content in ([{"name": "R"}], [], {"ret": "*7"}, [], []):
            seen.append(take_request(client))
            client.sock.sendall(response(content))

    with connected(answer) as (connection, opened):
        connection.log_in("leasewire", "pässword", QUICKLY)
        session = session_on(connection)
        query = LeaseQuery(addresses=frozenset({"198.51.100.1"}), comments=frozenset({"a=b"}))
        session.read_leases(query, nothing)
        session.write([add(1), Remove(1, "S-1", "*7", {}), MakeStatic(2, "S-2", "*8")], nothing)
    assert len(opened) == 1
    assert [lines[0] for lines, _ in seen] == [
        "POST /rest/system/identity/print HTTP/1.1",
        *(
            f"POST /rest{LEASE}/{name} HTTP/1.1"
            for name in ("print", "add", "remove", "make-static")
        ),
    ]
    assert all("Host: 127.0.0.1" in lines for lines, _ in seen)
    assert all("Content-Type: application/json" in lines for lines, _ in seen)
    word = "Authorization: Basic bGVhc2V3aXJlOnDDpHNzd29yZA=="
    assert all(word in lines for lines, _ in seen)
    _, asked, added, removed, made = (body for _, body in seen)
    assert asked[".query"] == ["address=198.51.100.1", "comment=a=b", "#|"]
    assert asked[".proplist"][:2] == [".id", "mac-address"]
    assert added == add(1).fields
    assert (removed, made) == ({".id": "*7"}, {"numbers": "*8"})


def test_a_router_that_closes_after_each_answer_is_connected_to_again():
    def answer(client: Client) -> None:
        take_request(client)
        client.sock.sendall(response({"ret": "*1"}, "200 OK", "Connection: close"))

    with connected(answer) as (connection, opened):
        written = session_on(connection).write([add(1), add(2), add(3)], nothing)
    assert [each.refusal for each in written] == [None] * 3
    assert len(opened) == 3


def test_an_answer_in_chunks_is_put_together():
    row = json.dumps([{".id": "*1", "address": "198.51.100.1"}]).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(row[at : at + 9]), row[at : at + 9]) for at in (0, 9))
    rest = row[18:]
    chunks += b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest)
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    with connected(answering(whole)) as (connection, _):
        (lease,) = session_on(connection).read_leases(None, nothing)
    assert lease.address == "198.51.100.1"


def test_an_empty_answer_to_a_write_is_a_yes():
    with connected(answering(response(b"", "204 No Content"))) as (connection, _):
        (written,) = session_on(connection).write([add(1)], nothing)
    assert written.refusal is None


REFUSED = {"error": 400, "message": "Bad Request", "detail": "Session closed"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(REFUSED, "400 Bad Request"), "ended the session: Session closed"),
        (response({"error": 503}, "503 Service Unavailable"), "status 503"),
        (response(b"<html>", "400 Bad Request"), "not JSON"),
        (response([], "400 Bad Request"), "status 400 without an error body"),
        (response(b"<html>"), "not JSON"),
        (response(b"[" * 100_000), "not JSON"),
        (response(["text"]), "values that are not texts"),
        (response([{"comment": 5}]), "values that are not texts"),
        (response(5), "5 is not a reply"),
        (response([])[:-1], "not HTTP: IncompleteRead"),
        (response([])[:-2], "not HTTP: IncompleteRead"),
        (response([]) + b"H", "more bytes came than the response has"),
        (b"SSH-2.0-ROSSSH\r\n", "not HTTP: BadStatusLine"),
        (b"", "the router closed the connection"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200, "not HTTP: HTTPException"),
    ],
)
def test_an_answer_that_is_none_leaves_a_question(answer, words):
    def say(client: Client) -> None:
        take_request(client)
        client.sock.sendall(answer)
        client.sock.shutdown(socket.SHUT_WR)
        client.sock.recv(1)

    for use, expected in (
        (lambda session: session.write([add(1)], nothing), OutcomeUnknown),
        (lambda session: session.read_leases(SOME, nothing), RouterUnreachable),
    ):
        with connected(say) as (connection, _):
            session = session_on(connection)
            with pytest.raises(RouterUnreachable) as raised:
                use(session)
            assert type(raised.value) is expected
            assert words in raised.value.message
            assert session.closed


def test_no_answer_to_a_read_is_not_an_empty_table():
    with (
        connected(answering(response(b""))) as (connection, _),
        pytest.raises(RouterUnreachable, match="not JSON"),
    ):
        session_on(connection).read_leases(None, nothing)


@pytest.mark.parametrize(
    ("status", "words"),
    [("401 Unauthorized", "Unauthorized"), ("403 Forbidden", "it has no REST (status 403)")],
)
def test_a_router_that_lets_us_in_no_more_calls_a_person(status, words):
    answer = answering(response({"ret": "*1"}), response(b"<html>", status))
    with connected(answer) as (connection, _):
        session = session_on(connection)
        with pytest.raises(RouterBlocked) as raised:
            session.write([add(1), add(2)], nothing)
        assert (raised.value.cause, raised.value.message) == ("login-refused", words)
        assert session.closed


def test_a_menu_that_is_not_there_is_an_answer():
    gone = response({"error": 404, "message": "Not Found"}, "404 Not Found")
    with connected(answering(gone)) as (connection, _):
        (reply,) = connection.run("looking", [("/system/routerboard/print",)], QUICKLY)
    assert reply.traps == ["no such item (Not Found)"]


def test_a_whole_table_may_take_longer_than_a_command():
    def answer(client: Client) -> None:
        take_request(client)
        assert client.is_quiet_for(0.5)  # as long as it takes to put the answer together
        client.sock.sendall(response([]))

    with connected(answer) as (connection, _):
        assert session_on(connection, read_timeout_s=5).read_leases(None, nothing) == []
    with (
        connected(lambda client: [take_request(client), take_request(client)]) as (connection, _),
        pytest.raises(RouterUnreachable, match="no answer in time"),
    ):
        session_on(connection, read_timeout_s=5).read_leases(SOME, nothing)


@pytest.mark.parametrize(("rows", "has_time"), [(2, False), (100, True)])
def test_a_whole_table_in_a_pass_has_the_time_of_its_rows(rows, has_time):
    """A pass reads all users, as no router searches them by address."""

    def answer(client: Client) -> None:
        assert take_request(client)[1] == {"count-only": ""}
        client.sock.sendall(response({"ret": str(rows)}))
        take_request(client)
        if not has_time:
            take_request(client)  # until the other end gives up
        assert client.is_quiet_for(0.5)  # as long as it takes to put the answer together
        client.sock.sendall(response([]))

    with connected(answer) as (connection, _):
        session = session_on(connection, "user-manager", read_timeout_s=60)
        query = LeaseQuery(addresses=frozenset({"198.51.100.1"}))
        if has_time:
            assert session.read_leases(query, nothing) == []
        else:
            with pytest.raises(RouterUnreachable, match="no answer in time"):
                session.read_leases(query, nothing)


def test_caller_is_told_while_a_whole_table_is_put_together(monkeypatch):
    monkeypatch.setattr("worker.routeros.rest_connection._WAIT_S", 0.02)
    notified: list[float] = []

    def answer(client: Client) -> None:
        take_request(client)
        eventually(lambda: len(notified) >= 3, "three words while nothing has come")
        client.sock.sendall(response([]))

    with connected(answer) as (connection, _):
        session = session_on(connection, read_timeout_s=10)
        assert session.read_leases(None, lambda: notified.append(time.monotonic())) == []


@pytest.mark.parametrize(
    "flood", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 100_000]
)
def test_bytes_without_end_end(flood):
    def answer(client: Client) -> None:
        take_request(client)
        while True:
            client.sock.sendall(flood)

    started = time.monotonic()
    with connected(answer) as (connection, _), pytest.raises(RouterUnreachable):
        connection.run("reading", [("/ip/pool/print",)], QUICKLY)
    assert time.monotonic() - started < 5


def test_bytes_that_are_there_too_late_are_none():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(response([]))
        connection = RestConnection("R1", "192.0.2.1", lambda: RouterSocket(ours))
        with pytest.raises(RouterUnreachable, match="no answer in time"):
            connection.run("reading", [("/ip/pool/print",)], Pace(1, 0, 0))


lines = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 C\r\n",
            b"HTTP/1.0 204 \r\n",
            b"HTTP/1.1 400 B\r\n",
        ),
        *(b"Content-Length: 2\r\n", b"Content-Length: -1\r\n", b"Content-Length: 9999999999\r\n"),
        *(
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"\xff: \x00\r\n",
            b" x\r\n",
        ),
        *(
            b"\r\n",
            b"[]",
            b"{}",
            b'[{".id":"*1"}]',
            b'{"error":400}',
            b"2\r\n[]\r\n0\r\n\r\n",
            b"-2\r\n",
        ),
    ]
)
answers = st.one_of(st.binary(max_size=100), st.lists(lines, max_size=8).map(b"".join)).flatmap(
    lambda end: st.sampled_from([end, b"HTTP/1.1 200 OK\r\n" + end])
)


@given(answer=answers)
def test_any_bytes_are_a_result_or_a_verdict(answer):
    for use in (
        lambda session: session.read_leases(SOME, nothing),
        lambda session: session.write([add(1), add(2)], nothing),
    ):
        ours, theirs = socket.socketpair()
        places = [RouterSocket(ours)]

        def connect(places=places) -> RouterSocket:
            if not places:
                raise RouterUnreachable("R1", "gone")
            return places.pop()

        with ours, theirs:
            theirs.sendall(answer)
            theirs.shutdown(socket.SHUT_WR)
            try:
                use(session_on(RestConnection("R1", "192.0.2.1", connect)))
            except (RouterUnreachable, RouterBlocked):
                continue


def test_after_a_request_that_was_given_up_the_router_rests(sessions, router):
    mine = sessions(config_for(router, "rest"), command_timeout_s=10)
    session = mine.open("R1")
    router.set_faults(service_ms_by_command={f"{LEASE}/print": 5_000})

    def stop() -> None:
        raise LockLost("R1")

    with pytest.raises(LockLost):
        session.read_leases(SOME, stop)
    with pytest.raises(RouterUnreachable, match="abandoned a moment ago") as raised:
        mine.open("R1")
    assert raised.value.failed


def test_after_any_other_end_it_need_not(sessions, router):
    mine = sessions(config_for(router, "rest"))
    session = mine.open("R1")
    router.set_faults(wrong_unauthorized=1, fault_command="lease/print")
    with pytest.raises(RouterBlocked):
        session.read_leases(SOME, nothing)
    assert mine.open("R1").read_leases(SOME, nothing) == []
