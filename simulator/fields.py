"""Properties of a menu's rows, as menus declare them."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.schema import Version
from simulator.values import TEXT, Bool, Kind


@dataclass(frozen=True, slots=True)
class Field:
    """One property.

    Attributes:
        name: on the wire.
        kind: how values are read and shown.
        default: stored by `add` when not given; None leaves the property absent.
        hidden: not shown while it has this stored value.
        required: `add` without it is refused.
        readonly: set by the router alone.
        secret: never shown.
        since: first version that has it.
    """

    name: str
    kind: Kind = TEXT
    default: str | None = None
    hidden: str | None = None
    required: bool = False
    readonly: bool = False
    secret: bool = False
    since: Version = ()


COMMENT = Field("comment", default="", hidden="")
DISABLED = Field("disabled", Bool(), default="false")


def state(name: str, default: str | None = None, since: Version = ()) -> Field:
    """Declare a property that only the router sets."""
    return Field(name, default=default, readonly=True, since=since)


def with_defaults(values: Mapping[str, str]) -> tuple[Field, ...]:
    """Declare properties of free text by their defaults."""
    return tuple(Field(name, default=value) for name, value in values.items())
