"""PPPoE with real workers and commands: a service's life in its secret, and its sessions."""

import json

import pytest

from tests import builders, ppp
from tests.installation import INSTALLATION, SECRETS, Installation, names_its_kind
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, names_its_kind]

NAME, FIRST, SECOND = "user1@isp", "correct horse 7", "battery staple 8"
LINES = {"suspend_profile": '"walled"'}


def test_a_service_lives_in_its_secret(short_directory):
    with Installation(
        short_directory, menu=SECRETS, inventory={"R1": LINES}, tables=ppp.PLANS
    ) as here:
        router = here.control["R1"]
        for name in ("p-gold", "p-silver", "walled"):
            router.add_row(ppp.PROFILE, {"name": name})
        theirs = router.add_row(ppp.SECRET, {"name": "theirs", "password": "x"})
        router.ppp_login("theirs", "x")
        here.start_workers("events", "routers")

        def say(event):
            here.publisher.publish([event])
            here.wait_until_applied(event)
            (row, *_) = [row for row in router.rows(ppp.SECRET) if row[".id"] != theirs] or [{}]
            return row

        def session():
            found = [row for row in router.rows(ppp.ACTIVE) if row["name"] == NAME]
            return found[0]["session-id"] if found else ""

        row = say(ppp.activated(1, ppp=ppp.login(1, FIRST), plan={"code": "gold"}))
        assert (row["name"], row["password"], row["profile"]) == (NAME, FIRST, "p-gold")
        assert row["comment"] == f"leasewire:{INSTALLATION}:SVC-1"
        assert router.ppp_login(NAME, FIRST, redials=True)["address"] == builders.ipv4(1)
        began = session()
        plan = builders.event("plan_changed", revision=2, plan={"code": "silver"})
        assert say(plan)["profile"] == "p-silver"
        eventually(lambda: session() not in ("", began), "its device logged in again")
        assert say(builders.suspended(revision=3))["profile"] == "walled"
        assert say(builders.resumed(revision=4))["profile"] == "p-silver"
        assert say(ppp.ppp_changed(1, password=SECOND, revision=5))["password"] == SECOND
        eventually(lambda: not session(), "the old password opens nothing")
        assert router.ppp_login(NAME, SECOND)["address"] == builders.ipv4(1)
        asked = here.leasewire("why", NAME)
        assert (asked.returncode, "all is well" in asked.stdout) == (0, True), asked.stdout
        planned = here.leasewire("plan", "R1")
        assert planned.stdout == "R1: 1 service, 2 rows; nothing to write\n"
        checked = here.leasewire("routers", "check", "R1")
        assert "held in /ppp/secret" in checked.stdout
        exported = here.leasewire("export", "--format", "ndjson")
        assert json.loads(exported.stdout)["service"]["ppp"]["name"] == NAME
        shown = here.leasewire("services", "show", "SVC-1", "--json")
        for text in (asked.stdout, exported.stdout, shown.stdout, shown.stderr):
            assert FIRST not in text
            assert SECOND not in text
        assert say(builders.cancelled(revision=6)) == {}
        assert [row["name"] for row in router.rows(ppp.ACTIVE)] == ["theirs"]
        logs = "".join(
            (short_directory / f"{kind}.log").read_text() for kind in ("events", "routers")
        )
        assert "session" in logs
        assert FIRST not in logs
        assert SECOND not in logs
