"""Redis fails: the log says why, callers are told only what concerns them."""

from typing import Final

import structlog
from redis.exceptions import RedisError

from producers.redis_errors import advice_for, refuses_us
from worker.errors import StoreRefused, StoreUnavailable

log = structlog.get_logger("gateway")

STORE_FAILURES: Final = (StoreUnavailable, RedisError)
"""What the store raises, and what Redis raises where the store's client is not used."""


def log_store_failure(error: Exception) -> str:
    """Log that Redis failed; returns a message for the caller, without the address of Redis."""
    advice = _refusal_advice(error)
    if advice:
        log.error("store.refused", reason=str(error), advice=advice)
        return "Redis refuses this gateway: its operator must correct its Redis login"
    cause = error.__cause__ if isinstance(error, StoreUnavailable) else error
    log.warning("store.unreachable", error=type(cause).__name__, reason=str(error))
    return "Redis does not answer"


def is_refusal(error: Exception) -> bool:
    """Whether Redis refuses our login or a permission, which only a person can correct."""
    return bool(_refusal_advice(error))


def _refusal_advice(error: Exception) -> str:
    """What to do if Redis refuses us; else empty."""
    if isinstance(error, StoreRefused):
        return error.advice
    return advice_for(error) if isinstance(error, RedisError) and refuses_us(error) else ""
