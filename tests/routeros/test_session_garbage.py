"""Whatever bytes a router sends: an answer or a verdict, and never a hang."""

import socket
import time

from hypothesis import given
from hypothesis import strategies as st

from tests.routeros.peers import add, config_for, nothing, settings
from worker.errors import RouterBlocked, RouterUnreachable
from worker.ports import LeaseQuery
from worker.routeros.connection import ApiConnection, RouterConnection
from worker.routeros.login import RouterIdentity, identify, log_in
from worker.routeros.session import Session
from worker.routeros.wire import RouterSocket, encode_sentence

words = st.sampled_from(
    [
        *("!re", "!done", "!trap", "!fatal", "!empty", "/login"),
        *(".tag=1", ".tag=2", ".tag=", "=.id=*1", "=ret=*1", "=", "==", "=.id", "=a=b=c"),
        *("=mac-address=00:00:5E:00:53:01", "=address=", "=dynamic=true", "=comment=\udcff"),
        *("=message=no such item (4)", "=message=", "=category=x", "=version=", "=name=R"),
    ]
)
sentences = st.lists(st.lists(words, min_size=1, max_size=5).map(encode_sentence), max_size=8).map(
    b"".join
)
answers = st.one_of(
    st.binary(max_size=200),
    sentences,
    st.tuples(sentences, st.binary(max_size=20)).map(b"".join),
    # what begins well
    sentences.map(encode_sentence(("!re", "=.id=*1", ".tag=1")).__add__),
)


def talk(answer: bytes, use) -> object:
    """Let a session read these bytes and then the end."""
    ours, theirs = socket.socketpair()
    with theirs, ours:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        connection = ApiConnection("R1", RouterSocket(ours))
        started = time.monotonic()
        try:
            return use(connection)
        except (RouterUnreachable, RouterBlocked):
            return None
        finally:
            assert time.monotonic() - started < 5


def session_on(connection: RouterConnection) -> Session:
    return Session("R1", connection, RouterIdentity("R", "7.18.2", "S"), settings())


@given(answer=answers)
def test_any_answer_to_a_read_is_rows_or_a_verdict(answer):
    rows = talk(answer, lambda connection: session_on(connection).read_leases(None, nothing))
    assert rows is None or all(lease.id is not None for lease in rows)


@given(answer=answers)
def test_any_answer_to_a_query_is_rows_or_a_verdict(answer):
    query = LeaseQuery(devices=frozenset({"00:00:5E:00:53:01"}))
    talk(answer, lambda connection: session_on(connection).read_leases(query, nothing))


@given(answer=answers)
def test_any_answer_to_a_write_is_a_result_or_a_verdict(answer):
    written = talk(
        answer, lambda connection: session_on(connection).write([add(1), add(2)], nothing)
    )
    assert written is None or len(written) == 2


@given(answer=answers)
def test_any_answer_to_a_login_is_a_login_or_a_verdict(answer):
    config = config_for(Peer, "api")
    talk(answer, lambda connection: log_in(connection, config, "hunter2", settings()))


@given(answer=answers)
def test_any_answer_to_who_are_you_is_an_identity_or_a_verdict(answer):
    talk(answer, lambda connection: identify(connection, settings()))


class Peer:
    """What `config_for` needs to know of a router that is no more than a socket."""

    name = "R1"
    host = "127.0.0.1"
    api_port = 8728
