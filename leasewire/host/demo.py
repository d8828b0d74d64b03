"""`leasewire demo`: what Leasewire does, step by step, each checked on a simulated router.

`leasewire/host/demo_stage.py` starts and stops the parts.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from contracts.identity import event_key
from leasewire.answer import TextTable, fail, write_part
from leasewire.host.demo_stage import ROUTER, SOURCE, Stage, running
from leasewire.host.embedded import server_binary
from simulator.control import ControlError
from worker.errors import LeasewireError

_LEASES: Final = "/ip/dhcp-server/lease"
_FILTER: Final = "/ip/firewall/filter"
_POLL_S: Final = 0.02

_DEVICE_A: Final = "00:11:22:33:44:55"
_DEVICE_A_NEW: Final = "00:11:22:33:44:77"
_DEVICE_B: Final = "AA:BB:CC:DD:EE:FF"
_DEVICE_B_NEW: Final = "00:11:22:33:44:88"
_DEVICE_C: Final = "00:11:22:33:44:66"
_SUSPENDED: Final = "suspended"
_FASTTRACK: Final = {
    "chain": "forward",
    "action": "fasttrack-connection",
    "connection-state": "established,related",
}
_PRINTER: Final = {"address": "223.203.225.5", "mac-address": "00:00:5E:00:53:05"}


class CheckFailedError(LeasewireError):
    """A step failed; the message says what was expected and what was found."""

    def __init__(self, expectation: str, found: object) -> None:
        super().__init__(f"expected: {expectation}\n  found: {found}")


def demo_command() -> None:
    """Show what Leasewire does with real parts on this host, and check each step.

    Runs a simulated router (API over TLS, pinned certificate), an embedded Valkey and real worker
    processes in a temporary directory: activations, a MAC change, a router outage, a duplicate,
    suspensions, a cancellation, and whether they act at the customer. Takes a few seconds; exit 0
    only if every check passes.

    Example: leasewire demo
    """
    server_binary()  # otherwise only the log of a part would say that it is missing
    began = time.monotonic()
    # SIGTERM stops everything in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="leasewire-demo-"))
    try:
        with running(directory) as stage:
            story = Story(stage)
            story.run()
            typer.echo(f"\nStopping everything. {story.checks} checks, all passed.")
    except (CheckFailedError, RuntimeError, OSError, ControlError) as error:
        fail(f"✗ {error}", f"The demo failed. Its logs are in {directory}.")
    except KeyboardInterrupt:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)
    typer.echo(f"Done in {time.monotonic() - began:.0f} s.")


class Story:
    """Runs the steps on a stage, and counts the checks."""

    def __init__(self, stage: Stage, deadline_s: float = 30.0) -> None:
        self.checks = 0
        self._deadline_s = deadline_s
        self._stage = stage
        self._router = stage.router
        self._revision = 0
        self._last: Mapping[str, object] = {}
        self._published: dict[str, str] = {}

    def run(self) -> None:
        """Run all steps in order."""
        self._before()
        self._two_activations()
        self._mac_change()
        self._outage()
        self._duplicate()
        self._suspension()
        self._open_connection()
        self._cancellation()
        self._nothing_left()

    def _before(self) -> None:
        self._print(f"A router: {ROUTER}, RouterOS {self._router.version} (simulated)")
        self._router.add_row(_LEASES, {**_PRINTER, "comment": "printer in the office"})
        for end in ("src", "dst"):  # as `leasewire routers setup` writes them
            rule = {"chain": "forward", "action": "drop", f"{end}-address-list": _SUSPENDED}
            self._router.add_row(_FILTER, rule)
        self._router.add_row(_FILTER, _FASTTRACK)
        self._table("Its leases before; the one row was made by hand and is not ours:")
        self._printer = self._row(_PRINTER["mac-address"])

    def _two_activations(self) -> None:
        self._print("Two customers are activated")
        a = self._activated("SVC-A", _DEVICE_A, "223.203.225.10", "Device A")
        b = self._activated("SVC-B", _DEVICE_B, "223.203.225.20", "Device B")
        self._outcomes({a: "applied", b: "applied"})
        self._holds("SVC-A", {"mac-address": _DEVICE_A, "address": "223.203.225.10"})
        self._holds("SVC-B", {"mac-address": _DEVICE_B, "address": "223.203.225.20"})
        answer = self._router.device(_DEVICE_A)
        self._check(
            "Device A asks for an address and gets .10", answer["address"], "223.203.225.10"
        )
        self._table("Its leases after:")

    def _mac_change(self) -> None:
        self._print("Device A is replaced by another one")
        row = self._row(_DEVICE_A)[".id"]
        changed = self._mac_changed("SVC-A", _DEVICE_A_NEW)
        self._outcomes({changed: "applied"})
        self._holds(
            "SVC-A", {".id": row, "mac-address": _DEVICE_A_NEW, "address": "223.203.225.10"}
        )
        self._router.device(_DEVICE_A_NEW)
        self._acts(changed, "its new device has the address")

    def _outage(self) -> None:
        self._print("The router is switched off; three events arrive meanwhile")
        self._router.power_off()
        c = self._activated("SVC-C", _DEVICE_C, "223.203.225.11", "New Device C")
        first = self._mac_changed("SVC-B", "00:11:22:33:44:99")
        second = self._mac_changed("SVC-B", _DEVICE_B_NEW)
        self._wait(
            f"{ROUTER} is unreachable, two services wait with their three events",
            lambda: self._stage.store.views.router(ROUTER),
            lambda view: view.state.state == "unreachable" and view.queued == 2,  # noqa: PLR2004
        )
        self._print("The router is back")
        self._router.reset_counters()
        self._router.power_on()
        self._outcomes({c: "applied", first: "superseded", second: "applied"})
        self._holds("SVC-C", {"mac-address": _DEVICE_C, "address": "223.203.225.11"})
        self._holds("SVC-B", {"mac-address": _DEVICE_B_NEW, "address": "223.203.225.20"})
        written = {
            command: count
            for command, count in self._router.counters().items()
            if command.startswith(_LEASES) and not command.endswith("/print")
        }
        expected = {f"{_LEASES}/add": 1, f"{_LEASES}/set": 1}
        self._check("three events cost one add and one set", written, expected)

    def _duplicate(self) -> None:
        self._print("The last event arrives again")
        writes = len(self._router.journal())
        # An event that comes by its message and from the journal counts as one too.
        known = self._stage.store.views.counters().get("duplicate", 0)
        self._mac_changed("SVC-B", _DEVICE_B_NEW, again=True)
        self._wait(
            "it is recognized as a duplicate",
            self._stage.store.views.counters,
            lambda counters: counters.get("duplicate", 0) > known,
        )
        queued = self._stage.store.views.router(ROUTER).queued
        self._check("nothing is queued for it", queued, 0)
        self._check("nothing was written for it", len(self._router.journal()), writes)

    def _suspension(self) -> None:
        self._print("Customer B is suspended")
        suspension = {"mode": "block", "reason_code": "nonpayment"}
        self._outcomes({self._publish("suspended", "SVC-B", suspension=suspension): "applied"})
        self._holds("SVC-B", {"block-access": "true", "address": "223.203.225.20"})
        answer = self._router.device(_DEVICE_B_NEW)
        self._check("its device is refused at its next request", answer["address"], "")

    def _open_connection(self) -> None:
        self._print(
            "Customer C is suspended by an address list while a FastTracked connection is open"
        )
        address = self._router.device(_DEVICE_C)["address"]
        connection = self._router.flow(address).establish()
        way = "FastTrack" if connection.send(back=True).fasttrack else "the firewall"
        self._check("FastTrack carries the connection", way, "FastTrack")
        suspended = self._publish("suspended", "SVC-C", suspension={"mode": "walled_garden"})
        self._outcomes({suspended: "applied"})
        passed = [connection.send().passed, connection.send(back=True).passed]
        self._check("the open connection is silent in both directions", passed, [False, False])
        self._acts(suspended, "no connection passes the rule")

    def _cancellation(self) -> None:
        self._print("Customer A cancels")
        self._outcomes({self._publish("cancelled", "SVC-A"): "applied"})
        gone = [row for row in self._rows() if "SVC-A" in row.get("comment", "")]
        self._check("its row is removed", gone, [])

    def _nothing_left(self) -> None:
        self._table("Its leases at the end:")
        printer = self._row(_PRINTER["mac-address"])
        self._check("the row made by hand is unchanged", printer, self._printer)
        plan = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "leasewire", "plan", ROUTER],
            env=self._stage.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        message = (plan.stdout + plan.stderr).strip()
        self._print("$ leasewire plan")
        typer.echo(f"  {message}")
        self._check("the plan is empty", (plan.returncode, message), (0, message))

    # The BSS.

    def _activated(self, service: str, mac: str, address: str, label: str) -> str:
        block = {
            "status": "active",
            "access": {"router": ROUTER, "dhcp_server": "dhcp-vlan-32"},
            "device": {"mac": mac},
            "address": {"mode": "static", "ipv4": address},
            "label": label,
        }
        return self._publish("activated", service, service=block)

    def _mac_changed(self, service: str, mac: str, *, again: bool = False) -> str:
        return self._publish("mac_changed", service, again=again, mac=mac)

    def _publish(self, name: str, service_id: str, *, again: bool = False, **data: object) -> str:
        """Publish one event, or the last one `again`; returns its id."""
        if not again:
            self._revision += 1
            event = {
                "source": SOURCE,
                "type": f"leasewire.service.{name}.v1",
                "data": {"service_id": service_id, "revision": self._revision, **data},
            }
            # Complete it once with time and id, as a BSS does that retries.
            (completed,) = self._stage.publisher.check([event])
            self._last = completed.event
        (receipt,) = self._stage.publisher.publish([self._last])
        self._published[receipt.event_id] = f"{name} {service_id}"
        typer.echo(f"  publish {name} {service_id}")
        return receipt.event_id

    # The router and the outcomes.

    def _rows(self) -> list[dict[str, str]]:
        return self._router.rows(_LEASES)

    def _row(self, mac: str) -> dict[str, str]:
        return next((row for row in self._rows() if row.get("mac-address") == mac), {})

    def _holds(self, service: str, expected: Mapping[str, str]) -> None:
        """Check that the router has one row of the service with these values."""
        comment = f"leasewire:demo:{service}"
        rows = [row for row in self._rows() if row.get("comment") == comment]
        found = [{name: row.get(name) for name in expected} for row in rows]
        shown = ", ".join(f"{name}={value}" for name, value in expected.items() if name != ".id")
        self._check(f"on the router, {service} has {shown}", found, [dict(expected)])

    def _outcomes(self, expected: Mapping[str, str]) -> None:
        """Wait until each event has this outcome."""
        keys = [event_key(SOURCE, event_id) for event_id in expected]

        def states() -> dict[str, str]:
            outcomes = self._stage.store.views.outcomes(keys)
            return {outcome.event.id: outcome.state for outcome in outcomes}

        message = (f"{self._published[event_id]} {state}" for event_id, state in expected.items())
        self._wait(f"outcome: {', '.join(message)}", states, expected.__eq__)

    def _acts(self, event_id: str, what: str) -> None:
        """Wait until it was read on the router that a change acts."""
        key = event_key(SOURCE, event_id)

        def state() -> str:
            reports = [outcome.effect for outcome in self._stage.store.views.outcomes([key])]
            return next((report.state for report in reports if report), "not read yet")

        expectation = f"outcome: {self._published[event_id]} acting ({what})"
        self._wait(expectation, state, "acting".__eq__)

    def _wait(
        self, expectation: str, read: Callable[[], Any], holds: Callable[[Any], bool]
    ) -> None:
        deadline = time.monotonic() + self._deadline_s
        found = read()
        while not holds(found):
            if time.monotonic() > deadline:
                raise CheckFailedError(expectation, found)
            time.sleep(_POLL_S)
            found = read()
        self._tick(expectation)

    def _check(self, expectation: str, found: object, expected: object) -> None:
        if found != expected:
            raise CheckFailedError(expectation, found)
        self._tick(expectation)

    def _tick(self, expectation: str) -> None:
        self.checks += 1
        typer.secho(f"  ✓ {expectation}", fg="green")

    def _print(self, message: str) -> None:
        typer.secho(f"\n{message}", bold=True)

    def _table(self, message: str) -> None:
        typer.echo(f"\n{message}")
        columns = "address, mac-address, server, block-access, comment"
        write_part(TextTable(self._rows(), columns, "(none)"))
