import json
import sys
import threading
from pathlib import Path

import pytest
import typer

from contracts.identity import event_key
from contracts.names import journal_body
from contracts.parse import logins_in, parse_event
from contracts.sealing import Sealer
from leasewire.context import actor_of
from leasewire.sources.publish_one import EVENTS, event_of
from tests.builders import SOURCE, activated
from tests.forking import run

EVENT = {
    "id": "e-1",
    "source": "urn:isp:bss:acme",
    "type": "leasewire.service.mac_changed.v1",
    "time": "2026-11-24T10:00:00Z",
    "data": {"service_id": "SVC-1", "revision": 1, "mac": "0000.5e00.5302"},
}
KEY = event_key("urn:isp:bss:acme", "e-1")


def publish(*arguments, url="redis://127.0.0.1:1", prefix="lw:", given="", **environ):
    """Run the command as a shell would."""
    return run(
        [sys.executable, "-m", "leasewire", "publish", *arguments],
        env={"LEASEWIRE_REDIS_URL": url, "LEASEWIRE_KEY_PREFIX": prefix, **environ},
        given=given,
        text=True,
    )


@pytest.fixture
def bodies(valkey, prefix):
    """The bodies in a lane's journal."""

    def read(lane="events"):
        with valkey.client() as client:
            return client.hgetall(journal_body(prefix, lane))

    return read


@pytest.mark.redis
def test_the_events_of_a_file_are_published(valkey, prefix, tmp_path, bodies):
    path = tmp_path / "events.ndjson"
    path.write_text(f"{json.dumps(EVENT)}\n{json.dumps(EVENT | {'id': 'e-2'})}\n")
    done = publish(str(path), "--json", "--bulk", url=valkey.url, prefix=prefix)
    assert (done.returncode, done.stderr) == (0, "")
    receipts = json.loads(done.stdout)["receipts"]
    assert receipts[0] == {
        "event": "e-1",
        "source": "urn:isp:bss:acme",
        "type": "leasewire.service.mac_changed.v1",
        "service": "SVC-1",
        "published": True,
        "message_sent": True,
    }
    assert [receipt["event"] for receipt in receipts] == ["e-1", "e-2"]
    assert KEY in bodies("bulk")
    assert len(bodies("bulk")) == 2


@pytest.mark.redis
def test_standard_input_is_read_and_a_table_is_shown(valkey, prefix, bodies):
    done = publish("-", url=valkey.url, prefix=prefix, given=json.dumps(EVENT, indent=1))
    assert (done.returncode, done.stderr) == (0, "")
    assert "SVC-1" in done.stdout
    assert "leasewire events show e-1" in done.stdout
    assert KEY in bodies()


@pytest.mark.redis
def test_broken_events_are_all_named_and_nothing_is_published(valkey, prefix, bodies):
    broken = EVENT | {"data": {"service_id": "SVC-1", "mac": "ff:ff:ff:ff:ff:ff", "x": 1}}
    lines = [json.dumps(EVENT), json.dumps(broken), '{"id": 1', json.dumps(broken | {"id": "b"})]
    done = publish("-", url=valkey.url, prefix=prefix, given="\n".join(lines))
    assert done.returncode == 2
    assert done.stdout == ""
    named = [line.split(" ")[0:3] for line in done.stderr.splitlines()]
    assert named == [
        ["standard", "input:2:", "/data/mac"],
        ["standard", "input:2:", "/data/x"],
        ["standard", "input:3:", "event"],
        ["standard", "input:4:", "/data/mac"],
        ["standard", "input:4:", "/data/x"],
    ]
    assert "[mac-group]" in done.stderr
    assert "[malformed-json]" in done.stderr
    assert "ff:ff" not in done.stderr
    assert bodies() == {}


@pytest.mark.redis
def test_a_reused_id_is_a_failure(valkey, prefix, bodies):
    publish("-", url=valkey.url, prefix=prefix, given=json.dumps(EVENT))
    other = EVENT | {"data": EVENT["data"] | {"mac": "0000.5e00.5303"}}
    done = publish("-", url=valkey.url, prefix=prefix, given=json.dumps(other))
    assert done.returncode == 2
    assert "not published" in done.stdout
    assert "[event-id-reused]" in done.stderr
    assert json.loads(bodies()[KEY])["data"]["mac"] == "00:00:5E:00:53:02"


@pytest.mark.redis
def test_one_event_is_said_by_options(valkey, prefix, bodies):
    options = "--service device-c --router core-1 --server dhcp-vlan-32 --mac 001122334466"
    place = "--address 223.203.225.11 --label C --customer K --revision 3 --dns 198.51.100.53"
    done = publish("activated", *options.split(), *place.split(), url=valkey.url, prefix=prefix)
    assert (done.returncode, done.stderr) == (0, "")
    (body,) = bodies().values()
    event = parse_event(body)
    assert event.source == "urn:leasewire:cli"
    assert event.data.service.device.mac == "00:11:22:33:44:66"
    assert event.data.service.address.ipv4 == "223.203.225.11"
    assert event.data.revision == 3


@pytest.fixture
def redis_here(valkey, prefix):
    """Where `publish` finds Redis."""
    return {"url": valkey.url, "prefix": prefix}


@pytest.fixture
def nowhere(monkeypatch):
    """There is no Redis."""
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://127.0.0.1:1")


PASSWORD = "correct horse 7"
LOGIN = ("--service", "SVC-1", "--ppp-name", "ada@isp", "--ppp-password-file")


@pytest.mark.redis
@pytest.mark.parametrize(
    ("name", "more"),
    [("activated", ("--router", "R1", "--address", "198.51.100.9")), ("ppp-changed", ())],
)
def test_a_password_comes_from_a_file_and_is_sealed(redis_here, bodies, tmp_path, name, more):
    (tmp_path / "keys").write_text(key := "ab" * 64)
    keys = {"LEASEWIRE_SECRET_KEYS_FILE": str(tmp_path / "keys")}
    where = {**redis_here, **keys}
    done = publish(name, *LOGIN, "-", *more, given=f"{PASSWORD}\nand more", **where)
    assert (done.returncode, done.stderr) == (0, "")
    (body,) = bodies().values()
    assert PASSWORD not in body
    ((_, login),) = logins_in(json.loads(body))
    assert Sealer.from_text(key).open(login["password"]) == ("ada@isp", PASSWORD)
    (tmp_path / "secret").write_bytes(f"{PASSWORD}\r\n".encode())
    dry = publish(name, *LOGIN, str(tmp_path / "secret"), *more, "--dry-run", "--json", **keys)
    assert dry.returncode == 0
    assert "ada@isp" in dry.stdout
    assert "password" not in dry.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sealed:not so", "activated: --ppp-password-file begins with sealed:"),
        (b"\n", "secret: its first line is empty"),
        (b"\xff", "secret: is not UTF-8 text"),
        (b"x" * 5000, "secret: its first line is longer than 4096 bytes"),
        (None, "secret: cannot be read: No such file or directory"),
    ],
)
def test_a_password_that_cannot_be_one_is_not_shown(leasewire, nowhere, tmp_path, content, message):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    options = (*LOGIN, str(tmp_path / "secret"), "--router", "R1", "--address", "198.51.100.9")
    refused = leasewire("publish", "activated", *options)
    assert refused.code == 2
    assert message in refused.err
    assert "not so" not in refused.out + refused.err


def test_a_service_without_a_device_and_a_login_is_refused(leasewire, nowhere):
    where = ("--router", "R1", "--address", "198.51.100.9")
    refused = leasewire("publish", "activated", "--service", "SVC-1", *where)
    assert refused.code == 2
    assert "give the device's MAC, or what it logs in with" in refused.err


def test_a_dry_run_needs_no_redis_and_shows_the_event():
    done = publish("resumed", "--service", "SVC-1", "--dry-run", "--json")
    assert done.returncode == 0
    (event,) = json.loads(done.stdout)["events"]
    assert parse_event(event).data.service_id == "SVC-1"


@pytest.fixture
def at_work(world):
    """A worker that takes events in and visits R1, as long as the test lasts."""
    stop = threading.Event()

    def work():
        while not stop.wait(0.02):
            world.accept.run((), "events")
            world.converge.run("R1")

    worker = threading.Thread(target=work)
    worker.start()
    yield world
    stop.set()
    worker.join()


ACTIVATED = (*("publish", "activated", "--service", "SVC-1", "--mac", "00:00:5E:00:53:01"),)
SERVED = (*ACTIVATED, "--address", "223.203.225.50", "--server", "dhcp-vlan-32")


@pytest.mark.redis
@pytest.mark.router
def test_wait_prints_what_became_of_an_event(at_work, leasewire):
    done = leasewire(*SERVED, "--router", "R1", "--wait", "60")
    assert (done.code, done.err) == (0, "")
    assert "applied" in done.out
    older = ("--mac", "00:00:5E:00:53:02", "--time", "2026-01-01T00:00:00Z")
    late = leasewire(
        "publish", "mac-changed", "--service", "SVC-1", *older, "--wait", "60", "--json"
    )
    (receipt,) = late.document["receipts"]
    assert receipt["published"]
    assert (late.code, receipt["outcome"]["state"]) == (1, "superseded")


@pytest.mark.redis
@pytest.mark.router
def test_wait_prints_the_reason_and_the_detail(at_work, leasewire):
    useless = ("--address", "10.9.9.9", "--server", "dhcp-vlan-32", "--router", "R1")
    done = leasewire(*ACTIVATED, *useless, "--wait", "60")
    assert done.code == 0
    assert "  applied (address-outside-networks): 10.9.9.9 is in none of" in done.out


@pytest.mark.redis
@pytest.mark.router
def test_wait_ends_in_time_and_says_that_it_is_not_over(at_work, leasewire):
    waiting = leasewire(*ACTIVATED, "--router", "R9", "--pool", "p", "--wait", "1")
    assert waiting.code == 3
    assert "! router R9 is not in routers.toml" in waiting.err
    assert "Still pending after 1 s" in waiting.err


@pytest.mark.redis
@pytest.mark.router
def test_an_unknown_source_is_said_at_once(world, leasewire):
    refused = leasewire("publish", "cancelled", "--service", "SVC-1", "--source", "urn:nobody")
    assert refused.code == 2
    assert "urn:nobody is not in [sources] of routers.toml: nothing was published" in refused.err
    assert world.context.store.journal.depth("events") == 0


@pytest.mark.redis
@pytest.mark.router
def test_an_event_that_lacks_its_revision_is_warned_of(world, leasewire):
    cancelling = ("publish", "cancelled", "--service", "SVC-1", "--source", SOURCE, "--dry-run")
    warned = leasewire(*cancelling, "--id", "e-7")
    assert warned.code == 0
    assert "! 1 event without data.revision, such as e-7: they are rejected" in warned.err
    for more in (("--revision", "3"), ("--source", "urn:leasewire:cli")):
        assert leasewire(*cancelling, *more).err == ""


@pytest.mark.redis
@pytest.mark.router
def test_a_rejected_event_is_known_by_its_dead_letter(world, leasewire):
    world.say(activated("SVC-1", source="urn:nobody") | {"id": "e-nobody"})
    shown = leasewire("events", "show", "e-nobody")
    assert shown.code == 0
    assert "source-not-allowed" in shown.out
    (found,) = leasewire("events", "show", "e-nobody", "--json").document["events"]
    assert found["state"] == "rejected"
    assert leasewire("dead-letters", "show", found["dead_letter"]).code == 0
    assert leasewire("events", "show", "e-other").code == 1


def test_without_redis_the_exit_code_is_3_and_says_what_to_do():
    done = publish("cancelled", "--service", "SVC-1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Redis cannot be reached: start it" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mac-changed --mac 00:11:22:33:44", "mac-changed: --mac '00:11:22:33:44' is not a MAC"),
        ("address-changed --address 1.2.3", "address-changed: --address '1.2.3' is not an"),
        ("moved --router R1 --time noon", "moved: --time 'noon' is not a time"),
        ("mac-change --mac x", "Did you mean mac-changed?"),
        ("nonsense --service S", "No event 'nonsense', and no such file. --help lists the events."),
    ],
)
def test_a_mistake_names_the_option_and_what_was_given(given, said):
    done = publish(*given.split(), "--service", "SVC-1", "--dry-run")
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file"], "no-such-file: cannot be read: No such file"),
        (["-"], "standard input: holds no event"),
    ],
)
def test_what_cannot_be_read_is_bad_input(arguments, said):
    done = publish(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


FULL = {
    "service": "SVC-1",
    "router": "tower-7",
    "mac": "00:00:5E:00:53:01",
    "address": "198.51.100.10",
    "dns": ["198.51.100.53"],
    "option": ["42=c6336435", "67=61"],
    "plan": "HOME-50",
    "event": ["e-4"],
    "number": 2,
}
LOGINS = {"ppp_name": "ada@isp", "ppp_password_file": Path("secret")}


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_of_the_contract_can_be_said_by_options(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("pw")
    text, options = EVENTS[name]
    given = {option.name: (FULL | LOGINS).get(option.name) for option in options}
    extra = {"customer": None, "revision": None, "reason": "x", "time": "2026-11-24T10:00:00Z"}
    extra["actor"] = None
    given |= {"service": "SVC-1", "id": "e-1", "source": "urn:leasewire:cli", **extra}
    if name == "snapshot":
        given["status"] = "active"
    event = event_of(name, given) | {
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "subject": "service/SVC-1",
    }
    assert parse_event(event).data.reason.code == "x"
    assert f"Example: leasewire publish {name} --service" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dns-changed", "--none"], {"dns_servers": []}),
        (["options-changed", "--none"], {"options": []}),
        (
            ["options-changed", "--option", "42=C6336435"],
            {"options": [{"code": 42, "hex": "c6336435"}]},
        ),
        (["address-changed", "--pool", "cust"], {"address": {"mode": "pool", "pool": "cust"}}),
        (["schedule-withdrawn", "--event", "a", "--event", "b"], {"withdraws": ["a", "b"]}),
        (
            ["cancelled", "--effective-at", "2020-01-01T01:00:00+01:00"],
            {"effective_at": "2020-01-01T00:00:00Z"},
        ),
        (
            ["moved", "--router", "R2", "--previous-router", "R1"],
            {"access": {"router": "R2"}, "previous_access": {"router": "R1"}},
        ),
    ],
)
def test_what_the_options_of_a_command_say(leasewire, arguments, said):
    done = leasewire("publish", *arguments, "--service", "SVC-1", "--dry-run", "--json")
    assert done.code == 0, done.err
    (event,) = done.document["events"]
    assert event["data"] == {"service_id": "SVC-1", **said}


@pytest.mark.parametrize(
    ("arguments", "actor"),
    [
        (("--actor", "ann"), "ann"),
        ((), actor_of("")),
        (("--source", "urn:isp:bss"), None),
    ],
)
def test_who_acts_on_the_command_line_is_named(leasewire, arguments, actor):
    done = leasewire("publish", "resumed", "--service", "S", *arguments, "--dry-run", "--json")
    assert done.document["events"][0].get("actor") == actor


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        (["dns-changed"], "--dns or --none is missing"),
        (["options-changed", "--option", "NTP=c6"], "/data/options/0/code must be a whole"),
        (["options-changed", "--option", "42"], "/data/options/0/hex must match"),
    ],
)
def test_the_contract_names_what_the_options_lack(leasewire, arguments, pointer):
    done = leasewire("publish", *arguments, "--service", "SVC-1", "--dry-run")
    assert (done.code, pointer in done.err) == (2, True), done.err


def test_an_address_and_a_pool_exclude_each_other():
    options = {option.name: None for option in EVENTS["activated"][1]}
    common = dict.fromkeys(["customer", "revision", "reason", "time", "id", "actor"])
    given = options | common | FULL | {"pool": "p", "source": "urn:leasewire:cli"}
    with pytest.raises(typer.BadParameter, match="--address or --pool, not both"):
        event_of("activated", given)
    assert event_of("activated", given | {"address": None})["data"]["service"]["address"] == {
        "mode": "pool",
        "pool": "p",
    }
