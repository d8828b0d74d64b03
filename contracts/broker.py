"""Settings with which Celery apps reach the queues."""

from typing import Any, TypedDict, Unpack
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


class RedisLogin(TypedDict, total=False):
    """The parts of a connection to Redis that a URL must not or cannot contain.

    Attributes:
        username: ACL user; None: the default user.
        password: None for a Redis without one. Do not print it.
        ca_file: certificate authorities for a `rediss://` server; None: those of the system.
    """

    username: str | None
    password: str | None
    ca_file: str | None


def broker_url(redis_url: str, **login: Unpack[RedisLogin]) -> str:
    """Turn a redis-py URL into one for kombu, which differs in two ways.

    A Unix socket has another scheme. And by default kombu accepts any certificate of a `rediss://`
    server; here it is verified, unless the URL sets `ssl_cert_reqs`.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, without user and password.
        login: becomes part of the result, so do not print the result.
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
    """Return the options of kombu's Redis transport.

    Args:
        prefix: first part of every key, also of Celery's queues.
    """
    return {
        "global_keyprefix": prefix,
        # With the default, None, a publish on a dead connection hangs without a limit. It must be
        # longer than the blocking read of a worker.
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    }
