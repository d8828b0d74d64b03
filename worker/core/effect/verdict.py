"""What is said of an applied change after a read: it acts, or not yet."""

from typing import NamedTuple


class EffectVerdict(NamedTuple):
    """Whether a change acts.

    Attributes:
        reason: one word for programs, of what does not act; `ipv4-only` where that is all.
        until_ms: until when it may last, where that is known; 0: not known.
    """

    acting: bool
    reason: str = ""
    detail: str = ""
    until_ms: int = 0


def acts(detail: str = "", reason: str = "") -> EffectVerdict:
    """Return that it acts."""
    return EffectVerdict(acting=True, reason=reason, detail=detail)


def not_yet(reason: str, detail: str, until_ms: int = 0) -> EffectVerdict:
    """Return that it does not act, and why."""
    return EffectVerdict(acting=False, reason=reason, detail=detail, until_ms=until_ms)
