"""Says what an error of Redis means for a publisher, and what to do."""

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_LOGIN: Final = (AuthenticationError, AuthorizationError, AuthenticationWrongNumberOfArgsError)
_DENIED: Final = "ACL failure in script"
"""How a script reports a forbidden command; every other command reports NOPERM."""


def refuses_us(error: RedisError) -> bool:
    """Whether only a person can repair it: the login or its rights are wrong."""
    return isinstance(error, (*_LOGIN, NoPermissionError)) or str(error).startswith(_DENIED)


def advice_for(error: RedisError) -> str:
    """Say what is wrong and what to do."""
    match error:
        case _ if isinstance(error, _LOGIN):
            advice = "Redis refuses the login: correct user and password"
        case _ if refuses_us(error):
            advice = (
                "Redis does not permit its user a command that is needed: give it the rights of "
                "deploy/redis/users.acl (see `leasewire deploy-files`)"
            )
        case RedisTimeoutError():
            advice = "Redis does not answer in time: look at its log and its load"
        case RedisConnectionError():
            advice = "Redis cannot be reached: start it, or correct its URL"
        case OutOfMemoryError():
            advice = "Redis is full: raise maxmemory, or let the workers drain it"
        case ReadOnlyError():
            advice = "this Redis is a read-only replica: give the URL of the primary"
        case _ if str(error).startswith("MISCONF"):
            advice = "Redis cannot write to its disk: free some space there"
        case _:
            advice = "Redis refuses the write"
    return advice
