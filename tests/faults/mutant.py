"""A pytest plugin that puts a bug back: `MUTANT=NAME python -m pytest -p tests.faults.mutant TEST`.

Python files and Lua scripts are read with a piece of text replaced; nothing on the disk changes.
It must be loaded before anything of the workers is, so it imports nothing of theirs.
"""

import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import hypothesis

from tests.faults.put_back import BUGS, ROOT, Change, mutated

_get_code = SourceFileLoader.get_code
_read_text = Path.read_text


def put_back(name: str) -> None:
    """Have the changed files read with the bug."""
    by_file: dict[Path, list[Change]] = {}
    for change in BUGS[name].changes:
        by_file.setdefault(ROOT / change.file, []).append(change)
    for file in by_file:
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        assert module not in sys.modules, f"{module} was loaded before the bug was put back"

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        path = Path(self.path)
        if path not in by_file:
            return _get_code(self, fullname)
        code: CodeType = self.source_to_code(mutated(_read_text(path), by_file[path]), self.path)  # type: ignore[assignment]
        return code

    def read_text(self: Path, *args: Any, **kwargs: Any) -> str:
        text = _read_text(self, *args, **kwargs)
        return mutated(text, by_file[self]) if self in by_file else text

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    Path.read_text = read_text  # type: ignore[method-assign]


# That it fails is all that is asked: an example that fails is not made smaller.
hypothesis.settings.register_profile(
    "found", deadline=None, phases=set(hypothesis.Phase) - {hypothesis.Phase.shrink}
)
put_back(os.environ["MUTANT"])
