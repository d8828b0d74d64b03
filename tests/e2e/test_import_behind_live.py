"""An import waits for live events, and ends on the router."""

import subprocess
import sys

import pytest

from tests import dialling
from tests.builders import activated
from tests.forking import Forked
from tests.installation import MENU, SECRETS, SERVER, Installation
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

ROWS = 40
DIALS = MENU == SECRETS
HEAD = f"service_id,router,{'ppp_name,ppp_password' if DIALS else 'mac'},ipv4\n"


@pytest.fixture
def installation(short_directory):
    with Installation(short_directory) as installation:
        yield installation


def row(number, router):
    mac = f"02:00:00:00:00:{number:02X}"
    device = ",".join(dialling.login(mac).values()) if DIALS else mac
    return f"S-{number},{router},{device},223.203.225.{number + 20}\n"


def test_a_live_event_does_not_wait_behind_an_import(installation):
    router = next(iter(installation.control))
    store = installation.store
    text = HEAD + "".join(row(number, router) for number in range(ROWS))
    (installation.directory / "s.csv").write_text(text)
    command = [sys.executable, "-m", "leasewire", "import", "s.csv", "--apply"]
    process = Forked(
        command,
        env=installation.environ,
        cwd=installation.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: store.journal.depth("bulk") == ROWS, "the rows wait", within_s=30)
    address = {"mac": "02:00:00:00:FF:01", "ipv4": "223.203.225.200"}
    live = activated("LIVE", router=router, server=SERVER, **address)
    installation.publisher.publish([live])
    installation.start_workers("events", "routers")
    assert process.wait(30) == 0
    accepted = {
        service: store.views.service(service, ()).events[0].event.accepted_at_ms
        for service in ("LIVE", *(f"S-{number}" for number in range(ROWS)))
    }
    assert min(accepted.values()) == accepted["LIVE"]
    eventually(
        lambda: len(installation.rows(router)) == ROWS + 1, "all are on the router", within_s=20
    )
