"""The plan of a router that does not answer, made from what was last written to it."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac, mac_changed, suspended
from tests.small_installation import SERVER, SmallInstallation
from worker.admin.last_written import LastWritten
from worker.admin.router_reading import read_now
from worker.convergence.full_read import read_fully

pytestmark = [pytest.mark.redis, pytest.mark.router]

LINES = {
    "mac-server": "",
    "lists": 'suspend_list = "suspended"\n',
    "queues": 'rates = "queue"\nthrottle = "1M/1M"\n',
}
SERVICES = ("SVC-1", "SVC-2", "SVC-3")
PLANS = '[plans.HOME]\nrate_limit = "5M/20M"\n'


def service(number, **given):
    return activated(
        f"SVC-{number}",
        router="R1",
        server=SERVER,
        mac=mac(number),
        ipv4=ipv4(number),
        plan={"code": "HOME"},
        **given,
    )


@pytest.fixture(params=sorted(LINES))
def here(request):
    lines = {"R1": LINES[request.param]}
    simulator = {"with_mac_server": request.param == "mac-server"}
    with SmallInstallation(1, router_lines=lines, tables=PLANS, simulator=simulator) as here:
        here.say(service(1), service(2, dns_servers=["192.0.2.53"], label="Elm"), service(3))
        here.drain()
        here.say(suspended("SVC-3", revision=2))
        here.drain()
        assert here.store.views.router("R1").queued == 0
        yield here


def from_store(here):
    last = LastWritten(here.store, "R1", here.policies["R1"])
    return read_fully(here.store, last, "R1", last.policy)


def test_nothing_is_to_be_written_once_all_was_read_back(here):
    read = from_store(here)
    assert read.plan.operations == ()
    rows = sum(bool(r.placements["R1"].written) for r in map(here.record, SERVICES))
    assert (read.services, read.rows) == (3, rows)
    assert rows > 1  # the suspended one has none in some menus
    assert not read.plan.waiting


def test_what_changed_since_is_what_a_pass_writes(here):
    here.say(
        mac_changed("SVC-1", mac(11), revision=2),
        cancelled("SVC-2", revision=2),
        service(4),
    )
    expected = read_now(here.store, here.inventory, here.sessions, "R1", even_if_away=True)
    assert not expected.error
    shown = from_store(here).plan.operations

    def kinds(operations):
        return sorted((type(op).__name__, op.service_id, op.menu) for op in operations)

    planned = {(line.sign, line.service) for line in expected.lines if line.sign in "+~-"}
    signs = {"Add": "+", "Set": "~", "Remove": "-"}
    assert {(signs[name], service_id) for name, service_id, _ in kinds(shown)} == planned
    assert {"SVC-1", "SVC-2", "SVC-4"} <= {op.service_id for op in shown}
