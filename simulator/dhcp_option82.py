"""Leases that match the ids of option 82, which a node on a client's way adds (MAN-CLI, from 7.21).

Assumed: each id that a lease has must be the client's, one with both wins over one with one, and a
lease with ids is for nobody without them, but for its holder that renews it past the relay.
"""

from simulator.menus import MENUS
from simulator.menus.lease import LEASE, OPTION_82
from simulator.router import Router
from simulator.state import Row, Values

Ids = tuple[str, str]
"""Circuit id and remote id, in hex."""


def has_ids(values: Values) -> bool:
    """Whether a lease is for ids."""
    return any(values.get(name) for name in OPTION_82)


def by_option_82(router: Router, server: Row, ids: Ids, mac: str, renews: str) -> Row | None:
    """Give the static lease of a client's ids, whatever its MAC and its client id.

    A client without ids may renew an address by itself.
    """
    circuit, remote = ids
    found = [
        row
        for some in dict.fromkeys([ids, (circuit, ""), ("", remote)])
        for row in _having(router, some)
    ]
    if not any(ids) and renews:
        found = _renewing(router, mac, renews)
    here = [
        row
        for row in found
        if not row.dynamic and not row.disabled and row.values["server"] in (server.id, "all")
    ]
    return min(here, key=lambda row: row.values["server"] == "all", default=None)


def active_ids(ids: Ids, *, renews: bool) -> Values:
    """Give what a bound lease shows of them; a renewal without them leaves what was (assumed)."""
    if renews and not any(ids):
        return {}
    return {f"active-{name}": digits for name, digits in zip(OPTION_82, ids, strict=True)}


def _having(router: Router, ids: Ids) -> list[Row]:
    table = MENUS[LEASE].rows(router)
    name, digits = next(((n, d) for n, d in zip(OPTION_82, ids, strict=True) if d), ("", ""))
    rows = table.having(name, digits) if digits else []
    return [row for row in rows if tuple(row.values.get(each, "") for each in OPTION_82) == ids]


def _renewing(router: Router, mac: str, address: str) -> list[Row]:
    """Give the lease that a client renews past its relay, so without ids."""
    return [
        row
        for row in MENUS[LEASE].rows(router).having("active-address", address)
        if row.values.get("active-mac-address") == mac and has_ids(row.values)
    ]
