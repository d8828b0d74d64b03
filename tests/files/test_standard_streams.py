"""Files come in and go out through standard input and output: a container has no other way."""

import os
import subprocess
import sys

import pytest

from leasewire.context import Context
from leasewire.host.backup_file import check
from tests import forking
from tests.builders import SOURCE, activated

pytestmark = pytest.mark.redis

TABLE = "service_id,router,mac,ipv4\nSVC-1,R1,00:00:5E:00:53:01,198.51.100.10\n"
AS_OF = ("--as-of", "2026-11-24T09:00:00Z")


@pytest.fixture
def run(office):
    """Runs the command in a process of its own, over real streams; standard input is a pipe."""

    def run(*arguments, given=b"", code=0, before=(), **more):
        command = [sys.executable, "-m", "leasewire", *arguments]
        environ = {**os.environ, "LEASEWIRE_INVENTORY": str(office.folder / "routers.toml")}
        where = {"env": environ, "cwd": office.folder}
        if before:
            command, capture = [*before, *command], {"capture_output": True, "timeout": 60}
            done = subprocess.run(command, check=False, input=given, **capture, **where)
        elif "file" in more:
            done = forking.run(command, stdin=more["file"], **where)
        else:
            done = forking.run(command, given=given, **where)
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


def test_a_table_comes_in_by_standard_input(run, office):
    text = TABLE.encode()
    shown = run("import", "-", "--format", "csv", *AS_OF, given=text, code=4)
    assert b"1 new" in shown.stdout
    office.start_worker()
    run("import", "-", "--format", "csv", *AS_OF, "--apply", given=text)
    assert office.record("SVC-1").value("address") == {"mode": "static", "ipv4": "198.51.100.10"}
    row = run("export", "--format", "ndjson").stdout
    same = run("resync", "-", "--format", "ndjson", *AS_OF, given=row)
    assert b"1 row of" in same.stdout


def test_a_pipe_has_no_date_and_a_file_has_its_own(run, office):
    wrong = run("import", "-", "--format", "csv", given=TABLE.encode(), code=2)
    assert b"has no date: give the moment that it describes with --as-of" in wrong.stderr
    path = office.folder / "table"
    path.write_text(TABLE)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with path.open() as file:
        shown = run("import", "-", "--format", "csv", file=file, code=4)
    assert b"as of 2023-11-14T22:13:20" in shown.stdout


def test_problems_of_standard_input_are_reported(run):
    assert b"--format csv" in run("import", "-", given=TABLE.encode(), code=2).stderr
    broken = TABLE.replace("198.51", "999.51").encode()
    notified = run("import", "-", "--format", "csv", *AS_OF, given=broken, code=2).stderr
    assert notified.startswith(b"standard input:2: ipv4")


def test_a_backup_goes_out_and_comes_back(run, office, tmp_path):
    office.store.bind_installation("acme")
    office.say(activated("SVC-1"))
    made = run("backup", "-")
    assert b"entries of acme" in made.stderr
    (tmp_path / "copy.gz").write_bytes(made.stdout)
    assert check(tmp_path / "copy.gz").installation == "acme"
    office.say(activated("SVC-2", mac="00:00:5E:00:53:02", ipv4="198.51.100.11"))
    restored = run("restore", "-", "--replace", given=made.stdout)
    assert b"leasewire orphans list NAME" in restored.stdout
    store = Context(office.folder / "routers.toml").store
    assert [service.record.service_id for service in store.views.services()] == ["SVC-1"]
    cut = run("restore", "-", "--replace", given=made.stdout[:-30], code=1)
    assert b"is incomplete or was changed" in cut.stderr


def test_there_is_no_room_for_what_comes_in(run):
    small = ("sh", "-c", 'ulimit -f 1; exec "$0" "$@"')  # files of half a kilobyte at the most
    full = run("restore", "-", given=b"x" * 100_000, code=2, before=small)
    assert b"set TMPDIR to another directory" in full.stderr


def test_a_first_inventory_goes_out(run, office):
    text = run("init", "-").stdout.decode()
    assert text.startswith("#")
    assert "[installation]" in text
    assert sorted(path.name for path in office.folder.iterdir()) == ["routers.toml"]
    assert SOURCE in (office.folder / "routers.toml").read_text(), "it was left alone"
