"""Bugs that were found by attacking the engine, put back: each is found by the test it names.

The suite tries one of them; `PUT_BACK=all` is the long form, which `make chaos` runs.
"""

import os
import subprocess
import sys

import pytest

from tests.faults.put_back import BUGS, ROOT, mutated


@pytest.mark.parametrize("name", BUGS)
def test_what_puts_it_back_is_a_piece_of_the_code_of_now(name):
    bug = BUGS[name]
    for file in {change.file for change in bug.changes}:
        text = (ROOT / file).read_text()
        assert mutated(text, [each for each in bug.changes if each.file == file]) != text


@pytest.mark.redis
@pytest.mark.router
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", BUGS if os.environ.get("PUT_BACK") == "all" else [*BUGS][:1])
def test_it_is_found(name):
    test = f"{BUGS[name].file}::{BUGS[name].test}"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.faults.mutant"]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-o", "addopts=", "--hypothesis-profile=found", test],
        env={**os.environ, "MUTANT": name},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    # 1: tests were collected and some failed; any other code says that it was not tried at all
    assert ran.returncode == 1, f"{ran.returncode}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
