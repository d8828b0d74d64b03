"""Our tag in a comment, by which we recognise our rows and no others."""

import re
from typing import Final, NamedTuple

_PREFIX: Final = "leasewire:"
# As the service ids of the contract (`contracts/values.py`): any other character ends the tag.
_TAG: Final = re.compile(rf"{_PREFIX}([^:\s]+):([A-Za-z0-9._:-]{{1,64}})(?![A-Za-z0-9._:-])\s?")


class Tag(NamedTuple):
    """A tag at the start of a comment; `rest` is the operators' text after it."""

    installation: str
    service_id: str
    rest: str


def tag_text(installation: str, service_id: str) -> str:
    """Return the tag of a service's row: `leasewire:<installation>:<service>`."""
    return f"{_PREFIX}{installation}:{service_id}"


def parse_tag(comment: str) -> Tag | None:
    """Read the tag at the start of a comment; None where there is none.

    An installation id has no colon, a service id may have some. The tag ends where a service id
    ends, as people add text without a space.
    """
    match = _TAG.match(comment)
    return None if match is None else Tag(match[1], match[2], comment[match.end() :])


def comment_for(installation: str, service_id: str, rest: str = "") -> str:
    """Return a comment that starts with our tag, followed by `rest`."""
    tag = tag_text(installation, service_id)
    return f"{tag} {rest}" if rest else tag
