"""Sets up logging: structured lines, ours and the libraries', without secrets and MAC addresses.

Lines go to standard error: one JSON object each, or columns on a terminal.
"""

import hashlib
import hmac
import json
import logging
import re
import secrets
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.core.storage_format import printable
from worker.settings import Settings, environment

REDACTED: Final = "[redacted]"

_SECRET_KEY = re.compile(
    r"(^|[_.-])(password|passwd|secret|token|authorization)(?!_(file|env)$)($|[_.-])",
    re.IGNORECASE,
)
_MAC = re.compile(
    # pairs with colons, also RouterOS's client-id: `1:0:0:5e:0:53:1`
    r"(?<![0-9a-f])(?P<kind>0?1:)?(?P<pairs>[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5,}"
    r"|[0-9a-f]{2}(?P<by>[.-])[0-9a-f]{2}(?:(?P=by)[0-9a-f]{2}){4}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![0-9a-f])"
    # alone: not a part of a UUID; without separators at least one letter, so not a number
    r"|(?<![0-9a-z-])(?P<alone>[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"
    r"|(?=[0-9]*[a-f])[0-9a-f]{12})(?![0-9a-z-])",
    re.IGNORECASE,
)
_SHORTEST_MAC: Final = len("0:0:5e:0:0:1")
_OCTETS_OF_A_MAC: Final = 6
_OWN_HOST: Final = socket.gethostname().casefold()
"""Containers are named by 12 hexadecimal digits, like a MAC address without separators."""
_QUIET_AT_INFO: Final = (
    *("celery.worker.strategy", "celery.app.trace"),
    *("celery.worker.consumer.connection", "celery.apps.worker", "uvicorn.error"),
)
"""Their lines on each task, connection, start and stop: our own say more."""
_SHORTEST_SECRET: Final = 4
_OF_PUBLISHERS: Final = ("lost", "known")
"""Fields of `publisher.sent_again`, of the client library, which has the standard logging."""

_known_secrets: set[str] = set()


def hide_secret(secret: str) -> None:
    """Redact this text in every line from now on. Called for each password that is read."""
    if len(secret) >= _SHORTEST_SECRET:  # a shorter one would redact half of every line
        # as it is, and as it looks in a quoted text or in bytes
        _known_secrets.update(
            {
                printable(secret),
                repr(secret)[1:-1],
                json.dumps(secret)[1:-1],
                repr(secret.encode("utf-8", "surrogateescape"))[2:-1],
            }
        )


def _matters_to_people(record: logging.LogRecord) -> bool:
    """Whether a warning matters: not what Celery says of its next version at each lost connection.

    It puts its own filter for them before all others.
    """
    return "CPendingDeprecationWarning" not in record.getMessage()


def _without_controls(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Escape terminal control characters, which texts of routers and BSSs may hold."""
    return {name: _visible(value) for name, value in event_dict.items()}


def _visible(value: object) -> object:
    if not isinstance(value, str):
        return value  # written by `repr`, which escapes
    return "".join(c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in value)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logging of this process, uncaught exceptions included, through one pipeline.

    Without `stream` it goes to standard error.
    """
    stream = sys.stderr if stream is None else stream
    columns = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not environment().get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )
        if columns
        else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(_OF_PUBLISHERS)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                Mask(settings.mac_mask_key, macs=settings.mask_macs),
                *([_without_controls] if columns else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    if settings.log_level == "INFO":
        for name in _QUIET_AT_INFO:
            logging.getLogger(name).setLevel(logging.WARNING)
    # At DEBUG it logs every API word that it sends, passwords too.
    logging.getLogger("librouteros").setLevel(logging.INFO)
    # It logs each URL, and the URL of a webhook may be secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    # Celery warns root for the sake of pickle, which we do not accept.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").addFilter(_matters_to_people)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        # A line below the level costs only a call. For other lines the first processor checks the
        # level of the logger itself.
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger keeps the configuration of its first line, and costs little less than a
        # logger with a name; without a name structlog searches the stack for it.
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger("worker").critical("process.crashed", exc_info=(kind, error, trace))


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None and crash.exc_type is not SystemExit:
        structlog.get_logger("worker").critical(
            "thread.crashed",
            thread=crash.thread.name if crash.thread else None,
            exc_info=(crash.exc_type, crash.exc_value, crash.exc_traceback),
        )


class Mask:
    """A processor that redacts known secrets and masks MAC addresses, also in nested values.

    A MAC keeps its vendor part; a keyed hash replaces the rest (`00:00:5E:~3fa1c2`), so that lines
    about one device can still be matched. Bytes that are no text are escaped.
    """

    def __init__(self, key: bytes | None, *, macs: bool = True) -> None:
        self._key = key or secrets.token_bytes(16)
        self._macs = macs

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        """Mask one event, keys and values."""
        texts: list[str] = []

        def collect(text: str) -> str:
            texts.append(text := printable(text))
            return self._without_macs(text)

        masked = _map_texts(event_dict, collect)
        # Most lines hold no secret. With a secret for each of many routers, searching each text for
        # each of them would be most of the cost of a line. The tuple is a copy, because sessions
        # add passwords meanwhile.
        all_texts = "\n".join(texts)
        if any(secret in all_texts for secret in tuple(_known_secrets)):
            return _map_texts(event_dict, self.text)
        return masked

    def text(self, text: str) -> str:
        """Return the text without secrets and whole MAC addresses."""
        text = printable(text)
        found = [secret for secret in tuple(_known_secrets) if secret in text]
        # the longest first: one password may contain another
        for secret in sorted(found, key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return self._without_macs(text)

    def _without_macs(self, text: str) -> str:
        return _MAC.sub(self._masked, text) if self._macs and len(text) >= _SHORTEST_MAC else text

    def _masked(self, found: re.Match[str]) -> str:
        if found["alone"] and found["alone"].casefold() == _OWN_HOST:
            return found[0]
        digits = found["alone"] or found["pairs"]
        octets = (
            [pair.zfill(2) for pair in digits.split(":")]
            if ":" in digits
            else re.findall("..", re.sub("[.-]", "", digits))
        )
        mac = ":".join(octets).upper()
        short = hmac.new(self._key, mac.encode(), hashlib.sha256).hexdigest()[:6]
        vendor = mac[:9] if len(octets) == _OCTETS_OF_A_MAC else ""
        return f"{found['kind'] or ''}{vendor}~{short}"


def _map_texts(event: Mapping[str, object], mask: Callable[[str], str]) -> dict[str, object]:
    """Apply `mask` to each text of an event, and redact values with the name of a secret."""
    return {
        mask(str(key)): REDACTED
        if value is not None and _SECRET_KEY.search(str(key))
        else _map_value(value, mask)
        for key, value in event.items()
    }


def _map_value(value: object, mask: Callable[[str], str]) -> object:
    match value:
        case str():
            return mask(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return _map_texts(value, mask)
        case list() | tuple() | set() | frozenset():
            return [_map_value(part, mask) for part in value]
        case _:
            return mask(repr(value))
