"""What an operator needs comes with the command, wherever that is installed."""

from importlib.resources import files
from pathlib import Path

import pytest

from tests.leasewire.test_documents import ROOT
from worker.core.alerting.alerts import KINDS, Alert


@pytest.mark.parametrize("kind", [*KINDS, "of-tomorrow"])
def test_each_alert_names_a_runbook_that_the_command_prints(leasewire, kind):
    name = Alert(kind, "R1", "text", 0).runbook
    shown = leasewire("runbook", name)
    assert shown.code == 0
    assert shown.out == (ROOT / "deploy" / "runbooks" / f"{name}.md").read_text("utf-8")
    assert leasewire("runbook", f"{name}.md").out == shown.out


def test_they_are_listed_with_what_each_is_about(leasewire):
    shown = leasewire("runbook")
    assert shown.code == 0
    lines = shown.out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {
        each.name.removesuffix(".md") for each in (ROOT / "deploy" / "runbooks").iterdir()
    }


def test_a_name_that_is_none_is_told_with_one_that_is(leasewire):
    wrong = leasewire("runbook", "router-dwn")
    assert (wrong.code, "did you mean router-down?" in wrong.err) == (2, True)
    assert "see `leasewire runbook`" in leasewire("runbook", "zzz").err


def test_the_files_of_deploy_are_written_and_never_overwritten(leasewire, tmp_path):
    assert leasewire("deploy-files", "out").code == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    written = {path.relative_to(tmp_path / "out") for path in files}
    held = [folder.resolve().rglob("*") for folder in (ROOT / "leasewire" / "files").iterdir()]
    assert len(written) == sum(path.is_file() for paths in held for path in paths)
    assert Path("systemd/leasewire-.service.d/common.conf") in written
    for path in written:
        assert (tmp_path / "out" / path).read_bytes() == (ROOT / "deploy" / path).read_bytes()
    again = leasewire("deploy-files", "out")
    assert (again.code, "exists already" in again.err) == (2, True)


def test_they_are_part_of_the_package():
    assert (files("leasewire") / "files" / "redis" / "users.acl").is_file()
