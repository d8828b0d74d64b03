"""A simulated router that behaves as a report of `leasewire selftest` says."""

import json

import pytest

from simulator.faults import POSITIONS, Switches
from simulator.profile import read_profile

REPORT = {
    "report": "leasewire-selftest",
    "format": 1,
    "routeros": "7.21.5",
    "board": "CHR QEMU",
    "answers": [],
    "switches": {"stale_renewal": "silent", "zero_address_unique": True, "rest_limit_s": 30},
}


def written(tmp_path, **changes):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT | changes))
    return path


def test_version_board_and_switches_are_those_of_the_report(start, tmp_path):
    profile = read_profile(written(tmp_path))
    assert (profile.version, profile.board) == ("7.21.5", "chr")
    assert profile.switches == REPORT["switches"]
    process = start("--demo-password", "--json", "--profile", written(tmp_path))
    ready = json.loads(process.stdout.readline())
    assert ready["routers"][0]["version"] == "7.21.5"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"report": "else"}, "it is no report of `leasewire selftest`"),
        ({"format": 2}, "format 2 is not known; this simulator reads 1"),
        ({"color": "red"}, "unknown key color; there are: answers, "),
        ({"routeros": "7.24rc1"}, "RouterOS 7.24rc1 cannot be simulated"),
        ({"routeros": None}, "`routeros` must be a text"),
        ({"board": "x" * 65}, "`board` must be a text of at most 64 characters"),
        ({"switches": ["a"]}, "`switches` must be an object"),
        ({"switches": {"nap": "yes"}}, "no switch named nap; there are: "),
        ({"switches": {"removal": "soon"}}, "switch removal: 'soon' is not at-once, "),
        ({"switches": {"zero_address_unique": 1}}, "switch zero_address_unique: 1 is not false or"),
        ({"switches": {"rest_limit_s": True}}, "switch rest_limit_s: True is not a number above"),
        ({"switches": {"rest_limit_s": 0}}, "switch rest_limit_s: 0 is not a number above zero"),
    ],
)
def test_a_report_that_is_wrong_is_refused_with_what_is_wrong(start, tmp_path, changes, problem):
    path = written(tmp_path, **changes)
    with pytest.raises(ValueError, match="profile ") as error:
        read_profile(path)
    assert f"profile {path}: {problem}" in str(error.value)


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'{"a":"' + b"x" * 300_000 + b'"}'])
def test_what_is_no_report_is_refused(tmp_path, data):
    path = tmp_path / "report.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="profile "):
        read_profile(path)


def test_the_command_says_it_in_one_line(start, tmp_path):
    process = start("--demo-password", "--profile", written(tmp_path, format=9))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "format 9 is not known" in errors
    assert "Traceback" not in errors


def test_every_switch_is_a_word_of_a_list_or_a_number():
    for name, value in ((name, getattr(Switches(), name)) for name in Switches.__slots__):
        assert value in POSITIONS.get(name, (value,))
        assert name in POSITIONS or isinstance(value, int | float), name
