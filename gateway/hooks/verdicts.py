"""What an adapter decides about a webhook, or a service that was read at the vendor. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True)
class Ignored:
    """It does not concern Leasewire."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """It is not signed: read the webhook with this id back from the vendor."""

    vendor_id: str


@dataclass(frozen=True, slots=True)
class Reread:
    """A service changed: read it at the vendor.

    Attributes:
        ref: the service's name in the vendor's API.
        vendor_id: of the webhook.
        gone: the vendor deleted it, so it may be missing there.
    """

    ref: str
    vendor_id: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class RereadAll:
    """A customer changed: read all its services at the vendor."""

    customer: str
    vendor_id: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish an event: fields as in `producers.fields`, and attributes of its envelope."""

    fields: Mapping[str, object]
    envelope: Mapping[str, str]


Verdict = Ignored | ReadBack | Reread | RereadAll | Publish
"""Of a webhook."""

State = Ignored | Publish
"""Of a service that was read; the caller adds ticket and envelope."""

Document = Mapping[str, Any]
Value = TypeVar("Value")


class Incomplete(Exception):  # noqa: N818 - says what it is
    """It cannot become an event, so it becomes a dead letter; nothing is guessed.

    Attributes:
        missing: the missing field, and what to do.
        service_id: of the service, if known.
    """

    def __init__(self, missing: str, service_id: str = "") -> None:
        self.missing = missing
        self.service_id = service_id
        super().__init__(missing)


def look_up(table: Mapping[str, Value], value: object, field: str, name: str) -> Value:
    """Look up a value of the vendor in a table of `hooks.toml`.

    Raises:
        Incomplete: it is not there.
    """
    if str(value) not in table:
        raise Incomplete(f"{field}: {value!r} is not in {name} of hooks.toml")
    return table[str(value)]
