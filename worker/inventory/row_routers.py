"""Checks `user_manager` in `routers.toml`: which router holds rows of another one's services."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from worker.core.entry.wanted import KINDS
from worker.core.texts import did_you_mean

_OF_ROWS: Final = (
    *("suspend", "suspend_list", "throttle", "manage", "plan_rates", "label", "address_lists"),
    *("mode", "reconcile", "option_set"),
)
"""Keys of the router that holds a row. A service's own router decides none of them."""

_NO_QUEUES: Final = "users have rates themselves: a queue is of the router that has the customers"


def problems_between_policies(own: Mapping[str, Any], merged: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of `user_manager`: it must name a router that holds such rows itself.

    `own` are the routers' tables as written, `merged` the same with the defaults.
    """
    for name, keys in own.items():
        if not isinstance(keys, dict):
            continue
        if _serves_others(merged[name]) and merged[name].get("rates") == "queue":
            yield f"routers.{name}.rates: {_NO_QUEUES}"
        holder = keys.get("user_manager")
        if isinstance(holder, str):
            where = f"routers.{name}.user_manager"
            yield from (f"{where}: {why}" for why in _why_not(name, holder, own, merged))
            yield from _decided_elsewhere(name, holder, own, merged)


def _serves_others(router: Mapping[str, Any]) -> bool:
    kind = KINDS.get(str(router.get("entries")))
    return kind is not None and kind.serves_others


def no_router(name: str, known: Iterable[str]) -> str:
    """Say that a name is of no router, and which one was perhaps meant."""
    hint = did_you_mean(name, known) or "list it, or remove this key"
    return f"there is no router {name}; {hint}"


def _why_not(
    name: str, holder: str, own: Mapping[str, Any], merged: Mapping[str, Any]
) -> Iterator[str]:
    kinds = [kind.name for kind in KINDS.values() if kind.serves_others]
    entries = merged[name].get("entries", "auto")
    if not _serves_others(merged[name]):
        yield f"needs entries = {' or '.join(map(repr, kinds))}".replace("'", '"')
    elif holder == name:
        yield "names the router itself; leave it out: without it this router runs User Manager"
    elif holder not in own:
        yield no_router(holder, own)
    elif not isinstance(merged[holder], dict):
        return
    elif further := merged[holder].get("user_manager"):
        yield f"{holder} has a user_manager itself; name {further}, or remove it there"
    elif merged[holder].get("entries", "auto") != entries:
        yield f'{holder} must have entries = "{entries}" too'


def _decided_elsewhere(
    name: str, holder: str, own: Mapping[str, Any], merged: Mapping[str, Any]
) -> Iterator[str]:
    there = merged.get(holder)
    for key in _OF_ROWS:
        if isinstance(there, dict) and key in own[name] and own[name][key] != there.get(key):
            yield (
                f"routers.{name}.{key}: {holder} holds the rows of {name}, so its table decides "
                "this: set it there, and remove it here"
            )
