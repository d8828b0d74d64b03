"""The lab's DHCP device: it binds, is told to ask, and is cut off; what the router has for it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from worker.core.rows.normal import rates, seconds
from worker.core.rows.rows import ADDRESS_LISTS, LEASES, QUEUES
from worker.selftest.lab import ARP, CLIENTS, DEVICE_MAC, NAME, NETWORK, OUTSIDE, SERVERS, TAG
from worker.selftest.lab_router import LabRefused, LabRouter

BINDS_S: Final = 30
_RENEWED_S: Final = 2
_INTERFACES: Final = "/interface"
_USUAL: Final = {"address-pool": "static-only", "use-reconfigure": "no"}


class NoDeviceError(Exception):
    """The device did not do what a question needs: then there is no answer."""


class Effects(NamedTuple):
    """What the router has for the device at an address.

    Attributes:
        queue: limit of its dynamic queue; empty: there is none.
        lists: the address lists with it.
        arp: whether it has an ARP row of the DHCP server.
        active: whether a lease says that the device holds the address.
    """

    queue: str
    lists: frozenset[str]
    arp: bool
    active: bool


class Asked(NamedTuple):
    """How the device is, after it was told to ask.

    Attributes:
        status: of the DHCP client, such as `bound` or `searching...`.
        address: that it holds; empty: none.
        renewed: the router gave the same address again.
    """

    status: str
    address: str
    renewed: bool


class LabDevice:
    """The device of the lab that was made on `router`, whose clock is that of the self-test."""

    def __init__(self, router: LabRouter) -> None:
        self.router = router
        self.clock = router.clock
        self._used = 9
        (client,) = router.rows(CLIENTS, comment=TAG)
        self._id = client[".id"]
        (interface,) = router.rows(_INTERFACES, name=OUTSIDE)
        self._interface_id = interface[".id"]

    def fresh_address(self) -> str:
        """An address of the lab that no question used before."""
        self._used += 1
        return str(NETWORK[self._used])

    @contextmanager
    def lent(self, **server: str) -> Iterator[str]:
        """A fresh address for the device of the block; afterwards the device has no lease.

        Where the router is away, or a person interrupts, nothing is done: the lab is removed then.

        `server` are settings of the lab's DHCP server during the block.
        """
        settings = _dashed(server)
        row = {"numbers": self.router.rows(SERVERS, name=NAME)[0][".id"]} if server else {}
        if server:
            self.router.do(f"{SERVERS}/set", {**row, **settings})
        try:
            yield self.fresh_address()
        except (NoDeviceError, LabRefused):
            self._put_back(row, settings)
            raise
        self._put_back(row, settings)

    def _put_back(self, row: Mapping[str, str], settings: Collection[str]) -> None:
        self.stop()
        if settings:
            usual = {name: _USUAL[name] for name in settings}
            self.router.do(f"{SERVERS}/set", {**row, **usual})

    def lease(self, **fields: str) -> str:
        """Add a lease of the lab's server for the device, unless it is for another; its id."""
        own = {"mac-address": DEVICE_MAC, "server": NAME, "comment": TAG}
        return self.router.do(f"{LEASES}/add", {**own, **_dashed(fields)})

    def bind(self, address: str, **settings: str) -> Mapping[str, str]:
        """Let the device ask anew, until it holds this address; its lease.

        Raises:
            NoDeviceError: it does not, in time.
        """
        self._set_client(disabled="yes")
        self._set_client(disabled="no", **settings)

        def bound() -> Mapping[str, str] | None:
            rows, clients = self.router.tables((LEASES, {}), (CLIENTS, {"comment": TAG}))
            held = any(c.get("address", "").partition("/")[0] == address for c in clients)
            for row in rows:
                if row.get("active-address") == address and row.get("status") == "bound" and held:
                    return row
            return None

        lease = self.clock.watch(bound, BINDS_S)
        if lease is None:
            raise NoDeviceError(f"the device did not get its lease within {BINDS_S} s")
        return lease

    def bind_any(self) -> Mapping[str, str]:
        """Let the device ask anew, until it holds a dynamic lease; that lease.

        Raises:
            NoDeviceError: it does not, in time.
        """
        self._set_client(disabled="yes")
        self._set_client(disabled="no")
        lease = self.clock.watch(self._dynamic, BINDS_S)
        if lease is None:
            raise NoDeviceError(f"the device did not get a dynamic lease within {BINDS_S} s")
        return lease

    def _dynamic(self) -> Mapping[str, str] | None:
        rows = self.router.rows(LEASES, mac_address=DEVICE_MAC)
        bound = (row for row in rows if row.get("status") == "bound")
        return next((row for row in bound if row.get("dynamic") == "true"), None)

    def effects(self, address: str) -> Effects:
        """What the router has for the device now."""
        queues, lists, arps, leases = self.router.tables(
            (QUEUES, {"dynamic": "true"}),
            (ADDRESS_LISTS, {"address": address}),
            (ARP, {"address": address}),
            (LEASES, {"active_address": address}),
        )
        targets = {row.get("target", ""): row for row in queues}
        of_it = [row for target, row in targets.items() if f"{address}/32" in target.split(",")]
        return Effects(
            queue=rates(of_it[0].get("max-limit", "")) if of_it else "",
            lists=frozenset(row["list"] for row in lists),
            arp=any(row.get("dhcp") == "true" for row in arps),
            active=bool(leases),
        )

    def expires_s(self, address: str) -> int:
        """For how long the device's lease is still good; 0: there is none."""
        rows = self.router.rows(LEASES, active_address=address)
        return seconds(rows[0].get("expires-after", "")) or 0 if rows else 0

    def renew(self, address: str, wait_s: float = 10) -> Asked:
        """Tell the device to renew, and return how it is as soon as it has asked.

        Raises:
            NoDeviceError: nothing shows that it has.
        """
        before_s = self.expires_s(address)
        self.router.do(f"{CLIENTS}/renew", {"numbers": self._id})

        def asked() -> Asked | None:
            found = self.now(address, before_s)
            has_asked = found.renewed or found.status != "bound" or found.address != address
            return found if has_asked else None

        found = self.clock.watch(asked, wait_s, every=0.1)
        if found is None:
            raise NoDeviceError(f"the device was told to renew, and did not within {wait_s:g} s")
        return found

    def now(self, address: str, before_s: int) -> Asked:
        """How the device is now; `before_s`: for how long its lease was good when it was asked."""
        clients, leases = self.router.tables(
            (CLIENTS, {"comment": TAG}), (LEASES, {"active_address": address})
        )
        left_s = (seconds(leases[0].get("expires-after", "")) or 0) if leases else 0
        held = clients[0].get("address", "").partition("/")[0]
        return Asked(clients[0].get("status", ""), held, left_s >= before_s + _RENEWED_S)

    def cut_off(self) -> None:
        """Take the device's interface down: nothing of it reaches the router."""
        self.router.do(f"{_INTERFACES}/disable", {"numbers": self._interface_id})

    def connect(self) -> None:
        """Bring the device's interface up."""
        self.router.do(f"{_INTERFACES}/enable", {"numbers": self._interface_id})

    def stop(self) -> None:
        """Let the device ask no more, and remove its leases."""
        self._set_client(disabled="yes")
        self.connect()
        for row in self.router.rows(LEASES):
            within = row.get("dynamic") == "true" and row.get("mac-address") == DEVICE_MAC
            if row.get("comment") == TAG or within:
                self.router.attempt(f"{LEASES}/remove", {"numbers": row[".id"]})

    def _set_client(self, **settings: str) -> None:
        self.router.do(f"{CLIENTS}/set", {"numbers": self._id, **_dashed(settings)})


def _dashed(fields: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}
