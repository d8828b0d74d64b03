"""The site of the documents: its reference follows from the code, and no link in it is broken."""

import subprocess
import sys

from docs.generate import differing
from tests.leasewire.test_documents import ROOT


def test_the_reference_is_as_the_code_is():
    assert differing() == []  # else: make docs


def test_the_site_is_read_without_a_warning(tmp_path):
    """A link to a page, a heading or a file that is not there is one; nothing is rendered."""
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "dummy"]
    folders = ["-c", "docs", "-d", tmp_path / "doctrees", ".", tmp_path / "site"]
    done = subprocess.run([*build, *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
