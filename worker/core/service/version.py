"""When a register was set: a total order over everything that was ever said of a service."""

from typing import NamedTuple


class Version(NamedTuple):
    """Orders the events of one service; the greater wins, whatever arrives first.

    Attributes:
        epoch: of the source; `sources rebase` raises it when a BSS starts counting anew.
        revision: the source's per-service counter, or its `time` in microseconds since 1970.
        local: 0 for an event of a source; for events of operators and of Leasewire when they were
            said, in nanoseconds since 1970, the last three digits a count (`record.own_version`).
        digest: hash over type and data (`contracts.version_hash`), so that two events with one
            revision have an order that does not depend on arrival.
    """

    epoch: int
    revision: int
    local: int
    digest: str

    @property
    def rank(self) -> tuple[int, int, int]:
        """The version without its tie-break: equal ranks with different values are a conflict."""
        return self[:3]


NEVER = Version(-1, 0, 0, "")
"""Below every real version: what an unwritten register carries."""
