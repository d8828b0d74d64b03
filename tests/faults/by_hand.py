"""What people do on the routers of a chaos run, each with what ends it."""

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from simulator.control import ControlError
from simulator.menus.user_manager import RATE
from simulator.menus.user_manager import USER as USERS
from tests.faults import estate
from tests.faults.estate import SUSPENDED
from tests.faults.history import mac_of
from tests.installation import LEASES, MAC_ENTRIES, SECRETS
from worker.core.rows.rows import ADDRESS_LISTS, parse_tag

if TYPE_CHECKING:
    from tests.faults.chaos.on_estate import OnEstate

Undo = Callable[[], None] | None
Fault = Callable[["OnEstate", random.Random, str, float], Undo]


def _address_by_hand(number: int) -> str:
    """Of the benchmarking networks: each number has one of its own, and no service has any."""
    return f"198.18.{number >> 8}.{number & 255}"


def _values(chaos: "OnEstate", router: str, number: int, choice: int) -> dict[str, str]:
    """Of a row by hand: of a device and an address that no service has."""
    mac, address = mac_of(number, choice), _address_by_hand(number)
    return estate.entry_by_hand(router, mac, address)


_EDITS: Final[Mapping[str, Callable[[random.Random], list[dict[str, str]]]]] = {
    LEASES: lambda rng: [{"block-access": rng.choice(["yes", "no"])}, {"rate-limit": "1M/1M"}],
    SECRETS: lambda rng: [{"disabled": rng.choice(["yes", "no"])}, {"service": "any"}],
    MAC_ENTRIES: lambda _: [{"dns-server": "203.0.113.53"}],
    USERS: lambda rng: [{"disabled": rng.choice(["yes", "no"])}, {"attributes": f"{RATE}:1M/1M"}],
}
"""By menu, what else a person changes of a row of ours."""


def add_by_hand(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person adds a row of their own."""
    number = chaos.number()
    values = _values(chaos, router, number, 0xF0)
    comment = rng.choice(["", "camera", "leasewire:other:SVC-7"])
    _by_hand(chaos, router, values | ({"comment": comment} if comment else {}))
    return None


def copy_by_hand(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person copies a row of ours, our tag with it, for another device."""
    row = _a_row_of_ours(chaos, rng, router)
    if row is not None:
        number = chaos.number()
        changes = _values(chaos, router, number, 0xF1)
        row_id = _by_hand(chaos, router, {"copy-from": row[".id"], **changes})
        chaos.copies.append((router, row["comment"], row_id))
    return None


def edit_by_hand(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person changes a row of ours."""
    row = _a_row_of_ours(chaos, rng, router)
    if row is not None:
        menu, said = chaos.menu_of(router), _values(chaos, router, chaos.number(), 0xF2)
        edits = [
            *({name: value} for name, value in said.items()),
            *_EDITS[menu](rng),
            {"comment": row["comment"] + rng.choice([" VIP", ",VIP"])},
        ]
        chaos.control[router].set_row(menu, row[".id"], rng.choice(edits))
    return None


def remove_by_hand(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person removes a row of ours."""
    row = _a_row_of_ours(chaos, rng, router)
    if row is not None:
        chaos.control[router].remove_row(chaos.menu_of(router), row[".id"])
    return None


def disable_by_hand(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person switches a row of ours off, and on again later."""
    row, control, menu = None, chaos.control[router], chaos.menu_of(router)
    if menu != MAC_ENTRIES:  # which cannot be switched off
        row = _a_row_of_ours(chaos, rng, router)
    if row is None:
        return None
    control.set_row(menu, row[".id"], {"disabled": "yes"})

    def enable() -> None:
        try:
            control.set_row(menu, row[".id"], {"disabled": "no"})
        except ControlError:
            # it is gone, or its MAC has another row by now: whoever sees that removes it
            if any(lease[".id"] == row[".id"] for lease in control.rows(menu)):
                control.remove_row(menu, row[".id"])

    return enable


def take_off_a_list(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """A person takes an address of ours off the list of suspended services, or moves it."""
    control = chaos.control[router]
    ours = [
        row
        for row in control.rows(ADDRESS_LISTS)
        if (ADDRESS_LISTS, row[".id"]) not in chaos.beside[router] and row["list"] == SUSPENDED
    ]
    if ours:
        row = rng.choice(ours)
        if rng.random() < 1 / 2:
            control.remove_row(ADDRESS_LISTS, row[".id"])
        else:
            address = {"address": _address_by_hand(chaos.number())}
            control.set_row(ADDRESS_LISTS, row[".id"], address)
    return None


def _a_row_of_ours(chaos: "OnEstate", rng: random.Random, router: str) -> dict[str, str] | None:
    """One that no person touched yet: of a service with two odd rows only people can say more."""
    rows = [
        row
        for service, rows in sorted(chaos.rows(router).items())
        for row in rows
        if (router, service) not in chaos.touched and row[".id"] not in chaos.foreign[router]
    ]
    if not rows:
        return None
    row = rng.choice(rows)
    tag = parse_tag(row["comment"])
    assert tag is not None
    chaos.touched.add((router, tag.service_id))
    return row


def _by_hand(chaos: "OnEstate", router: str, values: dict[str, str]) -> str:
    control, menu = chaos.control[router], chaos.menu_of(router)
    row_id = control.add_row(menu, values)
    (row,) = [row for row in control.rows(menu) if row[".id"] == row_id]
    chaos.foreign[router][row_id] = row
    return row_id
