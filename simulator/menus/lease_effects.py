"""What a bound lease makes elsewhere: address-list rows, a queue, an ARP row, log lines.

The rows are found again by the lease's MAC and address of that time, kept in `_lease`.
Source: MAN-SRV, HLP; the log's words: public captures of
RouterOS 6 ("to", "from") and 7 ("for").
"""

from simulator.faults import AT_ONCE, AT_RENEWAL
from simulator.menus.binding_rows import BINDING, bindings_beside, refresh
from simulator.menus.binding_rows import MAC as DUID_MAC
from simulator.menus.made_rows import (
    MARK,
    QUEUE,
    Made,
    acting,
    keep_in_step,
    list_rows,
    queue_place,
)
from simulator.rates import queue_fields
from simulator.router_state import RouterState
from simulator.state import Row, Values

ADDRESS_LIST = "/ip/firewall/address-list"
ARP = "/ip/arp"
SERVER = "/ip/dhcp-server"
_PATHS = (ADDRESS_LIST, QUEUE, ARP)


def follow(router: RouterState, before: Values | None, row: Row | None) -> None:
    """Make other menus match a lease that was bound, changed or let go."""
    after = None if row is None else row.values
    was = (before or {}).get("active-address")
    now = (after or {}).get("active-address")
    if was is None and now is None:
        return
    wanted = [] if after is None or now is None else made_by_lease(router, after)
    mark = None if before is None or was is None else mark_of(before)
    keep_in_step(router, _PATHS, mark, wanted)
    for mac in {_client(before), _client(after)} - {None}:
        for binding in router.table(BINDING).having(DUID_MAC, str(mac)):
            refresh(router, binding.values, binding.values)
    if was != now or _client(before) != _client(after):
        if before is not None and was is not None:
            _log(router, before, assigned=False)
        if after is not None and now is not None:
            _log(router, after, assigned=True)


def _client(values: Values | None) -> str | None:
    return (values or {}).get("active-mac-address")


def made_by_lease(router: RouterState, lease: Values) -> list[Made]:
    """Give the rows that a bound lease makes as it is."""
    address, mac = lease["active-address"], lease["active-mac-address"]
    server = router.table(SERVER).rows.get(lease["active-server"])
    of_server = server.values if server else {}
    mark = mark_of(lease)
    wanted = list_rows(ADDRESS_LIST, lease, of_server, address, mark)
    rate = acting(lease, "rate-limit")
    if rate:
        beside = [row.values["_held"] for row in bindings_beside(router, lease)]
        targets = ",".join([f"{address}/32", *beside])
        queue = {"name": f"dhcp-ds<{mac}>", "target": targets, MARK: mark}
        queue |= queue_place(lease, of_server)
        wanted.append((QUEUE, {**queue, **queue_fields(rate)}))
    if of_server.get("add-arp") == "true":
        arp = {"address": address, "mac-address": mac, "interface": of_server["interface"]}
        wanted.append((ARP, {**arp, "dhcp": "true", "complete": "true", MARK: mark}))
    return wanted


def refresh_lease(router: RouterState, row: Row) -> None:
    """Make the rows of a bound lease as they should be, after what shares its queue changed."""
    wanted = made_by_lease(router, row.values)
    keep_in_step(router, _PATHS, mark_of(row.values), wanted)


def mark_of(lease: Values) -> str:
    """Give device and address of a bound lease."""
    return f"{lease.get('active-mac-address')} {lease.get('active-address')}"


def _log(router: RouterState, lease: Values, *, assigned: bool) -> None:
    server = router.name_of(SERVER, lease["active-server"]) or "*FFFFFFFF"
    address, mac = lease["active-address"], lease["active-mac-address"]
    host = lease.get("host-name", "")
    old = router.version < (7,)
    if assigned:
        text = f"{server} assigned {address} {'to' if old else 'for'} {mac}"
    else:
        text = f"{server} deassigned {address} {'from' if old else 'for'} {mac}"
    router.log("dhcp,info", f"{text} {host}".rstrip())


# --- removed rows ----------------------------------------------------------------------------


def note_removal(router: RouterState, row: Row) -> None:
    """Take along what the lease made, or keep it for a while."""
    until = row.times.get("expires-after")
    if "active-address" in row.values and until and router.switches.removal != AT_ONCE:
        router.kept_leases[mark_of(row.values)] = row
    else:
        follow(router, row.values, None)


def end_kept(router: RouterState, mac: str = "", mark: str = "") -> None:
    """End what removed rows left, if it has expired.

    Also what is of a device that asks, by its MAC, and of a lease that is bound again, by its mark.
    """
    at_renewal = router.switches.removal == AT_RENEWAL
    for name, row in tuple(router.kept_leases.items()):
        asked = at_renewal and row.values["active-mac-address"] == mac
        if asked or name == mark or row.times["expires-after"] <= router.now():
            del router.kept_leases[name]
            follow(router, row.values, None)
