"""When a change on the row of a bound device acts, by switch: nobody has seen it.

`at-once`; `at-renewal`, when the device asks next; or `kept-until-expiry` of its lease, whatever
it asks. Documented is one case, which has no switch: a rate where none was acts at once (MAN-SRV).
"""

from simulator.faults import AT_ONCE, AT_RENEWAL, KEPT
from simulator.menus.lease_effects import follow, mark_of
from simulator.menus.made_rows import acting
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import ZERO_IP, ZERO_MAC

_RATE, _LISTS = "rate-limit", "address-lists"


def note_change(router: RouterState, before: Values, row: Row) -> bool:
    """Note what goes on acting as before, and say whether the device's lease ends at once."""
    values = row.values
    if "active-address" not in before or mark_of(before) != mark_of(values):
        return False
    hold_back(router, before, values)
    ended = _ends(values)
    before_ended = _ends(before)
    return any(getattr(router.switches, name) == AT_ONCE for name in ended - before_ended)


def note_request(router: RouterState, before: Values, values: Values) -> None:
    """Let act what waited for a request of the device, in the values that it is bound with."""
    goes_on = "active-address" in before and mark_of(before) == mark_of(values)
    let_act(router, values, goes_on=goes_on)


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


def ends_at_request(router: RouterState, lease: Values) -> bool:
    """Say whether a bound row lets its device go when that asks."""
    return any(getattr(router.switches, name) == AT_RENEWAL for name in _ends(lease))


def _ends(lease: Values) -> set[str]:
    """Give the switches for why a bound row is no longer its device's."""
    address, mac = lease["address"], lease["mac-address"]
    reasons = {
        "block_access": lease.get("block-access") == "true",
        "disabling": lease["disabled"] == "true",
        "address_change": address[:1].isdigit()
        and address not in (ZERO_IP, lease.get("active-address")),
        "mac_change": mac not in (ZERO_MAC, lease.get("active-mac-address")),
    }
    return {name for name, holds in reasons.items() if holds}


# --- removed rows ----------------------------------------------------------------------------


def note_removal(router: RouterState, row: Row) -> None:
    """Take along what the lease made, or keep it for a while."""
    until = row.times.get("expires-after")
    if "active-address" in row.values and until and router.switches.removal != AT_ONCE:
        router.kept_leases[mark_of(row.values)] = row
    else:
        follow(router, row.values, None)


def end_kept(router: RouterState, mac: str = "", mark: str = "") -> None:
    """End what removed rows left: what has expired, and on a request of that device.

    Args:
        router: whose.
        mac: of a device that asks; empty is none.
        mark: of a lease that is bound again.
    """
    at_renewal = router.switches.removal == AT_RENEWAL
    for name, row in tuple(router.kept_leases.items()):
        asked = at_renewal and row.values["active-mac-address"] == mac
        if asked or name == mark or row.times["expires-after"] <= router.now():
            del router.kept_leases[name]
            follow(router, row.values, None)
