"""The command as a shell runs it, but in this process."""

import json
import sys
from typing import Any, NamedTuple

import pytest

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
    with pytest.raises(SystemExit) as ended:
        main()
    return Result(ended.value.code or 0, *capsys.readouterr())
