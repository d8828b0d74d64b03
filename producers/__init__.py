"""Client library: publishes events to Leasewire. It imports the contract only.

    from producers import HttpTransport, Publisher, Spool

Each name is loaded when it is first used.
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
    "AsyncPublisher": "async_publisher",
    "HttpTransport": "http_transport",
    "JournalTransport": "journal_transport",
    "Publisher": "publisher",
    "Spool": "spool",
}


def __getattr__(name: str) -> object:
    # Importing redis and httpx takes a good part of a second; most commands need one or neither.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
