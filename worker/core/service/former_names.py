"""Events that call a router by a former name, understood as of the router's name now.

What an event is identified by stays as it came.
"""

from collections.abc import Container, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts import Event

_Model = TypeVar("_Model", bound=BaseModel)


def former_only(aliases: Mapping[str, str], routers: Container[str]) -> dict[str, str]:
    """The former names that no router of the inventory has by now: who has one is that router."""
    return {old: new for old, new in aliases.items() if old not in routers}


def with_present_names(event: Event, aliases: Mapping[str, str]) -> Event:
    """The event with each router that it names by a former name under its name now.

    Returns:
        The event itself where it names none of them.
    """
    return _renamed(event, aliases) if aliases else event


def _renamed(model: _Model, aliases: Mapping[str, str]) -> _Model:
    """Routers are named by the field `router`, however deep."""
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
