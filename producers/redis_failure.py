"""What Redis says when it does not serve us, in words that say what to do."""

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
"""How a script is told that a command in it is forbidden; all else says NOPERM."""
_RIGHTS: Final = "the rights of deploy/redis/users.acl (see `leasewire deploy-files`)"


def refuses_us(error: RedisError) -> bool:
    """Whether only a person can mend it: the login is wrong, or forbids what is needed."""
    return isinstance(error, (*_LOGIN, NoPermissionError)) or str(error).startswith(_DENIED)


def what_to_do(error: RedisError) -> str:
    """What is wrong and what to do about it."""
    match error:
        case _ if isinstance(error, _LOGIN):
            what = "Redis refuses the login: mend user and password"
        case _ if refuses_us(error):
            what = f"Redis forbids its user what is needed: give it {_RIGHTS}"
        case RedisConnectionError() | RedisTimeoutError():
            what = "Redis cannot be reached: start it, or mend its URL"
        case OutOfMemoryError():
            what = "Redis is full: raise maxmemory, or let the workers drain"
        case ReadOnlyError():
            what = "this Redis is a read-only replica: give the URL of the primary"
        case _ if str(error).startswith("MISCONF"):
            what = "Redis cannot write to its disk: make room there"
        case _:
            what = "Redis refuses the write"
    return what
