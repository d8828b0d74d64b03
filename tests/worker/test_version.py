"""Every part says which version it is, also where the package is not installed, as in the image."""

import subprocess
import sys

from tests.leasewire.test_documents import ROOT


def test_folders_that_are_not_installed_have_the_version_of_their_project(tmp_path):
    (tmp_path / "worker").symlink_to(ROOT / "worker")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    program = "from worker.version import installed_version; print(installed_version())"
    done = subprocess.run(
        [sys.executable, "-SP", "-c", program],  # -S: without what is installed
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("9.8.7\n", "")
