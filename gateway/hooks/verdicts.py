"""What an adapter makes of a webhook, or of a service that it read at the vendor. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True)
class Ignored:
    """It concerns nothing of ours."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Nothing shows who sent it: what the vendor has under this id is what counts."""

    vendor_id: str


@dataclass(frozen=True, slots=True)
class Reread:
    """Something about a service changed: it is to be read at the vendor.

    Attributes:
        ref: the service as the vendor's API names it.
        vendor_id: of the webhook.
        gone: the vendor deleted it: not to find it is no surprise.
    """

    ref: str
    vendor_id: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class RereadAll:
    """Something about a customer changed: all services of it are to be read."""

    customer: str
    vendor_id: str


@dataclass(frozen=True, slots=True)
class Say:
    """It says an event by itself: fields as `producers.fields` has them, and its envelope's."""

    fields: Mapping[str, object]
    envelope: Mapping[str, str]


Verdict = Ignored | ReadBack | Reread | RereadAll | Say
"""Of a webhook."""

State = Ignored | Say
"""Of a service as it was read; the reader adds ticket and envelope."""

Document = Mapping[str, Any]
Known = TypeVar("Known")


class Incomplete(Exception):  # noqa: N818 - says what it is
    """It cannot become an event: a dead letter, never a guess.

    Attributes:
        missing: which field, and what to do.
        service_id: of which service, where that is known.
    """

    def __init__(self, missing: str, service_id: str = "") -> None:
        self.missing = missing
        self.service_id = service_id
        super().__init__(missing)


def known(table: Mapping[str, Known], value: object, field: str, name: str) -> Known:
    """What a table of `hooks.toml` has for a value of the vendor's.

    Raises:
        Incomplete: nothing.
    """
    if str(value) not in table:
        raise Incomplete(f"{field}: {value!r} is not in {name} of hooks.toml")
    return table[str(value)]
