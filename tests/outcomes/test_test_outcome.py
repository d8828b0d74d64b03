"""`leasewire outcomes test TARGET`: one signed outcome now, and what the receiver says to it."""

import json
import socket
import struct
import threading

import pytest
from typer.testing import CliRunner

from leasewire import cli
from tests import builders

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{builders.SOURCE}"]
order = "revisions"
"""


@pytest.fixture
def send(quiet_logging, secret, tmp_path, monkeypatch):
    """Sends one to a port; nothing of Redis is needed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "routers.toml").write_text(INVENTORY)

    def send(port, *more):
        (tmp_path / "outcomes.toml").write_text(f"""\
[targets.billing]
url = "http://127.0.0.1:{port}/hook"
sources = ["{builders.SOURCE}"]
secret_env = "WEBHOOK_SECRET"
""")
        return CliRunner().invoke(cli.app, ["outcomes", "test", "billing", *more])

    return send


def test_a_receiver_gets_a_signed_test_outcome(send, receiver):
    done = send(receiver.port)
    assert done.exit_code == 0, done.output
    assert "answered 200" in done.output
    (event,) = receiver.taken  # which has checked the signature
    assert event["type"] == "leasewire.outcome.test.v1"
    assert event["data"] == {
        "state": "test",
        "source": builders.SOURCE,
        "detail": "sent by `leasewire outcomes test`: belongs to no event",
    }
    again = send(receiver.port, "--json")
    said = json.loads(again.stdout)
    assert (said["target"], said["accepted"], said["answer"]) == ("billing", True, "answered 200")
    assert said["id"] == receiver.taken[1]["id"] != event["id"]


@pytest.mark.parametrize("status", [302, 401, 500, 503])
def test_other_answers_are_shown(send, receiver, status):
    receiver.answers = lambda _: (status, {})
    done = send(receiver.port)
    assert done.exit_code == 1
    assert f"answered {status}" in done.output
    assert len(receiver.attempts) == 1


def test_an_unreachable_receiver_is_reported(send):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = send(nobody.getsockname()[1])
    assert done.exit_code == 1
    assert "was not accepted: cannot be reached: Connection refused" in done.output


@pytest.mark.parametrize("resets", [False, True])
def test_a_receiver_that_hangs_up_is_reported(send, resets):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            connection, _ = listener.accept()
            with connection:
                at_once = struct.pack("ii", resets, 0)  # 1: what is not sent or read yet is dropped
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                got = b""
                while b"test.v1" not in got:  # in its body
                    got += connection.recv(65_536)

        receiver = threading.Thread(target=hang_up)
        receiver.start()
        done = send(listener.getsockname()[1])
        receiver.join()
    assert done.exit_code == 1
    assert "took the connection and ended it without an answer" in done.output
