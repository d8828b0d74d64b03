"""Which hosts there are, and which of their processes fell silent."""

from dataclasses import replace

from tests.core.test_health import WELL
from tests.signs import process
from worker.core.alerting.health import assess
from worker.core.alerting.processes import ProcessSign, hosts_of


def sign(name, ago_ms=500, **fields):
    return ProcessSign(process(name, **fields), ago_ms)


def said(*signs):
    found = assess(replace(WELL, processes=[*WELL.processes, *signs]), 3600)
    return [finding.detail for finding in found if finding.what == "hosts"]


def test_hosts_have_their_processes_versions_and_last_sign():
    hosts = hosts_of(
        [
            sign("events@b:1", 900, version="0.1.0", answer_ms=2.5),
            sign("events@b:2", 400, version="0.2.0", clock_ms=-300, answer_ms=1.0),
            sign("routers@a:1", 100, version="0.1.0"),
            sign("routers@b:3", 20_000, version="0.0.9"),
            sign("routers@b:4", 90_000, version="0.0.9"),
        ]
    )
    assert [host.name for host in hosts] == ["a", "b"]
    b = hosts[1]
    assert (b.running, b.silent) == ({"events": 2}, {"routers": 20_000})
    assert (b.versions, b.ago_ms, b.clock_ms, b.answer_ms) == (["0.1.0", "0.2.0"], 400, -300, 2.5)


def test_a_silent_process_is_said_unless_another_of_its_kind_runs_there():
    assert said(sign("gateway@a:7", 15_000)) == ["gateway on a has given no sign of life for 15 s"]
    assert said(sign("gateway@a:7", 14_999)) == []
    assert said(sign("gateway@a:7", 15_000), sign("gateway@a:8", 10)) == []
    assert said(sign("gateway@a:7", 15_000), sign("gateway@b:8", 10)) != []


def test_a_clock_that_differs_and_a_name_of_two_hosts_are_said():
    assert said(sign("events@b:1", clock_ms=5_000)) == []
    assert said(sign("events@b:1", clock_ms=-3_600_000)) == [
        "the clock of b is 3600 s behind Redis's (over 5 s)"
    ]
    assert said(sign("events@b:1", boot="1a"), sign("routers@b:1", boot="1a")) == []
    assert said(sign("events@b:1", boot="1a"), sign("routers@b:1", boot="2b")) == [
        "2 hosts are named b"
    ]
