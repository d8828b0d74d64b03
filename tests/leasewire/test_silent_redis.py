"""A Redis that takes connections and never answers: commands end soon, and say that it is so."""

import socket
import threading
from contextlib import ExitStack

import pytest

from leasewire import context
from producers import connection

INVENTORY = """\
[installation]
id = "acme"
"""
PUBLISH = ("publish", "cancelled", "--service", "SVC-1")


@pytest.fixture
def silent(monkeypatch, tmp_path):
    """The connections that it took; it answers none."""
    (tmp_path / "routers.toml").write_text(INVENTORY)
    assert connection.ANSWER_S + context.ANSWER_S <= 20  # a person waits for both to publish
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    monkeypatch.setattr(context, "ANSWER_S", 0.2)
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as listener:
        taken = []

        def take():
            while True:
                try:
                    taken.append(stack.enter_context(listener.accept()[0]))
                except OSError:  # the end of the test
                    return

        monkeypatch.setenv("LEASEWIRE_REDIS_URL", f"redis://127.0.0.1:{listener.getsockname()[1]}")
        taker = threading.Thread(target=take)
        taker.start()
        yield taken
        listener.shutdown(socket.SHUT_RDWR)
        taker.join()


def test_publishing_gives_up_after_one_wait(silent, leasewire):
    refused = leasewire(*PUBLISH)
    assert (refused.code, refused.out) == (3, "")
    assert "Redis does not answer in time: look at its log and its load" in refused.err
    assert len(silent) <= 3, "a Redis that does not answer is asked again"


def test_status_names_it_and_says_what_to_do(silent, leasewire):
    shown = leasewire("status")
    assert shown.code == 2
    assert "critical: redis: Redis at redis://127.0.0.1:" in shown.out
    assert "it does not answer in time: look at its log, its load" in shown.out


def test_other_commands_say_so_too(silent, leasewire):
    shown = leasewire("services", "list")
    assert shown.code == 3
    assert "It does not answer in time: look at its log, its load" in shown.err
