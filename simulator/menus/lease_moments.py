"""When a change on the row of a bound device acts, by switch: nobody has seen it.

`at-once`; `at-renewal`, when the device asks next; or `kept-until-expiry` of its lease, whatever
it asks. Documented is one case, which has no switch: a rate where none was acts at once (MAN-SRV).
"""

from simulator.faults import AT_ONCE, AT_RENEWAL, KEPT
from simulator.menus.lease_effects import follow, mark_of
from simulator.menus.made_rows import acting
from simulator.router_state import RouterState
from simulator.state import Row, Values

_RATE, _LISTS = "rate-limit", "address-lists"


def hold_back(router: RouterState, before: Values, values: Values) -> None:
    """Keep in changed values what goes on acting at the bound device: its rate, its lists."""
    for name in (_RATE, _LISTS):
        old, new = acting(before, name), values.get(name, "")
        values.pop(f"_{name}", None)
        if old != new and _moment(router, name, old, new) != AT_ONCE:
            values[f"_{name}"] = old


def let_act(router: RouterState, values: Values, *, goes_on: bool) -> None:
    """Drop from a device's values what waited for its request; all of it for another device."""
    for name in (_RATE, _LISTS):
        old = values.pop(f"_{name}", None)
        if old is not None and goes_on:
            moment = _moment(router, name, old, values.get(name, ""))
            if moment == KEPT:
                values[f"_{name}"] = old


def _moment(router: RouterState, name: str, old: str, new: str) -> str:
    switches = router.switches
    if name == _LISTS:
        return switches.lists_change
    if not old:
        return AT_ONCE
    return switches.rate_change if new else switches.rate_clear


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
