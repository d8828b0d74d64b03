"""What a router answers to one command is bounded: it may not fill the memory of all."""

import pytest

from worker.errors import RouterUnreachable
from worker.routeros import connection
from worker.routeros.commands import Pace
from worker.routeros.connection import MOST_ROWS, ApiConnection
from worker.routeros.wire import encode_sentence

PACE = Pace(window=4, silence_s=5, total_s=60)


class Endless:
    """A transport to a router that answers the first command with one row, again and again."""

    def __init__(self, sentence, a_time):
        self._chunk = encode_sentence(sentence) * a_time
        self.notified = 0
        self.closed = False

    def exchange(self, out, _deadline):
        out.clear()
        self.notified += len(self._chunk)
        return self._chunk

    def close(self):
        self.closed = True

    reset = abort = close


def ask(transport):
    ApiConnection("R1", transport).run("reading", [("/ip/dhcp-server/lease/print",)], PACE)


@pytest.mark.parametrize("kind", ["!re", "!trap"])
def test_so_many_rows_and_no_more(kind):
    endless = Endless((kind, "=.id=*1", ".tag=1"), 5_000)
    with pytest.raises(RouterUnreachable, match="answer of more than"):
        ask(endless)
    assert endless.closed
    assert endless.notified <= 20 * (MOST_ROWS + 5_000)


def test_so_many_bytes_and_no_more(monkeypatch):
    monkeypatch.setattr(connection, "LARGEST_ANSWER", 8 << 20)
    endless = Endless(("!re", "=comment=" + "x" * 1_000_000, ".tag=1"), 1)
    with pytest.raises(RouterUnreachable, match="takes more than"):
        ask(endless)
    assert endless.closed
    assert endless.notified < 10 << 20


def test_many_short_words_count_as_what_they_take(monkeypatch):
    monkeypatch.setattr(connection, "LARGEST_ANSWER", 8 << 20)
    words = [f"={number}=" for number in range(1_000)]
    endless = Endless(("!re", *words, ".tag=1"), 1)
    with pytest.raises(RouterUnreachable, match="takes more than"):
        ask(endless)
    assert endless.notified < 1 << 20
