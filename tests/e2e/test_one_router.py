"""One router and real workers: what it costs, what is refused, what waits and goes on."""

import json
from pathlib import Path

import pytest

from tests import builders
from tests.installation import LEASES, PASSWORD, SERVER, USERS, Installation, in_leases, over_tls
from tests.waiting import eventually
from worker.store.records import COMMITS_PER_CALL

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

LOGIN = "/login"


def mac(number):
    return f"00:00:5E:00:{number >> 8:02X}:{number & 255:02X}"


def activated(number, router="R1", **given):
    given = {"server": SERVER, "mac": mac(number), "ipv4": f"100.64.0.{number}"} | given
    return builders.activated(f"SVC-{number}", router=router, **given)


def test_two_hundred_services_cost_a_few_prints_and_one_login(short_directory):
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(n) for n in range(1, 201)])
        eventually(lambda: len(here.rows("R1")) == 200, "200 rows", within_s=20)
        here.wait_until_settled()
        counters = here.control["R1"].counters()
        probes = here.menu != LEASES  # one print more asks whether the menu is there
        # each commit of the fold calls: a batch may be as small as one, and takes two prints
        # over REST all users come at once, and are counted before
        each = 2 if (here.menu, here.transport) == (USERS, "rest") else 1
        assert counters[f"{here.menu}/print"] <= 2 * each * 200 / COMMITS_PER_CALL + probes
        assert counters[LOGIN] == 1
        assert counters[f"{here.menu}/add"] == 200


def test_a_wrong_password_blocks_one_router_only(short_directory):
    wrong = {"R1": {"password_env": '"WRONG_PASSWORD"'}}
    with Installation(short_directory, routers=2, inventory=wrong) as here:
        here.environ_more = {"WRONG_PASSWORD": "this-is-not-it"}
        here.start_workers("events", "routers")
        events = [activated(1), activated(2, router="R2")]
        here.publisher.publish(events)
        eventually(lambda: here.rows("R2"), "the other router goes on", within_s=20)
        eventually(
            lambda: here.store.views.state("R1").state == "blocked",
            "R1 is blocked",
            within_s=20,
        )
        assert here.store.views.state("R1").cause == "login-refused"
        assert here.outcome(events[0]).state == "accepted"
        assert here.control["R1"].journal() == []
        checked = here.leasewire("routers", "check", "R1")
        assert checked.returncode == 1
        assert "password" in checked.stdout
        del here.inventory["R1"]["password_env"]
        here.write_inventory()
        for worker in here.workers:
            worker.process.terminate()
            worker.process.wait()
        here.start_workers("events", "routers")
        eventually(
            lambda: here.rows("R1"), "the right password lets the backlog through", within_s=20
        )


@over_tls
def test_a_wrong_fingerprint_writes_nothing(short_directory):
    wrong = {"R1": {"fingerprint": f'"{"ab" * 32}"'}}
    with Installation(short_directory, inventory=wrong) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(
            lambda: here.store.views.state("R1").state == "blocked",
            "R1 is blocked",
            within_s=20,
        )
        assert here.store.views.state("R1").cause == "certificate-mismatch"
        assert LOGIN not in here.control["R1"].counters()
        checked = here.leasewire("routers", "check", "R1")
        assert checked.returncode == 1
        assert here.ready["routers"][0]["fingerprint_sha256"] in checked.stdout.replace(":", "")


@in_leases
def test_a_lease_made_static_is_ours_even_if_the_next_write_never_came(short_directory):
    with Installation(short_directory) as here:
        router = here.control["R1"]
        offered = router.device(mac(1), server=SERVER)
        router.set_faults(lose_replies=1, fault_command="/lease/make-static")
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1, ipv4=offered["address"])])
        eventually(lambda: here.rows("R1"), "the row has our tag", within_s=20)
        here.wait_until_settled()
        (row,) = router.rows(LEASES)
        assert (row[".id"], row["dynamic"]) == (offered["row_id"], "false")
        made = [e for e in router.journal() if e["command"].endswith("make-static")]
        assert len(made) == 1


def test_no_secret_appears_anywhere(short_directory):
    with Installation(short_directory, forks=False) as here:  # each with a command line of its own
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(lambda: here.rows("R1"), "the row", within_s=20)
        here.control["R1"].set_faults(refuse_login=True)
        here.control["R1"].reset_sessions()
        here.publisher.publish([activated(2)])
        eventually(
            lambda: here.store.views.state("R1").state == "blocked",
            "R1 is blocked",
            within_s=20,
        )
        for worker in here.workers:
            arguments = Path(f"/proc/{worker.process.pid}/cmdline").read_bytes()
            assert PASSWORD.encode() not in arguments
        kept = []
        for key in here.client.scan_iter():
            kept += [key, json.dumps(_value(here.client, key))]
        assert PASSWORD not in "".join(kept)
        assert PASSWORD not in here.log_text()
        for arguments in (["routers", "list"], ["routers", "check", "R1"], ["plan"]):
            shown = here.leasewire(*arguments)
            assert PASSWORD not in shown.stdout + shown.stderr
        assert mac(1) not in here.log_text()


def _value(client, key):
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": lambda key: sorted(client.smembers(key)),
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
        "none": lambda _: None,  # gone since the scan: it lives only while something is under way
    }
    return read[client.type(key)](key)
