"""Publishes events to Leasewire over HTTP, and reads what became of them.

    from leasewire_client import HttpTransport, Publisher, Spool

The models of events are in `leasewire_client.contracts`.
"""

from contracts.errors import ContractViolation, Problem
from contracts.webhook_signature import SignatureRefused
from contracts.webhook_signature import verify as verify_webhook
from producers.async_publisher import AsyncPublisher
from producers.endpoints import trusting
from producers.errors import (
    BatchViolation,
    EventsRefused,
    KeyRefused,
    PublishFailed,
    Receipt,
    SpoolFailed,
)
from producers.http_transport import HttpTransport
from producers.outcome_reader import (
    FINAL_STATES,
    CursorTooOld,
    EventOutcome,
    OutcomePage,
    OutcomeReader,
    ReadFailed,
    outcome_of,
)
from producers.publisher import Publisher
from producers.spool import Spool
from producers.transport import Backoff

__all__ = [
    "FINAL_STATES",
    "AsyncPublisher",
    "Backoff",
    "BatchViolation",
    "ContractViolation",
    "CursorTooOld",
    "EventOutcome",
    "EventsRefused",
    "HttpTransport",
    "KeyRefused",
    "OutcomePage",
    "OutcomeReader",
    "Problem",
    "PublishFailed",
    "Publisher",
    "ReadFailed",
    "Receipt",
    "SignatureRefused",
    "Spool",
    "SpoolFailed",
    "outcome_of",
    "trusting",
    "verify_webhook",
]
