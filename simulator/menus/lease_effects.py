"""What a bound lease makes elsewhere: address-list rows, a queue, an ARP row, log lines.

The rows are found again by the lease's MAC and address of that time, kept in `_lease`.
Source: MAN-SRV, HLP; the log's words: public captures of
RouterOS 6 ("to", "from") and 7 ("for").
"""

from simulator.rates import queue_fields
from simulator.router_state import RouterState
from simulator.state import Row, Values

ADDRESS_LIST = "/ip/firewall/address-list"
QUEUE = "/queue/simple"
ARP = "/ip/arp"
SERVER = "/ip/dhcp-server"
MARK = "_lease"  # a stored value that no field shows
_PLACE = "_place"  # likewise: before which queue, `first` or `bottom`


def follow(router: RouterState, before: Values | None, row: Row | None) -> None:
    """Make other menus match a lease that was bound, changed or let go."""
    after = None if row is None else row.values
    was = (before or {}).get("active-address")
    now = (after or {}).get("active-address")
    if was is None and now is None:
        return
    wanted = [] if after is None or now is None else _wanted(router, after)
    if before is not None and was is not None:
        _take_away(router, before, wanted)
    for menu, values in wanted:
        _add(router, menu, values)
    if was != now or _client(before) != _client(after):
        if before is not None and was is not None:
            _log(router, before, assigned=False)
        if after is not None and now is not None:
            _log(router, after, assigned=True)


def _client(values: Values | None) -> str | None:
    return (values or {}).get("active-mac-address")


def _wanted(router: RouterState, lease: Values) -> list[tuple[str, Values]]:
    address, mac = lease["active-address"], lease["active-mac-address"]
    server = router.table(SERVER).rows.get(lease["active-server"])
    of_server = server.values if server else {}
    lists = f"{acting(lease, 'address-lists')},{of_server.get('address-lists', '')}"
    mark = mark_of(lease)
    wanted: list[tuple[str, Values]] = [
        (ADDRESS_LIST, {"list": name, "address": address, MARK: mark})
        for name in dict.fromkeys(lists.split(","))
        if name
    ]
    rate = acting(lease, "rate-limit")
    if rate:
        queue = {"name": f"dhcp-ds<{mac}>", "target": f"{address}/32", MARK: mark}
        queue |= _of_lease_or_server(lease, of_server)
        wanted.append((QUEUE, {**queue, **queue_fields(rate)}))
    if of_server.get("add-arp") == "true":
        arp = {"address": address, "mac-address": mac, "interface": of_server["interface"]}
        wanted.append((ARP, {**arp, "dhcp": "true", "complete": "true", MARK: mark}))
    return wanted


def _of_lease_or_server(lease: Values, server: Values) -> Values:
    """Give what a lease, else its server, says of the queue (MAN-CLI, MAN: first by default)."""
    parent = lease.get("parent-queue") or server.get("parent-queue", "none")
    place = lease.get("insert-queue-before") or server.get("insert-queue-before", "first")
    kind = lease.get("queue-type")
    types = {} if not kind else {"queue": kind if "/" in kind else f"{kind}/{kind}"}
    return {"parent": parent, _PLACE: place, **types}


def acting(lease: Values, name: str) -> str:
    """Give what acts at the bound device, where that is not yet what the row says."""
    return lease.get(f"_{name}", lease.get(name, ""))


def mark_of(lease: Values) -> str:
    """Give device and address of a bound lease."""
    return f"{lease.get('active-mac-address')} {lease.get('active-address')}"


def _take_away(router: RouterState, lease: Values, wanted: list[tuple[str, Values]]) -> None:
    for path in (ADDRESS_LIST, QUEUE, ARP):
        table = router.table(path)
        for row in table.having(MARK, mark_of(lease)):
            kept = (
                menu == path and values.items() <= row.values.items() for menu, values in wanted
            )
            if not any(kept):
                table.delete(row)


def _add(router: RouterState, path: str, values: Values) -> None:
    table, menu = router.table(path), router.menus[path]
    if any(values.items() <= row.values.items() for row in table.having(MARK, values[MARK])):
        return
    if path == ADDRESS_LIST and any(
        row.values["list"] == values["list"] and not row.disabled
        for row in table.having("address", values["address"])
    ):
        return  # there by somebody's hand
    first = next(iter(table.rows.values()), None)
    row = table.insert({**menu.fresh(router), **values, "dynamic": "true"})
    place = values.get(_PLACE, "bottom")
    before = first if place == "first" else table.rows.get(place)
    if before is not None:
        table.move(row, before)


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
