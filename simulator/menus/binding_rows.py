"""What a bound binding of a DHCPv6 server makes elsewhere: a route, list rows, a queue.

Source: MAN-S6, MAN-B6, V6. What the client holds is kept in `_held`, as long as it is bound:
bindings have no property for it.
"""

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

BINDING = "/ipv6/dhcp-server/binding"
SERVER6 = "/ipv6/dhcp-server"
LIST6 = "/ipv6/firewall/address-list"
ROUTE6 = "/ipv6/route"
HELD = "_held"
MAC = "_mac"  # of a device that its DUID names
_LEASE = "/ip/dhcp-server/lease"
_PATHS = (LIST6, QUEUE, ROUTE6)


def mark_of_binding(binding: Values) -> str:
    """Give client and prefix of a bound binding."""
    return f"{binding['_client']} {binding[HELD]}"


def made_by(router: RouterState, binding: Values) -> list[Made]:
    """Give the rows that a binding makes as it is; none unless it is bound."""
    if HELD not in binding:
        return []
    prefix, mark = binding[HELD], mark_of_binding(binding)
    server = router.table(SERVER6).rows.get(binding.get("active-server", ""))
    of_server = server.values if server else {}
    made = list_rows(LIST6, binding, of_server, prefix, mark)
    rate = acting(binding, "rate-limit")
    if rate and not leases_beside(router, binding):
        duid = binding["duid"].removeprefix("0x")
        queue = {"name": f"dhcp<{duid} {prefix}>", "target": prefix, MARK: mark}
        made.append((QUEUE, {**queue, **queue_place(binding, of_server), **queue_fields(rate)}))
    if binding.get("ia-type", "pd") == "pd":
        interface = router.name_of("/interface", of_server.get("interface", "")) or ""
        route = {"dst-address": prefix, "gateway": f"{binding['client-address']}%{interface}"}
        route |= {
            "immediate-gw": route["gateway"],
            "distance": of_server.get("route-distance", "1"),
        }
        made.append((ROUTE6, {**route, "dhcp": "true", "active": "true", MARK: mark}))
    return made


def refresh(router: RouterState, before: Values | None, after: Values | None) -> None:
    """Make other menus match a binding, but for a lease that shares its queue."""
    mark = mark_of_binding(before) if before is not None and HELD in before else None
    keep_in_step(router, _PATHS, mark, made_by(router, after) if after is not None else [])


# --- one queue for both families -------------------------------------------------------------
# MAN: where lease, binding and both servers have `allow-dual-stack-queue` (the default) and the
# DUID tells whose it is. Assumed: both have a rate, and that of the lease counts.


def leases_beside(router: RouterState, binding: Values) -> list[Row]:
    """Give the bound leases whose queue is for this binding, too."""
    if HELD not in binding or not _shares(router, SERVER6, binding) or not binding.get(MAC):
        return []
    return [
        row
        for row in router.table(_LEASE).having("mac-address", binding[MAC])
        if "active-address" in row.values and _shares(router, "/ip/dhcp-server", row.values)
    ]


def bindings_beside(router: RouterState, lease: Values) -> list[Row]:
    """Give the bound bindings that a bound lease's queue is for, too."""
    if not _shares(router, "/ip/dhcp-server", lease):
        return []
    return [
        row
        for row in router.table(BINDING).having(MAC, lease["active-mac-address"])
        if HELD in row.values and _shares(router, SERVER6, row.values)
    ]


def _shares(router: RouterState, servers: str, values: Values) -> bool:
    server = router.table(servers).rows.get(values.get("active-server", ""))
    allowed = "allow-dual-stack-queue"
    both = (values.get(allowed), server.values.get(allowed) if server else None)
    return "false" not in both and bool(acting(values, "rate-limit"))
