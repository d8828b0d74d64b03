"""Ways in: whatever says that something happened to a service. Imports the contract only.

What a BSS written in Python needs has its names here, each loaded when first asked for:

    from producers import HttpTransport, Publisher, Spool
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from producers.async_publisher import AsyncPublisher
    from producers.http_transport import HttpTransport
    from producers.journal_transport import JournalTransport
    from producers.publisher import Publisher
    from producers.spool import Spool

__all__ = ["AsyncPublisher", "HttpTransport", "JournalTransport", "Publisher", "Spool"]

_MODULES: Final = {
    "AsyncPublisher": "producers.async_publisher",
    "JournalTransport": "producers.journal_transport",
    "HttpTransport": "producers.http_transport",
    "Publisher": "producers.publisher",
    "Spool": "producers.spool",
}


def __getattr__(name: str) -> object:
    # Celery and httpx take a good part of a second; a command needs one of them, or neither.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
