"""Which binding a DHCPv6 client gets: static first, then the pools.

Works on the binding table alone; packets are `dhcp6`'s business, and the control interface's
`device6` plays a client without any.

Source: MAN-S6, MAN-B6, V6, RFC 8415. Assumed: a client whose binding is gone is told so when it
renews (NoBinding), and loses its prefix when it rebinds; one whose static row has another address
now gets that at its next request, and the old one ends.
"""

from dataclasses import dataclass
from typing import Literal

from simulator.dhcp6_pools import Ia, free_prefix
from simulator.faults import AT_RENEWAL
from simulator.menus import MENUS
from simulator.menus.binding import BINDINGS, CLIENT, client_of
from simulator.menus.binding_rows import BINDING, HELD, SERVER6
from simulator.menus.dhcp6 import ADDRESSES_SINCE
from simulator.menus.held import let_act
from simulator.menus.ipv6 import SETTINGS6, learn_neighbor
from simulator.router import Router
from simulator.state import Row
from simulator.values import parse_duration

_OFFERED_S = 120  # MAN-B6

Status = Literal["success", "none-available", "no-binding"]


@dataclass(frozen=True, slots=True)
class Client6:
    """A DHCPv6 client.

    Attributes:
        duid: `0x` and hexadecimal digits in lower case.
        server: name of the DHCPv6 server that hears it.
        link_local: address that it sends from.
        mac: that the router sees it with, in upper case with `:`; empty: not told here.
        allow_reconfigure: whether it accepts Reconfigure messages (RFC 8415, 21.20).
    """

    duid: str
    server: str
    link_local: str
    mac: str = ""
    allow_reconfigure: bool = False


@dataclass(frozen=True, slots=True)
class Asked6:
    """One identity association of a client's message.

    Attributes:
        ia: prefixes (`pd`) or addresses (`na`).
        iaid: the client's number for it.
        prefixes: what it holds or would like, `2001:db8::/56` or `2001:db8::5/128`.
    """

    ia: Ia
    iaid: int
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply6:
    """The answer to one identity association.

    Attributes:
        kind: `reply`, or `none` for silence.
        status: of the association.
        address: prefix given, empty but for `success`; an address has `/128`.
        life_s: valid lifetime in seconds.
        row_id: the binding.
        ended: prefixes that the client must not use any more.
    """

    kind: Literal["reply", "none"]
    status: Status = "success"
    address: str = ""
    life_s: int = 0
    row_id: str = ""
    ended: tuple[str, ...] = ()


SILENCE6 = Reply6("none")


def server_of(router: Router, name: str) -> Row | None:
    """Find the server of a name, if it answers at all."""
    if not MENUS[SERVER6].exists(router):
        return None
    row = router.named(SERVER6, name)
    off = row is None or row.disabled or router.setting(SETTINGS6, "disable-ipv6") == "true"
    return None if off else row


def request6(
    router: Router, client: Client6, asked: Asked6, *, bind: bool = True, renews: bool = False
) -> Reply6:
    """Answer a request for a prefix or an address, and note the binding.

    Without `bind` (Solicit) nothing changes but a dynamic row's reservation. A client that `renews`
    says nothing of Reconfigure messages, and what it said before counts.
    """
    server = server_of(router, client.server)
    if server is None or _ignores(server, asked):
        return SILENCE6
    _heard(router, server, client)
    _end_stale(router, client, asked)
    row = _binding_of(router, server, client, asked)
    address = _address_for(router, server, row, asked)
    if address is None:
        ended = asked.prefixes if bind else ()
        if row is not None and row.dynamic:
            _remove(router, row)
        return Reply6("reply", "none-available", ended=ended)
    if row is None:
        row = _new_dynamic(router, server, client, asked, address)
    life_s = _life_time(server, row)
    ended = ()
    if bind:
        was, key = [row.values.get(HELD)], _key_of(router, server, client, renews=renews)
        if not row.dynamic:  # before the other is bound: what they make may be the same rows
            was += _drop_dynamic(router, client, asked)
        _bind(router, server, row, client, address, key=key)
        ended = tuple(p for p in dict.fromkeys((*was, *asked.prefixes)) if p and p != address)
    return Reply6("reply", "success", address, life_s, row.id, ended)


def renew6(router: Router, client: Client6, asked: Asked6, *, any_server: bool = False) -> Reply6:
    """Answer a renewal, or one that asks every server (Rebind)."""
    server = server_of(router, client.server)
    if server is None or _ignores(server, asked):
        return SILENCE6
    if _binding_of(router, server, client, asked) is not None:
        return request6(router, client, asked, renews=True)
    if any_server:
        return Reply6("reply", ended=asked.prefixes)
    return Reply6("reply", "no-binding")


def release6(router: Router, client: Client6, asked: Asked6) -> bool:
    """Take a client's release, or its refusal of an address: the row waits; say if there is one."""
    rows = BINDINGS.rows(router).having("duid", client.duid)
    found = [row for row in rows if row.values.get(CLIENT) == _key(router, client, asked)]
    for row in found:
        before = BINDINGS.view(router, row)
        BINDINGS.let_go(router, row)
        router.wrote("dhcp", f"{BINDING}/set", before, BINDINGS.view(router, row))
    return bool(found)


def _ignores(server: Row, asked: Asked6) -> bool:
    return asked.ia == "na" and server.values.get("ignore-ia-na-bindings") == "true"


def _heard(router: Router, server: Row, client: Client6) -> None:
    if client.mac:
        learn_neighbor(router, server.values["interface"], client.link_local, client.mac)


def _key(router: Router, client: Client6, asked: Asked6) -> str:
    values = {"duid": client.duid, "iaid": str(asked.iaid)}
    if router.version >= ADDRESSES_SINCE:
        values["ia-type"] = asked.ia
    return client_of(values)


def _end_stale(router: Router, client: Client6, asked: Asked6) -> None:
    """Let a client go whose row is no longer for it, where that waited for its request."""
    key = _key(router, client, asked)
    for prefix in asked.prefixes:
        for row in BINDINGS.rows(router).having(HELD, prefix):
            if row.values.get(CLIENT) == key and BINDINGS.ends_at(AT_RENEWAL, router, row.values):
                BINDINGS.let_go(router, row)


def _binding_of(router: Router, server: Row, client: Client6, asked: Asked6) -> Row | None:
    """Find a client's row: a static one before a dynamic one, one of this server before `all`."""
    if asked.ia == "na" and router.version < ADDRESSES_SINCE:
        return None
    key, found = _key(router, client, asked), None
    for row in BINDINGS.rows(router).having("duid", client.duid):
        values = row.values
        if row.disabled or values["server"] not in (server.id, "all") or client_of(values) != key:
            continue
        rank = (not row.dynamic, values["server"] == server.id)
        if found is None or rank > found[0]:
            found = (rank, row)
    return None if found is None else found[1]


def _address_for(router: Router, server: Row, row: Row | None, asked: Asked6) -> str | None:
    values = {} if row is None else row.values
    if values.get("address"):
        address = values["address"]
        statics = BINDINGS.statics(BINDINGS.rows(router).having("address", address), row)
        return None if row is not None and row.dynamic and statics else address
    if asked.ia == "na" and router.version < ADDRESSES_SINCE:
        return None
    if values.get(HELD):
        return values[HELD]
    by_name = "prefix-pool" if asked.ia == "pd" else "address-pool"
    of_server = server.values.get(by_name, server.values["address-pool"])  # one pool before 7.17
    return free_prefix(router, values.get("prefix-pool") or of_server, asked.ia, asked.prefixes)


def _life_time(server: Row, row: Row) -> int:
    own = parse_duration(row.values["life-time"])
    return own or parse_duration(server.values["lease-time"])


def _new_dynamic(router: Router, server: Row, client: Client6, asked: Asked6, address: str) -> Row:
    values = BINDINGS.fresh(router) | {
        "address": address,
        "duid": client.duid,
        "iaid": str(asked.iaid),
        "server": server.id,
        "life-time": server.values["lease-time"],
        "status": "offered",
        "dynamic": "true",
    }
    if router.version >= ADDRESSES_SINCE:
        values["ia-type"] = asked.ia
    pool = server.values.get("prefix-pool", server.values["address-pool"])
    if asked.ia == "pd" and pool != "static-only":
        values["prefix-pool"] = pool
    BINDINGS.check(router, None, values)
    table = BINDINGS.rows(router)
    row = table.insert(values)
    table.expire_at(row, "expires-after", router.now() + _OFFERED_S)
    router.wrote("dhcp", f"{BINDING}/add", None, BINDINGS.view(router, row))
    return row


def _bind(  # noqa: PLR0913 - what is noted of a client
    router: Router, server: Row, row: Row, client: Client6, address: str, *, key: str
) -> None:
    table = router.table(BINDING)
    before, old = BINDINGS.view(router, row), row.values
    values = {
        **old,
        "status": "bound",
        "active-server": server.id,
        "client-address": client.link_local,
        HELD: address,
        CLIENT: client_of(old),
    }
    values.pop("reconfigure-key", None)
    if key:
        values["reconfigure-key"] = key
    if values.get("reconfigure-status") == "sent":
        values["reconfigure-status"] = "renewed"
    goes_on = (old.get(CLIENT), old.get(HELD)) == (values[CLIENT], address)
    let_act(router, values, goes_on=goes_on)
    table.update(row, values)
    row.times["last-seen"] = router.now()
    table.expire_at(row, "expires-after", router.now() + _life_time(server, row))
    BINDINGS.follow(router, old, row)
    router.wrote("dhcp", f"{BINDING}/set", before, BINDINGS.view(router, row))


def _key_of(router: Router, server: Row, client: Client6, *, renews: bool) -> str:
    """Give the client's key, one for all that it holds (RFC 8415, 20.4.2); empty: none."""
    if server.values.get("use-reconfigure") != "true":
        return ""
    rows = router.table(BINDING).having("duid", client.duid)
    known = next(filter(None, (row.values.get("reconfigure-key") for row in rows)), "")
    if client.allow_reconfigure:
        return known or f"{router.random.getrandbits(128):032x}"
    return known if renews else ""


def _drop_dynamic(router: Router, client: Client6, asked: Asked6) -> list[str | None]:
    """Remove a client's dynamic rows; give what it held by them."""
    held = []
    key = _key(router, client, asked)
    for row in BINDINGS.rows(router).having("duid", client.duid):
        if row.dynamic and client_of(row.values) == key:
            held.append(row.values.get(HELD))
            _remove(router, row)
    return held


def _remove(router: Router, row: Row) -> None:
    before = BINDINGS.view(router, row)
    router.table(BINDING).delete(row)
    BINDINGS.removed(router, row)
    router.wrote("dhcp", f"{BINDING}/remove", before, None)
