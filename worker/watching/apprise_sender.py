"""Sends alerts with apprise, which knows mail, chats and webhooks.

apprise's own log is not shown, because it contains URLs with their secrets.
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
"""Shorter parts of a URL are no secrets, and hiding them would make the message unreadable."""


def installed() -> bool:
    """Whether the extra `alerts` is installed."""
    return find_spec("apprise") is not None


def check_installed(targets: Collection[str]) -> None:
    """Check that alerts can be sent, if the inventory has targets.

    Raises:
        ConfigurationError: the extra `alerts` is missing.
    """
    if targets and not installed():
        problem = f"[alerts.{min(targets)}] needs apprise: install leasewire[alerts]"
        raise ConfigurationError([problem])


def send(target: AlertTarget, title: str, body: str) -> str:
    """Deliver one message; returns what went wrong, empty if it was delivered."""
    if not installed():
        return "apprise is missing: install `leasewire[alerts]`"
    import apprise  # noqa: PLC0415 - an extra; its import takes half a second

    try:
        url = target.url().get_secret_value()
    except ConfigurationError as error:
        return error.problems[0]
    warnings = _Warnings()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [warnings], False
    logger.setLevel(logging.WARNING)
    channel = apprise.Apprise()
    if not channel.add(url):
        return (
            "apprise does not know this URL; examples: mailtos://user:password@example.net, "
            "tgram://token/chat"
        )
    if channel.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT):
        return ""
    return _without_secrets("; ".join(warnings.lines) or "the target did not take it", url)


class _Warnings(logging.Handler):
    """Keeps apprise's warnings while one message is sent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _without_secrets(text: str, url: str) -> str:
    """Hide every part of the URL, except scheme and host, in a text."""
    _, _, rest = url.partition("://")
    login, at, after = rest.rpartition("@")
    host = re.split(r"[:/?]", after if at else rest, maxsplit=1)[0]
    parts = [*re.split(r"[/:@?&=]", rest), login]
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        if len(part) >= _HIDDEN_FROM and part not in (host, "smtp", "from"):
            text = text.replace(part, "…")
    return text
