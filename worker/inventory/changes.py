"""What is different between two inventories, as lines for people. Secrets are in neither."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from worker.core.policy.policy import AppliedPolicy
from worker.inventory.config import Inventory, RouterConfig


def changes_between(before: Inventory, after: Inventory) -> list[str]:
    """Return one line a change: `router tower-7: port was 8729, is 8730`."""
    tables: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("router", before.routers, after.routers),
        ("source", before.sources, after.sources),
        ("pool", before.pools.pools, after.pools.pools),
        ("alert target", before.alerts, after.alerts),
        ("table", {"brake": before.brake}, {"brake": after.brake}),
    ]
    found = [line for what, was, now in tables for line in changes_of_table(what, was, now)]
    if before.installation != after.installation:
        found.insert(0, f"installation.id was {before.installation}, is {after.installation}")
    return found


def changes_of_table(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Return the same for one table; its entries are dataclasses by name."""
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) is None or now.get(name) is None:
            if was.get(name) != now.get(name):
                yield f"{what} {name}: {'removed' if now.get(name) is None else 'added'}"
            continue
        old, new = _values(was[name]), _values(now[name])
        for field in sorted(old.keys() | new.keys()):
            if old.get(field) != new.get(field):
                yield f"{what} {name}: {field} was {_text(old, field)}, is {_text(new, field)}"


def _values(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the inventory's dataclasses
    """The fields that are compared; those of a policy beside the router's own."""
    fields = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.compare and field.name != "policy"
    }
    if isinstance(config, RouterConfig):
        fields |= json.loads(AppliedPolicy.of(config.policy).fields)
    return fields


def _text(values: Mapping[str, Any], field: str) -> str:
    if field not in values:
        return "its default"
    value = values[field]
    return "not set" if value is None else json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
