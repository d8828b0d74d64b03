"""Replaces former names of routers in events by their present names.

The identity of an event is not changed.
"""

from collections.abc import Container, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts import Event

_Model = TypeVar("_Model", bound=BaseModel)


def former_only(aliases: Mapping[str, str], routers: Container[str]) -> dict[str, str]:
    """Return the former names that no router of the inventory has now."""
    return {old: new for old, new in aliases.items() if old not in routers}


def with_present_names(event: Event, aliases: Mapping[str, str]) -> Event:
    """Return the event with the present names of routers.

    Returns:
        The event itself where it has no former name.
    """
    return _renamed(event, aliases) if aliases else event


def _renamed(model: _Model, aliases: Mapping[str, str]) -> _Model:
    """Routers are named in fields `router`, at any depth."""
    update: dict[str, Any] = {}
    for name in model.model_fields_set:
        value = getattr(model, name)
        if name == "router" and value in aliases:
            update[name] = aliases[value]
        elif isinstance(value, BaseModel):
            inner = _renamed(value, aliases)
            if inner is not value:
                update[name] = inner
    return model.model_copy(update=update) if update else model
