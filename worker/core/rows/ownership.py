"""Our tag in a comment: how we know a row for ours, and nobody else's for ours."""

import re
from typing import Final, NamedTuple

_PREFIX: Final = "leasewire:"
# As the contract's service ids (`contracts/values.py`): what is no letter of theirs ends the tag.
_TAG: Final = re.compile(rf"{_PREFIX}([^:\s]+):([A-Za-z0-9._:-]{{1,64}})(?![A-Za-z0-9._:-])\s?")


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

    An installation id has no colon, a service id may have some; the tag ends where a service id
    ends, as people add text without a space.
    """
    match = _TAG.match(comment)
    return None if match is None else Tag(match[1], match[2], comment[match.end() :])


def comment_for(installation: str, service_id: str, rest: str = "") -> str:
    """A comment that starts with our tag; `rest` is kept behind it as it is."""
    tag = tag_text(installation, service_id)
    return f"{tag} {rest}" if rest else tag
