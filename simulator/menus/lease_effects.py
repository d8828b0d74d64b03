"""What a bound lease makes elsewhere: address-list rows, a queue, an ARP row, log lines.

The rows are found again by the lease's MAC and address of that time, kept in `_lease`.
Source: MAN-SRV, HLP; the log's words: public captures of
RouterOS 6 ("to", "from") and 7 ("for").
"""

from typing import TYPE_CHECKING

from simulator.state import Row, Values

if TYPE_CHECKING:
    from simulator.router import Router

ADDRESS_LIST = "/ip/firewall/address-list"
QUEUE = "/queue/simple"
ARP = "/ip/arp"
SERVER = "/ip/dhcp-server"
MARK = "_lease"  # a stored value that no field shows
_UNITS = {"k": 1000, "M": 1000000, "G": 1000000000}


def follow(router: "Router", before: Values | None, row: Row | None) -> None:
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


def _wanted(router: "Router", lease: Values) -> list[tuple[str, Values]]:
    address, mac = lease["active-address"], lease["active-mac-address"]
    server = router.table(SERVER).rows.get(lease["active-server"])
    of_server = server.values if server else {}
    lists = f"{lease['address-lists']},{of_server.get('address-lists', '')}"
    mark = _mark(lease)
    wanted: list[tuple[str, Values]] = [
        (ADDRESS_LIST, {"list": name, "address": address, MARK: mark})
        for name in dict.fromkeys(lists.split(","))
        if name
    ]
    if lease.get("rate-limit"):
        limit = _limit(lease["rate-limit"])
        queue = {"name": f"dhcp-ds<{mac}>", "target": f"{address}/32", MARK: mark}
        # limit-at and max-limit both are the rate (HLP)
        wanted.append((QUEUE, {**queue, "max-limit": limit, "limit-at": limit}))
    if of_server.get("add-arp") == "true":
        arp = {"address": address, "mac-address": mac, "interface": of_server["interface"]}
        wanted.append((ARP, {**arp, "dhcp": "true", "complete": "true", MARK: mark}))
    return wanted


def _mark(lease: Values) -> str:
    return f"{lease['active-mac-address']} {lease['active-address']}"


def _take_away(router: "Router", lease: Values, wanted: list[tuple[str, Values]]) -> None:
    for path in (ADDRESS_LIST, QUEUE, ARP):
        table = router.table(path)
        for row in table.having(MARK, _mark(lease)):
            kept = (
                menu == path and values.items() <= row.values.items() for menu, values in wanted
            )
            if not any(kept):
                table.delete(row)


def _add(router: "Router", path: str, values: Values) -> None:
    table, menu = router.table(path), router.menu(path)
    if any(values.items() <= row.values.items() for row in table.having(MARK, values[MARK])):
        return
    if path == ADDRESS_LIST and any(
        row.values["list"] == values["list"] for row in table.having("address", values["address"])
    ):
        return  # there by somebody's hand
    table.insert({**menu.fresh(router), **values, "dynamic": "true"})


def _limit(rate: str) -> str:
    """Turn `rx[/tx]` into the queue's numbers; tx is rx when not given."""
    first = rate.split(" ", 1)[0]
    receive, _, send = first.partition("/")
    return f"{bits(receive)}/{bits(send or receive)}"


def bits(text: str) -> str:
    """Write a rate such as `5M` out in full; what is none stays as it is."""
    factor = _UNITS.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    return str(int(digits) * factor) if digits.isascii() and digits.isdigit() else text


def _log(router: "Router", lease: Values, *, assigned: bool) -> None:
    server = router.name_of(SERVER, lease["active-server"]) or "*FFFFFFFF"
    address, mac = lease["active-address"], lease["active-mac-address"]
    host = lease.get("host-name", "")
    old = router.version < (7,)
    if assigned:
        text = f"{server} assigned {address} {'to' if old else 'for'} {mac}"
    else:
        text = f"{server} deassigned {address} {'from' if old else 'for'} {mac}"
    router.log("dhcp,info", f"{text} {host}".rstrip())
