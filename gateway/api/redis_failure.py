"""Tells of a Redis that does not serve us: the log all of it, callers what concerns them."""

import structlog
from redis.exceptions import RedisError

from producers.journal_transport import advice_for, refuses_us

log = structlog.get_logger("gateway")


def notified(error: Exception) -> str:
    """Log it, and give the words for a caller, without the address of our Redis."""
    if isinstance(error, RedisError) and refuses_us(error):
        log.error("store.refused", reason=str(error), advice=advice_for(error))
        return "Redis refuses this gateway: whoever runs it must mend its login there"
    log.warning("store.unreachable", error=type(error).__name__, reason=str(error))
    return "Redis does not answer"
