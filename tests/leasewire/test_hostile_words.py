"""What routers, devices and BSSs say is shown as text, whatever is in it, by all that reads.

Every command that shows something, and every GET route: found in the command line and in the
OpenAPI document, so that one that is new fails here until it is asked as well.
"""

import io
import json
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import product
from unittest import mock

import pytest
import typer

from contracts.webhook_signature import new_secret
from gateway.api.api_keys import KeyScope
from gateway.api.states import STATUSES, SYNCS
from gateway.outcomes.deliveries import Deliveries, Undelivered
from leasewire.cli import app
from leasewire.context import Context
from tests import builders
from tests.gateway.asking import ask_all, asking
from tests.leasewire.test_documents import commands_below
from tests.outcomes.receiver import Receiver
from tests.routeros.peers import peer
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from worker.admin import approvals
from worker.core.service.outcome import DeadLetter
from worker.store.commits import ServiceCommit
from worker.watching.unknown_devices import Watch

pytestmark = [pytest.mark.redis, pytest.mark.router]

HEARD = "HEARD"
FORGED = "FORGED all is well"
WORDS = (
    f"{HEARD}\x1b]0;t\x07\x1b[2J\x1b]8;;http://x\x1b\\\x9b31m\x85\u202e\u2066\u200b\ufeff\u2028\r\n"
    f"{FORGED}\n"
)
MARK = "Q7Q"
"""Said by a BSS where the contract takes no such words; `poison` puts them there in Redis."""
BSS, OTHER = builders.SOURCE, "urn:isp:bss:other"


def event(name, service, number=0, **data):
    return builders.event(name, service, id_=f"{name}-{service}-{number}-{MARK}", **data)


def active(service, number, **more):
    device = {"mac": builders.mac(number), "serial": MARK, "circuit_id": MARK}
    more = {"label": MARK, "plan": {"code": MARK}, "device": device, "customer_id": MARK} | more
    return activated(service, number, id_=f"{service}-{MARK}", **more)


class Hostile:
    """An installation in which everybody who may say something says such words."""

    def __init__(self, stack, folder):
        self.folder = folder
        fatal = stack.enter_context(
            peer(lambda client: client.read() and client.say("!fatal", WORDS))
        )
        trap = stack.enter_context(peer(trapping))
        routers = "".join(
            f'[routers.{name}]\nhost = "127.0.0.1"\nport = {each.api_port}\ntransport = "api"\n'
            for name, each in (("R3", fatal), ("R4", trap))
        )
        self.small = stack.enter_context(
            SmallInstallation(
                2,
                sources={BSS: 'order = "revisions"', OTHER: 'order = "times"'},
                tables=routers,
                brake="router_services = 1\nrouter_percent = 1",
                simulator={"board": WORDS, "serial": WORDS},
            )
        )
        self.receiver = stack.enter_context(Receiver(secret := new_secret()))
        home = self.small.inventory_path.parent
        (home / "webhook").write_text(secret)
        (home / "outcomes.toml").write_text(
            f'[targets.billing]\nurl = "http://127.0.0.1:{self.receiver.port}/"\n'
            f'secret_file = "webhook"\nsources = ["{BSS}"]\n'
        )
        (home / "hooks.toml").write_text(
            f'[hooks.billing]\nadapter = "generic"\nsource = "{OTHER}"\n'
            'fields = { event = "a", service_id = "s", mac = "m", time = "t" }\n'
            'events = { new = "mac_changed" }\npath_secret = { file = "webhook" }\n'
        )
        self.at_routers()
        self.events = self.at_the_desk()
        self.poison()

    def at_routers(self):
        router = self.small.r["R1"]
        for each in self.small.r.values():
            each.set_row("/system/identity", "", {"name": WORDS})
        router.add_row(
            LEASES,
            {"mac-address": builders.mac(30), "address": builders.ipv4(30), "comment": WORDS},
        )
        router.add_row(
            LEASES, {"mac-address": builders.mac(31), "comment": f"leasewire:acme:GONE {WORDS}"}
        )
        router.add_row(
            LEASES,
            {
                "mac-address": builders.mac(32),
                "address": builders.ipv4(32),
                "comment": WORDS,
                "disabled": "yes",
            },
        )
        router.run("/ip/pool/add", {"name": WORDS, "ranges": "10.9.0.10-10.9.0.14"})
        router.run("/interface/vlan/add", {"name": WORDS, "vlan-id": "9", "interface": "ether2"})
        router.run("/ip/address/add", {"address": "10.9.0.1/24", "interface": WORDS})
        router.run("/ip/dhcp-server/network/add", {"address": "10.9.0.0/24", "comment": WORDS})
        server = {"name": WORDS, "interface": WORDS, "address-pool": WORDS, "disabled": "no"}
        router.run("/ip/dhcp-server/add", server)
        for number in range(5):
            router.device(f"00:00:5E:77:00:{number:02X}", server=WORDS, host_name=WORDS)
        router.device("00:00:5E:77:01:01", server=SERVER, host_name=WORDS)
        router.set_faults(
            refuse_values=[
                {"menu": LEASES, "field": "address", "value": builders.ipv4(5), "text": WORDS}
            ]
        )

    def at_the_desk(self):
        small = self.small
        events = [
            *(active(f"SVC-{n}", n) for n in range(1, 9)),  # the router refuses SVC-5
            active("SVC-30", 30),  # in the way of which somebody else's row is
            active("SVC-31", 1),  # whose MAC and address are SVC-1's
            active("SVC-33", 33, router="R3"),
            active("SVC-34", 34, router="R4"),
            active("SVC-35", 35, router="R9"),
            event("suspended", "SVC-2", revision=2, reason={"code": MARK, "note": WORDS}),
            event(
                "cancelled",
                "SVC-3",
                revision=2,
                effective_at="2027-01-01T00:00:00Z",
                reason={"code": "x", "note": WORDS + "\x00"},
            ),
        ]
        small.say(*events)
        hostile = [
            active("SVC-90", 90) | {"id": WORDS},
            active("SVC-91", 91) | {"source": WORDS},
            active("SVC-92", 92) | {"type": WORDS},
            active("SVC-93", 93) | {"subject": WORDS, "actor": WORDS},
            active("SVC-94", 94, label=WORDS + "\x00"),
            event("mac_changed", WORDS, mac=WORDS, revision=2),
            event("moved", "SVC-4", revision=2, access={"router": WORDS}),
            {WORDS: WORDS},
        ]  # fmt: skip
        small.say(*hostile)
        small.client.sadd(small.store.keys.reports.asked, "R1")
        small.drain("R1", "R2", "R3", "R4", "R9")
        rows = {row["comment"].split()[0]: row for row in small.rows("R1")}
        changed = rows["leasewire:acme:SVC-6"]
        small.r["R1"].set_row(
            LEASES,
            changed[".id"],
            {"rate-limit": "1M/1M", "comment": f"leasewire:acme:SVC-6 {WORDS}"},
        )
        small.say(*(event("cancelled", f"SVC-{n}", revision=3) for n in (1, 4, 7, 8)))
        Watch(small.store, small.sessions, small.policies, 2.0).once()
        now_ms = small.store.records.now_ms()
        dead_letters = [
            DeadLetter(
                "message-1", "message", WORDS, WORDS, body=WORDS, source=WORDS, at_ms=now_ms
            ),
            DeadLetter(
                "hook-1", "hook", WORDS, WORDS, WORDS, body=json.dumps({"a": WORDS}), at_ms=now_ms
            ),
        ]
        small.store.records.commit([ServiceCommit("", dead_letters=dead_letters)], now_ms)
        deliveries = Deliveries(small.client, small.prefix, "billing")
        assert deliveries.hold()
        deliveries.give_up(
            Undelivered(
                {"id": "outcome-1-0", "data": {"service": WORDS, "event": WORDS}}, 1, 9, WORDS
            ),
            1,
        )
        deliveries.note_failing(WORDS, now_ms, now_ms)
        small.store.fleet.pause("R2", WORDS, WORDS)
        return [*(each["id"] for each in (*events, *hostile) if "id" in each)]

    def file(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def poison(self):
        """Put the words where the mark stands: as an older version, or anybody in Redis, would."""
        client, text = self.small.client, json.dumps(WORDS)[1:-1]
        for key in client.scan_iter(count=1000):
            match client.type(key):
                case "string":
                    client.set(key, client.get(key).replace(MARK, text), keepttl=True)
                case "hash":
                    for name, value in client.hgetall(key).items():
                        client.hset(key, name, value.replace(MARK, text))
                case "list":
                    for place, value in enumerate(client.lrange(key, 0, -1)):
                        client.lset(key, place, value.replace(MARK, text))


def trapping(client):
    tag = client.read()[-1]
    client.say("!trap", f"=message={WORDS}", tag)
    client.say("!done", tag)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    with ExitStack() as stack:
        yield Hostile(stack, tmp_path_factory.mktemp("files"))


def asked_of(here):
    """Each command that reads, or shows what it would do: with what it is asked."""
    file = here.file(
        "events.ndjson", json.dumps(active("SVC-95", 95) | {WORDS: WORDS, "source": WORDS})
    )
    table = here.file(
        "services.csv",
        f'service_id,router,mac,ipv4,label\nSVC-1,R1,00:00:5E:00:53:01,198.51.100.1,"{WORDS}"\n'
        f'SVC-2,"{WORDS}","{WORDS}","{WORDS}",x\n',
    )
    body = here.file("body.json", json.dumps({"a": "new", "s": WORDS, "m": WORDS, "t": WORDS}))
    subjects = [*("SVC-3", "SVC-5", "SVC-30", "SVC-33"), builders.mac(1), "00:00:5E:77:00:01"]
    few = ["SVC-1", "SVC-5", "SVC-33"]
    routers = ["R1", "R2", "R3", "R4"]
    dead_letters = {each.id: each.body for each in here.small.store.dead_letters.all()}
    events = [each for each, body in dead_letters.items() if "SVC-94" in body]
    claims = [builders.mac(1), builders.ipv4(1)]
    held = [each.id for each in approvals.approvals(here.small.store, here.small.policies)]
    assert held
    as_of = ("--as-of", "2026-11-29T09:00:00Z", "--source", BSS)
    return {
        "health": [()],
        "export": [("--format", "csv"), ("--format", "ndjson")],
        "import": [(table, *as_of)],
        "resync": [(table, *as_of, "--all")],
        "plan": [(), *one(routers)],
        "adopt": [(each, "--all") for each in routers],
        "drift": [(), *one(routers), ("--last",)],
        "reconcile": [(), *one(routers)],
        "status": [(), ("--memory",)],
        "why": [*one(subjects), ("SVC-33", "--offline")],
        "runbook": [(), ("router-down",)],
        "keys list": [()],
        "people list": [()],
        "hooks list": [(), ("--paths",)],
        "hooks try": [("billing", body)],
        "publish file": [(file, "--dry-run")],
        "outbox ddl": [()],
        "events show": one(f"SVC-{n}-{MARK}" for n in (1, 5, 30, 33, 34, 91, 94)),
        "events follow": [("--kept",)],
        "outcomes targets": [()],
        "outcomes failed": [("billing",)],
        "outcomes test": [("billing",)],
        "outcomes secret": [()],
        "services list": [(), ("--router", "R1")],
        "services events": one(few),
        "services purge": one(few[:1]),
        "services verify": one(few),
        "services show": [*one(TOLD), ("SVC-30", "--live"), ("SVC-33", "--live")],
        "schedule list": [("--days", "400")],
        "sources list": [()],
        "sources rebase": [(BSS,)],
        "sources transfer": [(BSS, OTHER)],
        "routers setup": [(each, "--script") for each in routers],
        "routers apply": [(), *one(routers)],
        "routers manage": one(routers),
        "routers rebuild": one(routers),
        "routers replace": one(routers),
        "routers retire": one(routers),
        "routers rename": [("R9", "R2")],
        "routers list": [()],
        "routers check": one(routers),
        "routers leases": one(routers),
        "options collect": one(routers),
        "orphans list": [(), *one(routers)],
        "orphans remove": one(routers),
        "selftest": [(each, "--dry-run") for each in routers],
        "dead-letters list": [(), ("--each",)],
        "dead-letters show": one(dead_letters),
        "dead-letters edit": [(each, "--set", "/data/service/label=y") for each in events],
        "dead-letters discard": [("--all",)],
        "alerts list": [(), ("--past",)],
        "audit list": [()],
        "audit export": [(), ("--format", "ndjson")],
        "claims list": [()],
        "claims show": [*one(claims)],
        "claims move": [(builders.mac(1), "--router", "R1", "--from", "SVC-1", "--to", "SVC-31")],
        "config check": [()],
        "reload": [()],
        "upgrade check": [()],
        "pools list": [()],
        "pools show": [("none",)],
        "pools free": [("none", "198.51.100.1")],
        "brake list": [(), *one(held)],
    }


TOLD = [f"SVC-{n}" for n in (1, 2, 3, 5, 30, 31, 33, 34, 35)]
"""Fine; suspended; cancelled some day; refused; in the way of another, of us; on no good router."""


def one(message):
    return [(each,) for each in message]


WRITES = {
    *("demo", "init", "simulator", "up", "worker", "gateway", "metrics"),
    *(
        "backup",
        "restore",
        "deploy-files",
        "redis-logins",
        "outbox relay",
        "outcomes deliver",
        "outcomes retry",
    ),
    *("alerts deliver", "alerts test", "alerts mute", "alerts unmute", "alerts dismiss"),
    *("people add", "people password", "people remove", "people role"),
    *("keys create", "keys revoke", "services restore", "routers pause", "routers resume"),
    *("dead-letters retry", "brake approve", "brake reject", "brake announce"),
}
"""They run on, or act at once: what they do is shown by those that read. And `publish EVENT`."""
SILENT = {
    *(
        "health",
        "runbook",
        "keys list",
        "people list",
        "hooks list",
        "outbox ddl",
        "outcomes secret",
    ),
    *("outcomes test", "services purge", "sources list", "sources rebase", "sources transfer"),
    *("routers setup", "routers apply", "routers manage", "routers retire", "routers rename"),
    *("dead-letters discard", "claims list", "claims show", "claims move"),
    *("pools list", "pools show", "pools free"),
    *("config check", "reload", "upgrade check"),
    *("import", "resync", "publish file", "dead-letters edit"),
}
"""They show no text of anybody else here: names, numbers, addresses; of what is wrong the place."""


def wrong_in(text):
    """What a terminal would act upon, and lines that somebody else wrote."""
    wrong = sorted({ascii(c) for c in text if not c.isprintable() and c != "\n"})
    return wrong + [line for line in text.splitlines() if line.strip() == FORGED]


COMMANDS = {
    path.removeprefix("leasewire "): {flag for each in command.params for flag in each.opts}
    for path, command in commands_below(typer.main.get_command(app), "leasewire").items()
}
READ = [
    each
    for each in COMMANDS
    if each not in WRITES and (each == "publish file" or not each.startswith("publish "))
]


@pytest.mark.parametrize("command", READ)
def test_no_command_shows_it_as_it_is(hostile, leasewire, monkeypatch, command):
    asked = asked_of(hostile)
    assert command in asked, "say above how it is asked; or that it writes"
    assert asked.keys() == set(READ)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", hostile.small.server.url)
    monkeypatch.setenv("LEASEWIRE_INVENTORY", str(hostile.small.inventory_path))
    monkeypatch.setenv("LEASEWIRE_LOG_FORMAT", "console")
    heard = False
    for arguments, as_json in product(asked[command], (False, True)):
        if as_json and "--json" not in COMMANDS[command]:
            continue
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))  # to who asks whether to go on
        with interrupted() if command == "events follow" else nullcontext():
            said = leasewire(*command.split(), *arguments, *["--json"] * as_json)
        heard |= HEARD in said.out + said.err
        wrong = wrong_in(said.out), wrong_in(said.err)
        assert wrong == ([], []), (arguments, as_json)
        if as_json and said.out.strip():
            lines = said.out.splitlines() if command == "events follow" else [said.out]
            assert all(json.loads(each) for each in lines)
    assert heard == (command not in SILENT)


@contextmanager
def interrupted():
    """Ctrl-C, as soon as the command waits for more."""
    here, sleep = threading.current_thread(), time.sleep

    def interrupt(seconds):
        if threading.current_thread() is here:
            raise KeyboardInterrupt
        sleep(seconds)

    with mock.patch("time.sleep", interrupt):
        yield


def test_no_get_route_shows_it_as_it_is(hostile):
    context = Context(hostile.small.inventory_path, redis_url=hostile.small.server.url)
    values = {
        "event_id": [*hostile.events, WORDS],
        "service_id": [*TOLD, WORDS],
        "event_type": [WORDS],
        "adapter": ["generic"],
        "endpoint_id": [WORDS],
        "source": [WORDS, BSS],
        "cursor": [WORDS, "0"],
        "wait": [0],
        "most": [1000],
        "reason": [WORDS],
        "router": ["R1", WORDS],
        "status": STATUSES,
        "sync": SYNCS,
    }
    wrong, heard = [], set()
    with asking(context, *KeyScope, sources=[BSS, OTHER]) as client:
        for path, named, query, answer in ask_all(client, values):
            assert answer.status_code < 500, answer.text
            if answer.is_success and HEARD in answer.text:
                heard.add(path)
            if bad := wrong_in(answer.text):
                wrong.append((path, named, query, bad))
    context.store.client.close()
    assert wrong == []
    assert heard == {
        "/v1/dead-letters",
        "/v1/events/{event_id}",
        "/v1/approvals",
        "/v1/outcomes",
        "/v1/services",
        "/v1/services/{service_id}",
        "/v1/services/{service_id}/events",
    }
