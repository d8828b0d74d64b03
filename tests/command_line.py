"""The command as a shell runs it, but in this process."""

import json
import sys
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from redis.connection import ConnectionPool

from leasewire.cli import main


class Result(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run_command(monkeypatch, capsys, arguments) -> Result:
    """Run `leasewire` with arguments, and end up with what it said alone."""
    monkeypatch.setattr(sys, "argv", ["leasewire", *arguments])
    capsys.readouterr()
    with connections_closed():
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        else:
            pytest.fail("the command did not end the process")
    return Result(code, *capsys.readouterr())


@contextmanager
def connections_closed():
    """Close the connections to Redis that were made in the block, as the end of a process does.

    Else those that an error's frames still name are found as garbage in whatever test comes next.
    """
    made = []

    def remember(pool, *arguments, **named):
        made.append(pool)
        init(pool, *arguments, **named)

    init = ConnectionPool.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConnectionPool, "__init__", remember)
        yield
    for pool in made:
        pool.disconnect()
