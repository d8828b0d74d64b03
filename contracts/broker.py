"""How Celery reaches the queues: what every app that sends to them or reads them must be told.

Pure: settings alone.
"""

from typing import Any, TypedDict, Unpack
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


class RedisLogin(TypedDict, total=False):
    """What a URL must not hold, or cannot, of a connection to Redis.

    Attributes:
        username: ACL user; None is the default user.
        password: None for a Redis without one. Do not print it.
        ca_file: certificates of those who may vouch for a server behind `rediss://`; None: those
            that the system trusts.
    """

    username: str | None
    password: str | None
    ca_file: str | None


def broker_url(redis_url: str, **login: Unpack[RedisLogin]) -> str:
    """Write a redis-py URL as kombu wants it, which differs in two ways.

    A Unix socket has another scheme there. And kombu takes any certificate behind `rediss://`
    unless told otherwise; here it is verified unless the URL says otherwise (`ssl_cert_reqs`).

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, without user and password.
        login: kept in the result: do not print it.
    """
    url = urlsplit(redis_url)
    query = dict(parse_qsl(url.query))
    scheme = url.scheme
    if scheme == "unix":
        scheme = "redis+socket"
        if "db" in query:
            query["virtual_host"] = query.pop("db")
    elif scheme == "rediss":
        query.setdefault("ssl_cert_reqs", "required")
        if login.get("ca_file"):
            query["ssl_ca_certs"] = str(login["ca_file"])
    password, user = login.get("password"), ""
    if password is not None:
        user = f"{quote(login.get('username') or '', safe='')}:{quote(password, safe='')}@"
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{user}{url.netloc}{url.path}{options}"


def broker_transport_options(prefix: str) -> dict[str, Any]:
    """What kombu's Redis transport must be told.

    Args:
        prefix: before every key, Celery's queues too.
    """
    return {
        "global_keyprefix": prefix,
        # None, the default, lets a publish hang for ever on a dead connection. Longer than the
        # blocking read of a worker.
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    }
