"""Which lease a DHCP client gets: static first, then the pool.

Works on the lease table alone; packets are `dhcp`'s business, and the control interface's
`device` plays a client without any.

Source: MAN-SRV, HLP.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import chain
from typing import Literal

from simulator.dhcp_option82 import active_ids, by_option_82, has_ids
from simulator.faults import AT_RENEWAL
from simulator.menus import MENUS
from simulator.menus.dhcp import SERVER, trouble_of
from simulator.menus.held import let_act
from simulator.menus.ip import POOL, spans
from simulator.menus.lease import LEASE, LEASES
from simulator.menus.lease_effects import end_kept, follow, mark_of
from simulator.router import Router
from simulator.state import Row
from simulator.values import ZERO_IP, ZERO_MAC, parse_duration

_AGE_SINCE = (7, 16)  # NTC: seen with `class-id`
# seconds of asking after which a wrong address is refused (MAN-SRV 2, 3)
_AUTHORITATIVE_AFTER = {
    "yes": 0.0,
    "after-2sec-delay": 2.0,
    "after-10sec-delay": 10.0,
    "no": float("inf"),
}


@dataclass(frozen=True, slots=True)
class Client:
    """A DHCP client.

    Attributes:
        mac: in upper case with `:`.
        server: name of the DHCP server that hears it.
        requested: the address that it asks for or renews; empty is none.
        client_id: option 61 as RouterOS writes it.
        host_name: option 12.
        secs: how long it has been asking.
        unicast: whether it has an address and renews it.
        allow_reconfigure: whether it asks for a key (RFC 6704).
        ids: circuit id and remote id of option 82, in hex; empty: no node on its way added them.
    """

    mac: str
    server: str
    requested: str = ""
    client_id: str = ""
    host_name: str = ""
    secs: int = 0
    unicast: bool = False
    allow_reconfigure: bool = False
    ids: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class DhcpReply:
    """The answer of the server: `ack` with an address, `nak`, or none.

    Attributes:
        kind: of the answer.
        address: given, empty but for `ack`.
        lease_s: lease time in seconds.
        row_id: the lease.
    """

    kind: Literal["ack", "nak", "none"]
    address: str = ""
    lease_s: int = 0
    row_id: str = ""


SILENCE = DhcpReply("none")


def request(router: Router, client: Client, *, bind: bool = True) -> DhcpReply:
    """Answer a client's request and note the lease.

    Without `bind` (DISCOVER) nothing changes but a dynamic row's reservation.
    """
    server = router.named(SERVER, client.server)
    if server is None or server.disabled or trouble_of(router, server):
        return SILENCE
    _end_stale(router, client)
    row = lease_of(router, server, client, dynamic=False)
    static = row is not None
    if row is None:
        row = lease_of(router, server, client, dynamic=True)
    if row is not None and row.values.get("block-access") == "true":
        return SILENCE
    if by_radius(server) and (row is None or row.values["status"] == "authorizing"):
        return SILENCE
    address = _address_for(router, server, row, client)
    if address is None:
        return stale(router, server, client) if client.requested and bind else SILENCE
    if bind and client.requested and client.requested != address:
        return stale(router, server, client)
    lease_s = _lease_time(server, row)
    if row is None:
        row = new_dynamic(router, server, client, address)
    if bind:
        if static:  # before the other is bound: what they make may be the same rows
            _drop_dynamic(router, server, client)
        _bind(router, server, row, client, address)
    return DhcpReply("ack", address, lease_s, row.id)


def _end_stale(router: Router, client: Client) -> None:
    """Let a device go whose row is no longer for it, where that waited for its request."""
    end_kept(router, mac=client.mac)
    table = LEASES.rows(router)
    held = table.having("active-address", client.requested) if client.requested else []
    for row in {row.id: row for row in (*held, *table.having("mac-address", client.mac))}.values():
        theirs = row.values.get("active-mac-address") == client.mac
        if theirs and LEASES.ends_at(AT_RENEWAL, router, row.values):
            forget(router, row)


def release(router: Router, client: Client) -> None:
    """Take a client's release: a dynamic row goes, a static one waits (MAN-SRV)."""
    table = LEASES.rows(router)
    nameless = table.having("mac-address", ZERO_MAC)
    for row in [*table.having("mac-address", client.mac), *nameless]:
        if row.values.get("active-mac-address") == client.mac:
            forget(router, row)


def decline(router: Router, client: Client) -> None:
    """Handle a client's report that its address is in use: a dynamic row is marked (MAN)."""
    table = LEASES.rows(router)
    old = router.version < (7,)
    for row in table.having("mac-address", client.mac):
        if row.dynamic:
            table.update(row, {**row.values, "status": "busy" if old else "declined"})


def lose_unstored(router: Router) -> None:
    """Lose the dynamic leases that were not stored yet (HLP: store-leases-disk, 5m)."""
    kept = router.setting("/ip/dhcp-server/config", "store-leases-disk")
    if kept == "immediately":
        return
    after = 0 if kept == "never" else router.now() - parse_duration(kept)
    for row in list(LEASES.rows(router).rows.values()):
        if row.dynamic and row.times.get("last-seen", router.now()) >= after:
            forget(router, row)


def forget(router: Router, row: Row) -> None:
    """End the lease of a client: a dynamic row goes, a static one waits."""
    before = LEASES.view(router, row)
    LEASES.let_go(router, row)
    if row.dynamic:
        router.wrote("dhcp", f"{LEASE}/remove", before, None)
    else:
        router.wrote("dhcp", f"{LEASE}/set", before, LEASES.view(router, row))


def _rows_for(router: Router, client: Client) -> list[Row]:
    """Give the leases of the client's MAC, then those that match by client-id alone (MAN-CLI)."""
    table = LEASES.rows(router)
    nameless = table.having("mac-address", ZERO_MAC) if client.client_id else []
    by_id = (row for row in nameless if row.values["client-id"] == client.client_id)
    return [*table.having("mac-address", client.mac), *by_id]


def by_radius(server: Row) -> bool:
    """Whether a server asks RADIUS for whom it has no static lease (which wins: assumed)."""
    return server.values["use-radius"] == "yes"


def lease_of(router: Router, server: Row, client: Client, *, dynamic: bool) -> Row | None:
    """Find the static or the dynamic lease of a client; None: it has none."""
    renews = client.requested if client.unicast else ""
    found = None if dynamic else by_option_82(router, server, client.ids, client.mac, renews)
    if found is not None:
        return found
    for row in _rows_for(router, client):
        values = row.values
        if row.dynamic is not dynamic or row.disabled or (not dynamic and has_ids(values)):
            continue
        if values["server"] not in (server.id, "all"):
            continue
        # client-id must match where it is set (HLP)
        if values.get("client-id") and values["client-id"] != client.client_id and not dynamic:
            continue
        named_here = values["server"] != "all"
        if found is None or (named_here and found.values["server"] == "all"):
            found = row
    return found


def _address_for(router: Router, server: Row, row: Row | None, client: Client) -> str | None:
    address = ZERO_IP if row is None else row.values["address"]
    if address != ZERO_IP and address[0].isdigit():
        statics = LEASES.statics(LEASES.rows(router).having("address", address), row)
        return None if row is not None and row.dynamic and statics else address
    pool = router.id_of(POOL, address) if address != ZERO_IP else server.values["address-pool"]
    held = None if row is None else row.values.get("active-address")
    if held:
        return held
    return free_address(router, pool, client)


def free_address(router: Router, pool: str | None, client: Client) -> str | None:
    """Take the address asked for if it is free in the pool (MAN-SRV 4), else the first."""
    row = MENUS[POOL].rows(router).rows.get(pool or "")
    seen: set[str] = set()
    while row is not None and row.id not in seen:
        seen.add(row.id)
        ranges = spans(row.values["ranges"])
        if client.requested and _is_free(router, client.requested):
            wanted = int(IPv4Address(client.requested))
            if any(wanted in span for span in ranges):
                return client.requested
        for number in chain.from_iterable(ranges):
            address = str(IPv4Address(number))
            if _is_free(router, address):
                return address
        row = MENUS[POOL].rows(router).rows.get(row.values.get("next-pool", "none"))
    return None


def _is_free(router: Router, address: str) -> bool:
    table = LEASES.rows(router)
    return not table.having("address", address) and not table.having("active-address", address)


def stale(router: Router, server: Row, client: Client) -> DhcpReply:
    """Answer a request for an address that is not the client's (any more)."""
    if router.switches.stale_renewal == "silent" and _still_has(router, client):
        return SILENCE
    delay = _AUTHORITATIVE_AFTER[server.values["authoritative"]]
    return DhcpReply("nak") if client.unicast or client.secs >= delay else SILENCE


def _still_has(router: Router, client: Client) -> bool:
    table = LEASES.rows(router)
    return any(
        row.values.get("active-mac-address") == client.mac
        for row in table.having("active-address", client.requested)
    )


def _lease_time(server: Row, row: Row | None) -> int:
    own = None if row is None else row.values.get("lease-time")
    seconds = parse_duration(own) if own else 0
    # 0s is the server's lease time (MAN 2026)
    return seconds or parse_duration(server.values["lease-time"])


def new_dynamic(router: Router, server: Row, client: Client, address: str) -> Row:
    """Make a dynamic lease that is offered to a client."""
    values = LEASES.fresh(router) | {
        "address": address,
        "mac-address": client.mac,
        "client-id": client.client_id,
        "server": server.id,
        "status": "offered",
        "dynamic": "true",
    }
    row = LEASES.rows(router).insert(values)
    _expire_at(router, row, 30)  # how long an offer is kept (assumed)
    router.wrote("dhcp", f"{LEASE}/add", None, LEASES.view(router, row))
    return row


def _bind(router: Router, server: Row, row: Row, client: Client, address: str) -> None:
    before, old = LEASES.view(router, row), row.values
    active = {
        "status": "bound",
        "active-address": address,
        "active-mac-address": client.mac,
        "active-server": server.id,
        "src-mac-address": client.mac,
        **active_ids(client.ids, renews=client.unicast),
    }
    if client.client_id:
        active["active-client-id"] = client.client_id
    if client.host_name:
        active["host-name"] = client.host_name
    if client.allow_reconfigure and server.values.get("use-reconfigure") == "true":
        active["reconfigure-key"] = (
            old.get("reconfigure-key") or f"{router.random.getrandbits(128):032x}"
        )
    values = {**old, **active}
    if "reconfigure-key" not in active:
        values.pop("reconfigure-key", None)
    if values.get("reconfigure-status") == "sent":
        values["reconfigure-status"] = "renewed"
    let_act(router, values, goes_on="active-address" in old and mark_of(old) == mark_of(values))
    end_kept(router, mark=mark_of(values))
    LEASES.rows(router).update(row, values)
    row.times["last-seen"] = router.now()
    if row.dynamic and router.version >= _AGE_SINCE:
        row.times.setdefault("age", router.now())
    _expire_at(router, row, _lease_time(server, row))
    follow(router, old, row)
    router.wrote("dhcp", f"{LEASE}/set", before, LEASES.view(router, row))


def _expire_at(router: Router, row: Row, seconds: int) -> None:
    router.table(LEASE).expire_at(row, "expires-after", router.now() + seconds)


def _drop_dynamic(router: Router, server: Row, client: Client) -> None:
    row = lease_of(router, server, client, dynamic=True)
    if row is not None:
        forget(router, row)
