"""Parts of the sentences that people read."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 service`, `3,000 services`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
