"""The control interface: faults, counters, journal, a person at the router, a DHCP client.

`RouterControl` is used by tests, whether the router runs in a thread of the process
(`testing`) or in another process behind a Unix socket (`ControlClient`). The requests and
replies on the socket are JSON objects, one a line:
`{"router": "R1", "do": "rows", "with": {"menu": "/ip/dhcp-server/lease"}}` is answered by
`{"ok": …}` or `{"error": "…"}`.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from simulator.connections import Verdict
from simulator.played_clients import PlayedClients

Row = dict[str, str]


class ControlError(Exception):
    """The simulator or the router refused; the message says why."""


@dataclass(frozen=True, slots=True)
class CustomerFlow:
    """A flow of packets between a customer and the world, opened by `src`.

    Attributes:
        do: carries out a request of the control interface.
        src, dst: addresses; either may be the customer.
        protocol: `tcp`, `udp`, `icmp`.
        src_port, dst_port: empty without ports.
        mac: the customer's device; empty: whatever device has the address.
    """

    do: Callable[..., Any]
    src: str
    dst: str
    protocol: str
    src_port: str
    dst_port: str
    mac: str = ""

    def send(self, *, back: bool = False, size: int = 64) -> Verdict:
        """Send one packet from `src` to `dst`, or one the other way."""
        flow = [self.protocol, self.src, self.src_port, self.dst, self.dst_port]
        return Verdict(**self.do("send", flow=flow, mac=self.mac, back=back, size=size))

    def exchange(self) -> Verdict:
        """Send a packet and an answer; give what became of the last that was sent."""
        out = self.send()
        return self.send(back=True) if out.passed else out

    def establish(self) -> "CustomerFlow":
        """Send packets both ways twice, so that a rule for established connections marks it.

        Raises:
            AssertionError: one was stopped.
        """
        for _ in range(2):
            sent = self.exchange()
            assert sent.passed, sent.why  # noqa: S101 - for tests
        return self

    def again(self) -> "CustomerFlow":
        """Give a flow between the same two from the next port."""
        return replace(self, src_port=str(int(self.src_port) + 1))


class RouterControl(PlayedClients):
    """One simulated router, from outside. What it or the simulator refuses is a `ControlError`.

    Attributes:
        name: `R1`, ….
        host: address it listens on.
        api_port, api_ssl_port, rest_port, rest_http_port: its ports; None where not served.
        certificate_pem: of its TLS services.
        fingerprint_sha256: of that certificate's DER form, in lower-case hexadecimal.
        identity, serial, version: as the router says them.
    """

    name: str
    host: str
    api_port: int | None
    api_ssl_port: int | None
    rest_port: int | None
    rest_http_port: int | None
    certificate_pem: str
    fingerprint_sha256: str
    identity: str
    serial: str
    version: str

    def _refresh(self) -> None:
        self.__dict__.update(self._do("about"))

    # --- a person at the router ---------------------------------------------------------------

    def rows(self, menu: str) -> list[Row]:
        """Read all rows of a menu as a client would."""
        rows: list[Row] = self._do("rows", menu=menu)
        return rows

    def add_row(self, menu: str, values: Row) -> str:
        """Add a row by hand and give its id."""
        row_id: str = self._do("run", command=f"{menu}/add", arguments=values)
        return row_id

    def set_row(self, menu: str, row_id: str, values: Row) -> None:
        """Change a row by hand."""
        self._do("run", command=f"{menu}/set", arguments={".id": row_id, **values})

    def copy_row(self, menu: str, row_id: str, changes: Row) -> str:
        """Add a copy of a row with some values changed, and give its id."""
        return self.add_row(menu, {"copy-from": row_id, **changes})

    def remove_row(self, menu: str, *row_ids: str) -> None:
        """Remove rows by hand."""
        self._do("run", command=f"{menu}/remove", arguments={".id": ",".join(row_ids)})

    def run(self, command: str, arguments: Row | None = None) -> str | None:
        """Run any command by hand, with all rights, and give its `=ret=`."""
        ret: str | None = self._do("run", command=command, arguments=arguments or {})
        return ret

    # --- counting -----------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        """Count commands of clients since start or reset: `{"/login": 1, "/ip/…/print": 2}`."""
        counters: dict[str, int] = self._do("counters")
        return counters

    def refusals(self) -> dict[str, int]:
        """Count refused commands by the router's message."""
        refusals: dict[str, int] = self._do("refusals")
        return refusals

    def reset_counters(self) -> None:
        """Count from zero again."""
        self._do("reset_counters")

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """Give the rows written and the writes refused, oldest first.

        Each is `seq`, `time` (monotonic seconds), `session` (`api:1`, `api-ssl:2`, `rest:3`,
        `operator`, `dhcp`), `command`, `arguments`, `before` and `after` (the row as read, or
        None) and `error` (the router's message, or None). A command on several rows gives
        several entries.

        Args:
            after: leave out what has this `seq` or a smaller one.
        """
        journal: list[dict[str, Any]] = self._do("journal", after=after)
        return journal

    def sessions(self) -> list[str]:
        """Return the ids of open connections."""
        sessions: list[str] = self._do("sessions")
        return sessions

    # --- what goes wrong ----------------------------------------------------------------------

    def set_faults(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Faults
        """Switch faults on or off; names and values are those of `faults.Faults`."""
        self._do("set_faults", changes=changes)

    def clear_faults(self) -> None:
        """Switch all faults off (power is not one of them)."""
        self._do("clear_faults")

    def faults(self) -> dict[str, Any]:
        """Give all faults by name."""
        faults: dict[str, Any] = self._do("faults")
        return faults

    def set_switches(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Switches
        """Choose behaviour that no source decides; names are those of `faults.Switches`."""
        self._do("set_switches", changes=changes)

    def skip(self, seconds: float) -> None:
        """Let time pass on the router at once: leases, list rows, connections run out."""
        self._do("skip", seconds=seconds)

    def power_off(self, *, loss: bool = False) -> None:
        """Refuse connections and reset all sessions.

        `loss`: the plug is pulled, and dynamic leases of the last minutes are lost.
        """
        self._do("power_off", loss=loss)

    def power_on(self) -> None:
        """Listen again, on the same ports."""
        self._do("power_on")

    def reboot(self, down_s: float = 0) -> None:
        """Power off and, after `down_s` seconds, on."""
        self._do("reboot", down_s=down_s)

    def reset_sessions(self) -> None:
        """Reset all connections of this moment."""
        self._do("reset_sessions")

    def snapshot(self) -> dict[str, Any]:
        """Give the whole state, for `restore`."""
        state: dict[str, Any] = self._do("snapshot")
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Put an old state back, as from a backup; the router restarts."""
        self._do("restore", state=state)
        self._refresh()

    def reset(self, *, keep_access: bool = False) -> None:
        """Reset the configuration; the router restarts.

        `keep_access` keeps users, services, identity and certificates; without it there is only the
        user `admin` without a password.
        """
        self._do("reset", keep_access=keep_access)
        self._refresh()

    def set_serial(self, serial: str) -> None:
        """Change the serial number: another board."""
        self._do("set_serial", serial=serial)
        self._refresh()

    def new_certificate(self, days: int = 3650) -> None:
        """Create another certificate, valid for this number of days, for new connections."""
        self._do("new_certificate", days=days)
        self._refresh()

    # --- traffic ------------------------------------------------------------------------------

    def flow(
        self, src: str, dst: str = "", *, protocol: str = "tcp", mac: str = ""
    ) -> CustomerFlow:
        """Give a flow to send packets of; nothing is sent yet.

        Args:
            src: who opens it: a customer, or somebody outside.
            dst: to whom; empty: 198.51.100.80, or 2001:db8:ffff::80.
            protocol: `tcp`, `udp` (from port 49152 to 443; see `CustomerFlow.again`) or `icmp`.
            mac: the customer's device; empty: whatever device has the address.
        """
        six = ":" in src
        dst = dst or ("2001:db8:ffff::80" if six else "198.51.100.80")
        ports = ("", "") if protocol == "icmp" else ("49152", "443")
        protocol = "icmpv6" if six and protocol == "icmp" else protocol
        return CustomerFlow(self._do, src, dst, protocol, *ports, mac)

    def open_connections(
        self, addresses: list[str], each: int = 1, *, fasttrack: bool = False
    ) -> int:
        """Have many established TCP connections tracked, whatever the rules say.

        Args:
            addresses: of customers.
            each: how many for each address, to 198.51.100.1, .2, … or 2001:db8:ffff::1, …, from
                port 49152 on.
            fasttrack: whether they are marked.

        Returns:
            How many are tracked now.
        """
        count: int = self._do(
            "open_connections", addresses=addresses, each=each, fasttrack=fasttrack
        )
        return count


class ControlClient(RouterControl):
    """A router in another process, by its name, through a control socket."""

    def __init__(self, path: str, router: str = "R1", timeout_s: float = 10) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(path)
        self._file = self._socket.makefile("rwb")
        self.name = router
        self._refresh()

    def _do(self, do: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON either way
        request = {"router": self.name, "do": do, "with": arguments}
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            raise ControlError("the simulator has gone")
        reply = json.loads(line)
        if "error" in reply:
            raise ControlError(reply["error"])
        return reply["ok"]

    def close(self) -> None:
        """Close the socket."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
