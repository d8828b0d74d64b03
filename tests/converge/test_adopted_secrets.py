"""Sessions by secrets that were adopted end for what an event changes, and for nothing else."""

import pytest

from tests import builders
from tests.converge.test_adoption_and_kills import adopting
from tests.converge.test_ppp_secrets import Killed, plan
from tests.ppp import ACTIVE, SECRET, activated, block, login, ppp_changed
from worker.convergence.make_effective import MakeEffective
from worker.core.rows.rows import NO_ADDRESS

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def here(logged_in):
    return logged_in


def killed(*_):
    raise Killed


def adopt(here, event, number, **differs):
    """Have a secret that a person made adopted for an event that waits for it; log in by it."""
    as_said = {**login(number), "profile": "p-gold", "remote-address": builders.ipv4(number)}
    row = {**as_said, **differs}
    here.r["R1"].add_row(SECRET, {**row, "comment": "customer"})
    here.say(here.seal(event))
    here.drain()
    with adopting(here) as adopts:
        assert adopts().tagged == [f"SVC-{number}"]
    assert here.r["R1"].ppp_login(row["name"], row["password"])


def gold(number, **fields):
    return activated(number, plan={"code": "gold"}, **fields)


def suspended(number, mode="block"):
    fields = {"status": "suspended", "suspension": {"mode": mode}, "plan": {"code": "gold"}}
    return builders.event("snapshot", f"SVC-{number}", revision=1, service=block(number, **fields))


def cancelled(number):
    return builders.cancelled(f"SVC-{number}", revision=2)


def renamed(number):
    return ppp_changed(number, name=f"other{number}@isp")


def comments(here):
    return [row.get("comment") for row in here.r["R1"].rows(SECRET)]


ENDING = [
    ("password", gold, {"password": "old"}, None),
    ("plan", gold, {"profile": "p-silver"}, None),
    ("address", gold, {"remote-address": builders.ipv4(200)}, None),
    ("name", gold, {"name": "by-hand@isp"}, None),
    ("suspended", suspended, {}, None),
    ("suspended-next", gold, {}, lambda n: builders.suspended(f"SVC-{n}", "block", revision=2)),
    ("cancelled-next", gold, {}, cancelled),
    ("name-next", gold, {"remote-address": NO_ADDRESS}, renamed),
    ("plan-next", gold, {}, lambda n: plan(n, "silver")),
]


@pytest.mark.parametrize("dies", [False, True], ids=["", "worker-dies"])
@pytest.mark.parametrize("case", range(len(ENDING)), ids=[each[0] for each in ENDING])
def test_it_ends_for_what_an_event_changes(here, monkeypatch, case, dies):
    _, first, differs, then = ENDING[case]
    number = 1 + 2 * case + dies
    adopt(here, first(number), number, **differs)
    if then:
        here.say(here.seal(then(number)))
    if dies:
        with monkeypatch.context() as patched:
            patched.setattr(MakeEffective, "needs_cut", killed)
            with pytest.raises(Killed):
                here.converge.run("R1")
        here.client.delete(here.block("R1").lock)  # its time limit is over
        here.load()
    here.drain()
    assert here.outcome(here.seal(first(number))).startswith(("applied", "superseded"))
    assert here.r["R1"].rows(ACTIVE) == []
    assert comments(here).count(f"leasewire:acme:SVC-{number} customer") == (then is not cancelled)


@pytest.mark.parametrize(
    ("number", "event"),
    [(31, gold(31)), (32, suspended(32, "walled_garden"))],
)
def test_it_goes_on_where_its_secret_gives_what_it_gave(here, number, event):
    """Our pass narrows the service of the secret, of which a session has nothing."""
    adopt(here, event, number)
    before = here.r["R1"].rows(ACTIVE)
    here.drain()
    assert here.outcome(here.seal(event)).startswith("applied")
    assert here.secret(number)["service"] == "pppoe"
    assert here.r["R1"].rows(ACTIVE) == before
