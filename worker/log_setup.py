"""Makes every log line, ours and the libraries', one structured line without secrets and MACs.

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
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.core.storage_format import printable
from worker.settings import Settings

REDACTED: Final = "[redacted]"

_SECRET_KEY = re.compile(
    r"(^|[_.-])(password|passwd|secret|token|authorization)(?!_(file|env)$)($|[_.-])",
    re.IGNORECASE,
)
_MAC = re.compile(
    # pairs with colons, as RouterOS's client-id too: `1:0:0:5e:0:53:1`
    r"(?<![0-9a-f])(?P<kind>0?1:)?(?P<pairs>[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5,}"
    r"|[0-9a-f]{2}(?P<by>[.-])[0-9a-f]{2}(?:(?P=by)[0-9a-f]{2}){4}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![0-9a-f])"
    # alone: no part of a UUID; without separators at least one a letter: no plain number
    r"|(?<![0-9a-z-])(?P<alone>[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"
    r"|(?=[0-9]*[a-f])[0-9a-f]{12})(?![0-9a-z-])",
    re.IGNORECASE,
)
_SHORTEST_MAC: Final = len("0:0:5e:0:0:1")
_OCTETS_OF_A_MAC: Final = 6
_OWN_HOST: Final = socket.gethostname().casefold()
"""Containers are named by 12 hexadecimal digits, as a MAC may be written."""
_CELERYS_LINE_ON_EACH_TASK: Final = ("celery.worker.strategy", "celery.app.trace")
"""`received` and `succeeded`: ours says more of each event and each pass."""
_SHORTEST_SECRET: Final = 4

_known_secrets: set[str] = set()


def hide_secret(secret: str) -> None:
    """Leave this text out of every line from now on. For each password, when it is looked up."""
    if len(secret) >= _SHORTEST_SECRET:  # a shorter one would blacken half of every line
        # as it is, and as it looks inside of a quoted text or of bytes
        _known_secrets.update(
            {
                printable(secret),
                repr(secret)[1:-1],
                json.dumps(secret)[1:-1],
                repr(secret.encode("utf-8", "surrogateescape"))[2:-1],
            }
        )


def _seen(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Nothing that a terminal acts upon: routers and BSSs say what is logged. JSON escapes it."""
    return {name: _visible(value) for name, value in event_dict.items()}


def _visible(value: object) -> object:
    if not isinstance(value, str):
        return value  # shown by `repr`, which escapes
    return "".join(c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in value)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logging of this process, uncaught exceptions included, through one pipeline.

    Args:
        settings: format, level and masking.
        stream: None is standard error.
    """
    stream = sys.stderr if stream is None else stream
    columns = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
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
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                Mask(settings.mac_mask_key, macs=settings.mask_macs),
                *([_seen] if columns else []),
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
        for name in _CELERYS_LINE_ON_EACH_TASK:
            logging.getLogger(name).setLevel(logging.WARNING)
    # At DEBUG it writes every word it sends, the password of a login among them.
    logging.getLogger("librouteros").setLevel(logging.INFO)
    # It logs each URL, and a webhook's may be secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        # A line below the level costs no more than a call; of one above it a logger's own level
        # is looked at by the first processor.
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger keeps the configuration of its first line for ever, and costs little less
        # than one with a name; without one, structlog looks through the stack for it.
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def celery_receiver(settings: Settings) -> Callable[..., None]:
    """A receiver for `celery.signals.setup_logging`; connected, Celery sets up no logging itself.

    Connect it with `weak=False`: Celery would forget a function that nobody else holds.
    """

    def receive(**_: object) -> None:
        configure_logging(settings)

    return receive


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
    """A processor that lets no known secret and no whole MAC address pass, however deep inside.

    A MAC keeps its maker's part and gets a keyed hash instead of the rest (`00:00:5E:~3fa1c2`),
    so that lines about one device still belong together. Bytes that are no text are escaped.
    """

    def __init__(self, key: bytes | None, *, macs: bool = True) -> None:
        self._key = key or secrets.token_bytes(16)
        self._macs = macs

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        """Mask one event, keys and values."""
        said: list[str] = []

        def noted(text: str) -> str:
            said.append(text := printable(text))
            return self._without_macs(text)

        masked = _each(event_dict, noted)
        # Mostly no secret is in it. With one for each of many routers, to look for them in each
        # text would be most of what a line costs. A copy: sessions learn passwords meanwhile.
        together = "\n".join(said)
        if any(secret in together for secret in tuple(_known_secrets)):
            return _each(event_dict, self.text)
        return masked

    def text(self, text: str) -> str:
        """The text without what must not be read in it."""
        text = printable(text)
        found = [secret for secret in tuple(_known_secrets) if secret in text]
        # the longest first: one password may begin with another
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
        maker = f"{mac[:9]}" if len(octets) == _OCTETS_OF_A_MAC else ""
        return f"{found['kind'] or ''}{maker}~{short}"


def _each(event: Mapping[str, object], text: Callable[[str], str]) -> dict[str, object]:
    """The event with each of its texts as `text` gives it, and no value that is named a secret."""
    return {
        text(str(key)): REDACTED
        if value is not None and _SECRET_KEY.search(str(key))
        else _value(value, text)
        for key, value in event.items()
    }


def _value(value: object, text: Callable[[str], str]) -> object:
    match value:
        case str():
            return text(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return _each(value, text)
        case list() | tuple() | set() | frozenset():
            return [_value(part, text) for part in value]
        case _:
            return text(repr(value))
