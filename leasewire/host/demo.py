"""`leasewire demo`: the whole story on this machine, each step checked on the router itself.

The network is this project's founding one: DHCP server dhcp-vlan-32, 223.203.225.0/24. What
plays is set up by `leasewire/host/demo_stage.py`.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typer

from contracts import event_key
from leasewire.host.demo_stage import ROUTER, SOURCE, Stage, running
from leasewire.host.embedded import server_binary
from leasewire.printing import print_table
from simulator.control import ControlError
from worker.errors import LeasewireError

_LEASES: Final = "/ip/dhcp-server/lease"
_POLL_S: Final = 0.02

_DEVICE_A: Final = "00:11:22:33:44:55"
_DEVICE_A_NEW: Final = "00:11:22:33:44:77"
_DEVICE_B: Final = "AA:BB:CC:DD:EE:FF"
_DEVICE_B_NEW: Final = "00:11:22:33:44:88"
_DEVICE_C: Final = "00:11:22:33:44:66"
_PRINTER: Final = {"address": "223.203.225.5", "mac-address": "00:00:5E:00:53:05"}


class CheckFailedError(LeasewireError):
    """A step did not come out as told; the message says what was expected and what was seen."""

    def __init__(self, what: str, seen: object) -> None:
        super().__init__(f"expected: {what}\n  seen: {seen}")


def demo_command() -> None:
    """Tell the whole story with real parts on this machine, and check each step.

    A simulated router (API over TLS, pinned certificate), an embedded Valkey and real worker
    processes in a temporary directory: activations, a MAC change, a router that is switched off,
    a duplicate, a suspension, a cancellation. Takes a few seconds; exit 0 only if all holds.

    Example: leasewire demo
    """
    server_binary()  # whether it is there: else only the log of a part would say so
    began = time.monotonic()
    # Asked to end in either way, everything is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="leasewire-demo-"))
    try:
        with running(directory) as stage:
            story = Story(stage)
            story.run()
            typer.echo(f"\nStopping everything: {story.checks} checks, all of them hold.")
    except (CheckFailedError, RuntimeError, OSError, ControlError) as error:
        typer.secho(f"✗ {error}", fg="red", err=True)
        typer.echo(f"The demo failed. Its logs are in {directory}.", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)
    typer.echo(f"Done in {time.monotonic() - began:.0f} s.")


class Story:
    """Plays the steps on a stage; counts what was checked."""

    def __init__(self, stage: Stage, deadline_s: float = 10.0) -> None:
        self.checks = 0
        self._deadline_s = deadline_s
        self._stage = stage
        self._router = stage.router
        self._revision = 0
        self._last: Mapping[str, object] = {}
        self._published: dict[str, str] = {}

    def run(self) -> None:
        """All of it, in order."""
        self._before()
        self._two_activations()
        self._mac_change()
        self._outage()
        self._duplicate()
        self._suspension()
        self._cancellation()
        self._nothing_left()

    def _before(self) -> None:
        self._print(f"A router: {ROUTER}, RouterOS {self._router.version} (simulated)")
        self._router.add_row(_LEASES, {**_PRINTER, "comment": "printer in the office"})
        self._table("Its leases before; the one in it was made by hand and is not ours:")
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
        self._outcomes({self._mac_changed("SVC-A", _DEVICE_A_NEW): "applied"})
        self._holds(
            "SVC-A", {".id": row, "mac-address": _DEVICE_A_NEW, "address": "223.203.225.10"}
        )

    def _outage(self) -> None:
        self._print("The router is switched off; three events come in meanwhile")
        self._router.power_off()
        c = self._activated("SVC-C", _DEVICE_C, "223.203.225.11", "New Device C")
        first = self._mac_changed("SVC-B", "00:11:22:33:44:99")
        second = self._mac_changed("SVC-B", _DEVICE_B_NEW)
        self._wait(
            f"{ROUTER} is unreachable, two services are parked with their three events",
            lambda: self._stage.store.views.router(ROUTER),
            lambda seen: seen.state.state == "unreachable" and seen.queued == 2,  # noqa: PLR2004
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
        self._print("The last event comes once more")
        writes = len(self._router.journal())
        # An event that its message and the journal both bring counts as one, too.
        known = self._stage.store.views.counters().get("duplicate", 0)
        self._mac_changed("SVC-B", _DEVICE_B_NEW, again=True)
        self._wait(
            "it is known for a duplicate",
            self._stage.store.views.counters,
            lambda seen: seen.get("duplicate", 0) > known,
        )
        queued = self._stage.store.views.router(ROUTER).queued
        self._check("nothing is left to do for it", queued, 0)
        self._check("nothing was written for it", len(self._router.journal()), writes)

    def _suspension(self) -> None:
        self._print("Customer B is suspended")
        suspension = {"mode": "block", "reason_code": "nonpayment"}
        self._outcomes({self._publish("suspended", "SVC-B", suspension=suspension): "applied"})
        self._holds("SVC-B", {"block-access": "true", "address": "223.203.225.20"})
        answer = self._router.device(_DEVICE_B_NEW)
        self._check("its device is refused at its next request", answer["address"], "")

    def _cancellation(self) -> None:
        self._print("Customer A cancels")
        self._outcomes({self._publish("cancelled", "SVC-A"): "applied"})
        gone = [row for row in self._rows() if "SVC-A" in row.get("comment", "")]
        self._check("its row is gone", gone, [])

    def _nothing_left(self) -> None:
        self._table("Its leases at the end:")
        printer = self._row(_PRINTER["mac-address"])
        self._check("the row made by hand is as it was", printer, self._printer)
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

    # What the BSS does.

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
        """Publish one event, or the last one `again`; gives its id."""
        if not again:
            self._revision += 1
            event = {
                "source": SOURCE,
                "type": f"leasewire.service.{name}.v1",
                "data": {"service_id": service_id, "revision": self._revision, **data},
            }
            # Completed with its time and id once, as a BSS keeps it until it is published.
            (completed,) = self._stage.publisher.check([event])
            self._last = completed.event
        (receipt,) = self._stage.publisher.publish([self._last])
        self._published[receipt.event_id] = f"{name} {service_id}"
        typer.echo(f"  publish {name} {service_id}")
        return receipt.event_id

    # What is looked at.

    def _rows(self) -> list[dict[str, str]]:
        return self._router.rows(_LEASES)

    def _row(self, mac: str) -> dict[str, str]:
        return next((row for row in self._rows() if row.get("mac-address") == mac), {})

    def _holds(self, service: str, expected: Mapping[str, str]) -> None:
        """The router has one row of the service, and it holds these values."""
        comment = f"leasewire:demo:{service}"
        rows = [row for row in self._rows() if row.get("comment") == comment]
        seen = [{name: row.get(name) for name in expected} for row in rows]
        shown = ", ".join(f"{name}={value}" for name, value in expected.items() if name != ".id")
        self._check(f"on the router, {service} has {shown}", seen, [dict(expected)])

    def _outcomes(self, expected: Mapping[str, str]) -> None:
        """Wait until each event has come to its end."""
        keys = [event_key(SOURCE, event_id) for event_id in expected]

        def states() -> dict[str, str]:
            return {one.event.id: one.state for one in self._stage.store.views.outcomes(keys)}

        message = (f"{self._published[event_id]} {state}" for event_id, state in expected.items())
        self._wait(f"outcome: {', '.join(message)}", states, expected.__eq__)

    def _wait(self, what: str, look: Callable[[], Any], holds: Callable[[Any], bool]) -> None:
        deadline = time.monotonic() + self._deadline_s
        seen = look()
        while not holds(seen):
            if time.monotonic() > deadline:
                raise CheckFailedError(what, seen)
            time.sleep(_POLL_S)
            seen = look()
        self._tick(what)

    def _check(self, what: str, seen: object, expected: object) -> None:
        if seen != expected:
            raise CheckFailedError(what, seen)
        self._tick(what)

    def _tick(self, what: str) -> None:
        self.checks += 1
        typer.secho(f"  ✓ {what}", fg="green")

    def _print(self, message: str) -> None:
        typer.secho(f"\n{message}", bold=True)

    def _table(self, message: str) -> None:
        typer.echo(f"\n{message}")
        columns = ("address", "mac-address", "server", "block-access", "comment")
        rows: list[Sequence[object]] = [
            [row.get(name, "") for name in columns] for row in self._rows()
        ]
        print_table(columns, rows, "(none)")
