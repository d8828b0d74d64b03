"""What a simulated router refused of what was asked of it."""

NO_MENU = "no such command prefix"
"""The answer to whoever asks at login for `/ip/mac-server`, which no RouterOS release has."""


def refused(router) -> dict[str, int]:
    """How often it said which words, besides those to each login."""
    return {message: count for message, count in router.refusals().items() if message != NO_MENU}
