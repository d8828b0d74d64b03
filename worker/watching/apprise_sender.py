"""Sends a message to a target of alerts with apprise, which knows mail, chats and webhooks.

Its log is not ours: it would name URLs with their secrets.
"""

import logging
import re
from collections.abc import Collection
from importlib.util import find_spec
from typing import Final
from urllib.parse import unquote

from worker.errors import ConfigurationError
from worker.inventory.alert_keys import AlertTarget

_HIDDEN_FROM: Final = 4
"""Parts of a URL that are shorter say nothing, and hiding them would make words unreadable."""


def installed() -> bool:
    """Whether the extra `alerts` is there."""
    return find_spec("apprise") is not None


def check_installed(targets: Collection[str]) -> None:
    """Make sure that alerts can be sent, where somebody is to have them.

    Args:
        targets: names of the inventory's.

    Raises:
        ConfigurationError: the extra `alerts` is missing.
    """
    if targets and not installed():
        problem = f"[alerts.{min(targets)}] needs apprise: install leasewire[alerts]"
        raise ConfigurationError([problem])


def send(target: AlertTarget, title: str, body: str) -> str:
    """Deliver one message; returns what went wrong in words, empty when it was taken."""
    if not installed():
        return "apprise is missing: install `leasewire[alerts]`"
    import apprise  # noqa: PLC0415 - an extra, and half a second for others

    try:
        url = target.url().get_secret_value()
    except ConfigurationError as error:
        return error.problems[0]
    said = _Said()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [said], False
    logger.setLevel(logging.WARNING)
    channel = apprise.Apprise()
    if not channel.add(url):
        return (
            "its URL is none that apprise knows, such as mailtos://user:password@example.net or "
            "tgram://token/chat"
        )
    if channel.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT):
        return ""
    return _without_secrets("; ".join(said.lines) or "it was not taken", url)


class _Said(logging.Handler):
    """Keeps what apprise warns of while one message is sent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _without_secrets(text: str, url: str) -> str:
    """Take every part of the URL but its scheme and host out of a text."""
    _, _, rest = url.partition("://")
    login, at, after = rest.rpartition("@")
    host = re.split(r"[:/?]", after if at else rest, maxsplit=1)[0]
    parts = [*re.split(r"[/:@?&=]", rest), login]
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        if len(part) >= _HIDDEN_FROM and part not in (host, "smtp", "from"):
            text = text.replace(part, "…")
    return text
