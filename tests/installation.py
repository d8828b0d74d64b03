"""A whole installation on this machine: a real Valkey, simulated routers, real worker processes."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Self

import pytest

from contracts.identity import event_key
from contracts.sealing import Sealer
from leasewire.host.embedded import EmbeddedServer
from producers.connection import open_publisher
from simulator.control import ControlClient
from simulator.menus.user_manager import ADDRESS, POOL, RATE, pairs
from simulator.menus.user_manager import USER as USERS
from tests import at_ports, builders, dialling
from tests.forking import Forked, run
from tests.waiting import eventually
from worker.core.rows.menus import version_of
from worker.core.rows.rows import parse_tag
from worker.core.service.outcome import Outcome
from worker.store.store import Store, open_store

INSTALLATION = "tests"
LEASES = "/ip/dhcp-server/lease"
MAC_ENTRIES: Final = "/ip/mac-server/entry"
SECRETS: Final = "/ppp/secret"
_NAMED: Final = {SECRETS: '"ppp-secret"', USERS: '"user-manager"'}
"""Kinds of entries that an inventory must name."""
NEWEST: Final = "7.24"
"""The newest version that the simulator knows: what routers run where a test does not say it."""
TRANSPORTS: Final = ("api-ssl", "api", "rest")
TRANSPORT: Final = os.environ.get("E2E_TRANSPORT", "api-ssl")
"""How routers are reached where a test does not say it; `make e2e-all` tries each."""
ENTRIES: Final = os.environ.get("E2E_ENTRIES", "lease")
"""The kind of entries where a test does not say it; by `option-82` they are leases too."""
MENU: Final = {
    "lease": LEASES,
    "option-82": LEASES,
    "mac-server": MAC_ENTRIES,
    "ppp-secret": SECRETS,
    "user-manager": USERS,
}[ENTRIES]
"""Where the entries are kept where a test does not say it."""
in_leases: Final = pytest.mark.skipif(ENTRIES != "lease", reason="about what only leases have")
not_in_mac_server: Final = pytest.mark.skipif(
    MENU in (MAC_ENTRIES, USERS), reason="about what these rows have not: devices, list rows"
)
names_its_kind: Final = pytest.mark.skipif(ENTRIES != "lease", reason="names its kind itself")
names_both: Final = pytest.mark.skipif(
    (TRANSPORT, ENTRIES) != ("api-ssl", "lease"), reason="names its transport and kind itself"
)
over_tls: Final = pytest.mark.skipif(TRANSPORT == "api", reason="plain: no certificate is shown")
in_any_version: Final = pytest.mark.skipif(TRANSPORT == "rest", reason="version 6 has no REST")
SERVER = "dhcp-vlan-32"
PREFIX = "lw:"
PASSWORD = "never-to-be-seen-7f3a"
SETTINGS = {
    "LEASEWIRE_ROUTER_LOCK_S": "4",
    "LEASEWIRE_COMMAND_TIMEOUT_S": "2",
    "LEASEWIRE_CONNECT_TIMEOUT_S": "2",
    "LEASEWIRE_BACKOFF_FIRST_S": "0.2",
    "LEASEWIRE_BACKOFF_CAP_S": "2",
    "LEASEWIRE_BLOCKED_RETRY_S": "2",
    "LEASEWIRE_ROUTER_THREADS": "16",
    "LEASEWIRE_LOG_FORMAT": "json",
    "LEASEWIRE_LOG_LEVEL": "DEBUG",
    # Looks of their own at routers, with a login: tests that count logins are not about them.
    "LEASEWIRE_EFFECTS_EVERY_S": "3600",
    "LEASEWIRE_WATCH_EVERY_S": "3600",
}


def user_shown(row: Mapping[str, str]) -> dict[str, str]:
    """A user of User Manager in the fields of a lease."""
    held = pairs(row["attributes"])
    found = {"mac-address": row["name"], "address": held.get(ADDRESS) or held.get(POOL, "")}
    found |= {"rate-limit": held.get(RATE, ""), "block-access": row["disabled"]}
    return found | {".id": row[".id"], "comment": row.get("comment", "")}


@dataclass
class Worker:
    """One worker process, started anew after each kill."""

    kind: str
    process: subprocess.Popen[bytes]


@dataclass
class Installation:
    """Everything in a directory.

    Args:
        directory: for sockets, logs and the inventory; its path must be short.
        routers: how many.
        simulator: further arguments of the simulator.
        inventory: router -> lines that its table has besides, or instead (`key = value`).
        tables: more tables of the inventory.
        sources: source -> its order.
        brake: the lines of its table `brake`; what is not about the brake is without it.
        environ_more: variables beside those that every worker here has.
        worker_command: what runs a worker process; its kind is appended.
        command: what runs `leasewire`.
        simulator_command: what runs the simulated routers.
        transport: how the routers are reached.
        menu: where their entries are: `LEASES`, `MAC_ENTRIES`, `SECRETS` or `USERS`, of which each
            router has its own. With `SECRETS`, what is published of devices is said of their
            logins: see `dialling.py`.
        by_ports: leases are by option 82, and what is published of devices is said of their ports:
            see `at_ports.py`.
        forks: whether its processes are forks (`tests/forking.py`), or a Python each.
    """

    directory: Path
    routers: int = 1
    simulator: Sequence[str] = ()
    inventory: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: str = ""
    sources: Mapping[str, str] = field(default_factory=lambda: {builders.SOURCE: "revisions"})
    brake: str = "enabled = false"
    worker_command: Sequence[str] = (sys.executable, "-m", "worker.runtime.process")
    command: Sequence[str] = (sys.executable, "-m", "leasewire")
    simulator_command: Sequence[str] = (sys.executable, "-m", "simulator")
    environ_more: dict[str, str] = field(default_factory=dict)
    transport: str = TRANSPORT
    menu: str = MENU
    by_ports: bool = ENTRIES == "option-82"
    forks: bool = True
    workers: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.valkey = stack.enter_context(self.make_valkey(self.directory / "valkey"))
        self.client = stack.enter_context(self.valkey.client())
        self.store: Store = open_store(self.client, PREFIX)
        stack.callback(self._end_workers)
        control = self.directory / "control.sock"
        secret = self.directory / "password"
        secret.write_text(PASSWORD)
        simulator = self._start_program(
            [
                *(*self.simulator_command, "--seed-guide", "--json"),
                *("--password-file", str(secret), "--routers", str(self.routers)),
                *("--control", str(control), *self._served(), *self.simulator),
            ],
            subprocess.PIPE,
        )
        stack.callback(end, simulator)
        self.simulator_pid = simulator.pid
        assert simulator.stdout is not None
        self.ready: dict[str, Any] = json.loads(simulator.stdout.readline())
        self.control = {
            router["name"]: stack.enter_context(ControlClient(str(control), router=router["name"]))
            for router in self.ready["routers"]
        }
        if "LEASEWIRE_WATCH_EVERY_S" not in self.environ_more:
            # The first look would come at once.
            self.store.notifications.claim_watch(list(self.control), len(self.control), 3_600_000)
        self.write_inventory()
        self.publisher: Any = stack.enter_context(
            open_publisher(self.valkey.url, clock=lambda: datetime.now(UTC), prefix=PREFIX)
        )
        if self.menu == SECRETS:
            self.secret_keys.write_text(secrets.token_hex(64))
            sealer = Sealer.from_text(self.secret_keys.read_text())
            self.publisher = dialling.DiallingPublisher(self.publisher, sealer)
        elif self.at_ports:
            self.publisher = at_ports.PluggingPublisher(self.publisher)

    def make_valkey(self, directory: Path) -> EmbeddedServer:
        """Which Valkey it is."""
        return EmbeddedServer(directory)

    def port_of(self, router: Mapping[str, Any]) -> int:
        """Where workers find a router."""
        port: int = router[f"{self.transport_of(router['name']).replace('-', '_')}_port"]
        return port

    def transport_of(self, _router: str) -> str:
        """How workers reach a router."""
        return self.transport

    def menu_of(self, _router: str) -> str:
        """Where the entries of a router are."""
        return self.menu

    def _served(self) -> list[str]:
        rest = ["--rest-port", "0"] if self.serves_rest else []
        return [
            "--version",
            NEWEST,
            *rest,
            *(["--with-mac-server"] if self.menu == MAC_ENTRIES else []),
        ]

    @property
    def at_ports(self) -> bool:
        """Whether devices are known by their ports, as routers can from 7.21 on."""
        said = dict(zip(self.simulator, self.simulator[1:], strict=False))
        is_new = version_of(said.get("--version", NEWEST)) >= (7, 21)
        return self.by_ports and self.menu == LEASES and is_new

    @property
    def serves_rest(self) -> bool:
        """Whether the routers serve REST."""
        return self.transport == "rest"

    @property
    def secret_keys(self) -> Path:
        """The file of the keys for passwords, where the entries are PPP secrets."""
        return self.directory / "secret-keys"

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a worker and of the command."""
        return {
            **os.environ,
            **SETTINGS,
            "LEASEWIRE_REDIS_URL": self.valkey.url,
            "LEASEWIRE_INVENTORY": str(self.directory / "routers.toml"),
            "ROUTER_PASSWORD": PASSWORD,
            **(
                {"LEASEWIRE_SECRET_KEYS_FILE": str(self.secret_keys)}
                if self.menu == SECRETS
                else {}
            ),
            **self.environ_more,
        }

    def write_inventory(self) -> None:
        """Write `routers.toml` for the simulated routers."""
        tables = [f'[installation]\nid = "{INSTALLATION}"\n']
        for router in self.ready["routers"]:
            keys = {
                "host": f'"{router["host"]}"',
                "transport": f'"{self.transport_of(router["name"])}"',
                "port": str(self.port_of(router)),
                "username": f'"{self.ready["user"]}"',
                "password_env": '"ROUTER_PASSWORD"',
                "fingerprint": f'"{router["fingerprint_sha256"]}"',
                "dhcp_server": f'"{SERVER}"',
                **({"entries": _NAMED[self.menu]} if self.menu in _NAMED else {}),
                **({"identify_by": '"option-82"'} if self.at_ports else {}),
            } | dict(self.inventory.get(router["name"], {}))
            if self.transport_of(router["name"]) == "api":  # which shows no certificate
                keys.pop("fingerprint")
            lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
            tables.append(f"[routers.{router['name']}]\n{lines}\n")
        tables.append(f"[brake]\n{self.brake}\n")
        tables.append(self.tables)
        for source, order in self.sources.items():
            tables.append(f'[sources."{source}"]\norder = "{order}"\n')
        (self.directory / "routers.toml").write_text("\n".join(tables))

    def start_workers(self, *kinds: str) -> None:
        """Start a process of each kind named."""
        self.workers += [Worker(kind, self.start_process(kind)) for kind in kinds]

    def start_process(self, kind: str) -> subprocess.Popen[bytes]:
        """Start one worker process; its log is appended to."""
        with (self.directory / f"{kind}.log").open("ab") as log:
            return self._start_program([*self.worker_command, kind], log, log)

    def _start_program(
        self, command: Sequence[str], stdout: int | IO[bytes], stderr: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        forks = self.forks and command[:2] == [sys.executable, "-m"]
        start = Forked[bytes] if forks else subprocess.Popen[bytes]
        return start(
            command, env=self.environ, stdout=stdout, stderr=stderr, start_new_session=True
        )

    def leasewire(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a user would."""
        return run([*self.command, *arguments], env=self.environ, cwd=self.directory, text=True)

    def log_text(self) -> str:
        """Everything that the workers logged."""
        return "".join(path.read_text() for path in self.directory.glob("*.log"))

    def rows(self, router: str) -> dict[str, list[dict[str, str]]]:
        """The rows of our services on a router, by service, in the fields of leases."""
        found: dict[str, list[dict[str, str]]] = {}
        menu = self.menu_of(router)
        ways = {SECRETS: dialling.shown, USERS: user_shown}
        shown = at_ports.shown if self.at_ports else ways.get(menu, dict)
        for row in self.control[router].rows(menu):
            tag = parse_tag(row.get("comment", ""))
            if tag is not None and tag.installation == INSTALLATION:
                found.setdefault(tag.service_id, []).append(shown(row))
        return found

    def add_foreign(self, router: str, address: str, mac: str) -> None:
        """A person gives a device an address by hand."""
        row = {"address": address, "mac-address": mac}
        if self.menu == SECRETS:
            row = {"remote-address": address, **dialling.login(mac)}
        elif self.menu == USERS:
            row = {"name": mac, "attributes": f"{ADDRESS}:{address}"}
        elif self.at_ports:
            row = {"address": address, **at_ports.lease_fields(mac)}
        self.control[router].add_row(self.menu, row)

    def device_name(self, mac: str) -> str:
        """What a person asks for: the MAC of a device, or the name that it logs in with."""
        return dialling.login(mac)["name"] if self.menu == SECRETS else mac

    def device(self, router: str, mac: str) -> str:
        """A device asks for an address, or dials in and does so again; its address, or `""`."""
        control = self.control[router]
        if self.menu == SECRETS:
            return str(control.ppp_login(**dialling.login(mac), redials=True)["address"])
        ids = at_ports.ids(mac) if self.at_ports else {}
        return str(control.device(mac, server=SERVER, **ids)["address"])

    def writes(self, router: str) -> list[dict[str, Any]]:
        """What workers wrote there, or tried to: nothing that was done by hand."""
        by_hand = ("operator", "dhcp")
        return [e for e in self.control[router].journal() if e["session"] not in by_hand]

    def outcome(self, event: Mapping[str, Any]) -> Outcome | None:
        """The latest word on an event."""
        found = self.store.views.outcomes([event_key(event["source"], event["id"])])
        return found[0] if found else None

    def settled(self, routers: Collection[str] | None = None) -> bool:
        """Nothing in the journals, no mark and no note in flight of these routers; None: of all.

        A note that waits for whatever makes its service be looked at next is not in flight.
        """
        if any(self.store.journal.depth(lane) for lane in ("events", "bulk")):
            return False
        blocks = [self.store.keys.router(router) for router in routers or self.control]
        # one question for all: whoever waits takes no processor time from what is waited for
        if self.client.exists(*(block.work_items for block in blocks)):
            return False
        if not self.client.exists(*(block.inflight for block in blocks)):
            return True
        notes = (note for block in blocks for note in self.client.hvals(block.inflight))
        return all(note.startswith("|1|") for note in notes)

    def wait_until_settled(self, deadline_s: float = 20) -> None:
        """Wait until all is quiet; the message says what is not."""
        try:
            eventually(self.settled, "everything settled", within_s=deadline_s)
        except AssertionError as error:
            left = {r: self.store.views.router(r) for r in self.control}
            waiting = {r: self.store.views.router_waiting(r) for r in self.control}
            journal = self.store.journal.depth("events")
            blocks = {r: self.store.keys.router(r) for r in self.control}
            notes = {r: self.client.hgetall(block.inflight) for r, block in blocks.items()}
            message = f"{error}: journal {journal}, {left}, waiting {waiting}, in flight {notes}"
            raise AssertionError(message) from None

    def wait_until_applied(self, *events: Mapping[str, Any]) -> None:
        """Wait until events that were published are applied, and all is quiet."""
        eventually(
            lambda: all((said := self.outcome(e)) and said.state == "applied" for e in events),
            f"applied: {[(event['type'], self.outcome(event)) for event in events]}",
            within_s=20,
        )
        self.wait_until_settled()

    def restart_workers(self, *kinds: str) -> None:
        """End all workers in order, and start a process of each kind named."""
        for worker in self.workers:
            worker.process.terminate()
            worker.process.wait()
        self.workers.clear()
        self.start_workers(*kinds)

    def _end_workers(self) -> None:
        end(*(worker.process for worker in self.workers))


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes: all are asked first."""
    for process in processes:
        process.terminate()
    for process in processes:
        _await_end(process)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
