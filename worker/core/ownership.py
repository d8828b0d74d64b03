"""Our tag in a comment: how we know a row for ours, and nobody else's for ours."""

from typing import NamedTuple

_PREFIX = "leasewire:"


class Tag(NamedTuple):
    """A tag as found at the start of a comment; `rest` is the operators' text behind it."""

    installation: str
    service_id: str
    rest: str


def tag_text(installation: str, service_id: str) -> str:
    """The tag that marks a row as this service's: `leasewire:<installation>:<service>`."""
    return f"{_PREFIX}{installation}:{service_id}"


def parse_tag(comment: str) -> Tag | None:
    """Read the tag at the very start of a comment; None where there is none.

    An installation id has no colon, a service id may have some; the tag ends at white space.
    """
    if not comment.startswith(_PREFIX):
        return None
    tag, _, rest = comment.partition(" ")
    installation, colon, service_id = tag[len(_PREFIX) :].partition(":")
    if not (installation and colon and service_id):
        return None
    return Tag(installation, service_id, rest)
