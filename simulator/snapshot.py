"""A router's state as JSON: kept in a file, taken back as an old backup, or reset.

Times are kept as what is left of them; what was running goes on where it stopped.
"""

import json
from pathlib import Path
from typing import Any

from simulator.menus import MENUS
from simulator.menus.users import GROUP, USER
from simulator.router import Router
from simulator.state import Row

# kept by a reset with `keep_access`
_ACCESS = (USER, GROUP, "/ip/service", "/system/identity", "/certificate")


def take(router: Router) -> dict[str, Any]:
    """Give the router's state."""
    now = router.now()
    return {
        "serial": router.serial,
        "clock_ahead": router.clock_ahead,
        "tables": {
            path: {
                "next_id": table.next_id,
                "rows": [
                    {
                        "id": row.id,
                        "values": row.values,
                        "times": {name: moment - now for name, moment in row.times.items()},
                    }
                    for row in table.rows.values()
                ],
            }
            for path, table in router.tables.items()
        },
    }


def restore(router: Router, state: dict[str, Any]) -> None:
    """Put the router into a state that was taken once; it restarts.

    Raises:
        ValueError: that is no such state.
    """
    try:
        router.serial = state["serial"]
        router.clock_ahead = state["clock_ahead"]
        router.tables.clear()
        for path, kept in state["tables"].items():
            _fill(router, path, kept)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"no state of a simulated router: {error!r}"
        raise ValueError(msg) from error
    router.boot()


def _fill(router: Router, path: str, kept: dict[str, Any]) -> None:
    table, now = router.table(path), router.now()
    for stored in kept["rows"]:
        row = Row(stored["id"], dict(stored["values"]))
        table.put(row)
        for name, left in stored["times"].items():
            row.times[name] = now + left
            if name == MENUS[path].expires:
                table.expire_at(row, name, now + left)
    table.next_id = kept["next_id"]


def reset(router: Router, *, keep_access: bool) -> None:
    """Reset the configuration, as `/system/reset-configuration` does; the router restarts.

    It keeps its serial number, and with `keep_access` users, services, identity and certificates.
    Without it there is only the user `admin` without a password.
    """
    kept = {path: table for path, table in router.tables.items() if path in _ACCESS}
    router.tables.clear()
    router.seed()
    if keep_access:
        router.tables.update(kept)
    else:
        (user,) = router.table(USER).rows.values()
        router.table(USER).update(user, {**user.values, "name": "admin", "password": ""})
        (identity,) = MENUS["/system/identity"].rows(router).rows.values()
        router.table("/system/identity").update(identity, {"name": "MikroTik"})
    router.boot()


def write_file(path: Path, states: dict[str, Any]) -> None:
    """Write the states of routers by name; readable by the owner alone (it has passwords).

    Raises:
        OSError: the file cannot be written.
    """
    beside = path.with_name(path.name + ".new")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(states), encoding="ascii")
    beside.replace(path)


def read_file(path: Path) -> dict[str, Any]:
    """Read the states of routers by name; nothing when there is no file.

    Raises:
        ValueError: the file holds something else.
    """
    if not path.exists():
        return {}
    states = json.loads(path.read_text(encoding="ascii"))
    if not isinstance(states, dict):
        msg = f"{path} does not contain states of simulated routers"
        raise ValueError(msg)  # noqa: TRY004 - the file is wrong, not the code
    return states
