"""Whatever bytes come to the API port, the next client is served as if nothing had been.

Long form, 50,000 cases: pytest --hypothesis-profile=long --timeout=0 on this file.
"""

import contextlib
import socket

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulator.protocol import encode_sentence
from simulator.testing import running

pytestmark = pytest.mark.router

WORDS = st.sampled_from(
    [
        b"/login",
        b"=name=leasewire",
        b"=password=correct horse",
        b"/ip/dhcp-server/lease/print",
        b"/ip/dhcp-server/lease/add",
        b"/ip/dhcp-server/lease/set",
        b"/ip/dhcp-server/lease/listen",
        b"/interface/vlan/add",
        b"/cancel",
        b"/ping",
        b"=.id=*1",
        b"=numbers=",
        b"=address=10.0.0.1",
        b"=.proplist=,",
        b"?#!!|&.0",
        b"?#99999999999999999999",
        b"?address=",
        b"?",
        b"=",
        b".tag=",
        b"!done",
    ]
)
SENTENCES = st.lists(st.one_of(WORDS, st.binary(max_size=40)), max_size=6).map(
    lambda words: encode_sentence([word for word in words if word])
)
LOGIN = encode_sentence([b"/login", b"=name=leasewire", b"=password=correct horse"])
STREAMS = st.tuples(
    st.sampled_from([b"", LOGIN]),
    st.lists(st.one_of(SENTENCES, st.binary(max_size=64)), max_size=6).map(b"".join),
).map(b"".join)


@pytest.fixture(scope="module")
def target():
    with running(seed_guide=True) as sim:
        yield sim


def send_and_leave(router, stream):
    with (
        socket.create_connection((router.host, router.api_port), timeout=5) as sock,
        contextlib.suppress(ConnectionError),
    ):
        sock.sendall(stream)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def answers_sense(router, sim):
    ask = encode_sentence([b"/login", b"=name=leasewire", b"=password=" + sim.password.encode()])
    ask += encode_sentence([b"/system/identity/print", b".tag=x"])
    with socket.create_connection((router.host, router.api_port), timeout=5) as sock:
        sock.sendall(ask)
        got, wanted = b"", b"\x05!done\0\x03!re\x0e=name=MikroTik\x06.tag=x\0\x05!done\x06.tag=x\0"
        while len(got) < len(wanted):
            data = sock.recv(4096)
            assert data, got
            got += data
    return got == wanted


@given(STREAMS)
@settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_bytes_harm_the_next_client(target, stream):
    send_and_leave(target.router, stream)
    assert answers_sense(target.router, target)
