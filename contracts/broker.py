"""How Redis is reached: its URL, and the settings with which Celery apps reach the queues."""

import re
from copy import copy
from typing import Any, Final, NamedTuple, TypedDict, Unpack
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

REPLICAS_MS: Final = 1_000
"""How long whoever needs them waits for replicas to confirm what was written."""
_SENTINEL_PORT: Final = 26379
_SENTINEL_WAITS: Final = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
"""A host that is gone must not delay the question to the next Sentinel."""


class RedisLogin(TypedDict, total=False):
    """The parts of a connection to Redis that a URL must not or cannot contain.

    Attributes:
        username: ACL user; None: the default user.
        password: None for a Redis without one. Do not print it.
        ca_file: certificate authorities for a server with TLS; None: those of the system.
        sentinel_username: ACL user of the Sentinels; None: the default user.
        sentinel_password: of the Sentinels; None: they want none. Do not print it.
    """

    username: str | None
    password: str | None
    ca_file: str | None
    sentinel_username: str | None
    sentinel_password: str | None


class SentinelPlace(NamedTuple):
    """A Redis that Sentinel watches; which host is the primary is asked at each connection.

    Attributes:
        sentinels: host and port of each Sentinel.
        primary: Sentinel's name of the Redis.
        database: number of the database.
        tls: Redis and the Sentinels speak TLS.
    """

    sentinels: tuple[tuple[str, int], ...]
    primary: str
    database: int
    tls: bool

    def sentinel_options(self, login: RedisLogin) -> dict[str, Any]:
        """Options of redis-py for connections to the Sentinels."""
        options: dict[str, Any] = {**_SENTINEL_WAITS, "ssl": True} if self.tls else _SENTINEL_WAITS
        given = {
            "username": login.get("sentinel_username"),
            "password": login.get("sentinel_password"),
            "ssl_ca_certs": login.get("ca_file") if self.tls else None,
        }
        return options | {name: value for name, value in given.items() if value is not None}


class AskedByThreads:
    """Mixed into redis-py's `Sentinel`, which several threads ask.

    That puts who answered in front by changing places in the list, through which others go at the
    same time: these skip some Sentinels, and some are lost for good.
    """

    sentinels: list[Any]

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the primary, as the first Sentinel says that knows one."""
        own = copy(self)
        own.sentinels = [*self.sentinels]
        found: tuple[str, int] = super(AskedByThreads, own).discover_master(service_name)  # type: ignore[misc]
        self.sentinels = own.sentinels
        return found


def split_url(redis_url: str) -> SplitResult:
    """As `urlsplit`, which Python 3.14 lets refuse several hosts if one is an IPv6 address."""
    scheme, _, rest = redis_url.partition("://")
    if scheme not in {"sentinel", "sentinels"}:
        return urlsplit(redis_url)
    hosts = re.split("[/?#]", rest, maxsplit=1)[0]
    return urlsplit(f"{scheme}://{rest.removeprefix(hosts)}")._replace(netloc=hosts)


def sentinel_place(redis_url: str) -> SentinelPlace | None:
    """Read `sentinel://HOST:PORT,HOST:PORT/NAME/DATABASE`, or `sentinels://` for TLS.

    Ports are 26379 and the database is 0 where they are left out.

    Returns:
        None for a URL of another scheme.

    Raises:
        ValueError: what is wrong with it.
    """
    url = split_url(redis_url)
    if url.scheme not in {"sentinel", "sentinels"}:
        return None
    name, _, database = url.path.strip("/").partition("/")
    if not name:
        raise ValueError("must name the primary as Sentinel does: sentinel://HOST:PORT/NAME/0")
    if database and not database.isdecimal():
        raise ValueError("must end with the number of the database, as sentinel://HOST:PORT/NAME/0")
    if url.query or url.fragment:
        raise ValueError("must not have options behind the database")
    try:
        hosts = [urlsplit(f"//{host}") for host in url.netloc.split(",")]
        sentinels = tuple((host.hostname or "", host.port or _SENTINEL_PORT) for host in hosts)
    except ValueError:
        sentinels = ()
    if not sentinels or not all(host for host, _ in sentinels):
        raise ValueError("must name each Sentinel: sentinel://HOST:PORT,HOST:PORT/NAME/0")
    return SentinelPlace(sentinels, name, int(database or 0), url.scheme == "sentinels")


def broker_url(redis_url: str, **login: Unpack[RedisLogin]) -> str:
    """Turn a redis-py URL into one for kombu, which differs in some ways.

    A Unix socket has another scheme. By default kombu accepts any certificate of a `rediss://`
    server; here it is verified, unless the URL sets `ssl_cert_reqs`. And of several Sentinels each
    has a URL.

    Args:
        redis_url: as `LEASEWIRE_REDIS_URL` has it, without user and password.
        login: becomes part of the result, so do not print the result.
    """
    place = sentinel_place(redis_url)
    if place is not None:
        user = _user(login)
        return ";".join(
            f"sentinel://{user}{f'[{host}]' if ':' in host else host}:{port}/{place.database}"
            for host, port in place.sentinels
        )
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
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{_user(login)}{url.netloc}{url.path}{options}"


def _user(login: RedisLogin) -> str:
    password = login.get("password")
    if password is None:
        return ""
    return f"{quote(login.get('username') or '', safe='')}:{quote(password, safe='')}@"


def broker_tls(redis_url: str, **login: Unpack[RedisLogin]) -> dict[str, Any] | None:
    """Return Celery's `broker_use_ssl`, where the URL of kombu cannot say it; else None."""
    place = sentinel_place(redis_url)
    if place is None or not place.tls:
        return None
    ca_file = login.get("ca_file")
    return {"ssl_cert_reqs": "required", **({"ssl_ca_certs": ca_file} if ca_file else {})}


def broker_transport_options(
    prefix: str, redis_url: str = "", **login: Unpack[RedisLogin]
) -> dict[str, Any]:
    """Return the options of kombu's Redis transport.

    Args:
        prefix: first part of every key, also of Celery's queues.
        redis_url: as for `broker_url`.
        login: that of the Sentinels becomes part of the result, so do not print the result.
    """
    place = sentinel_place(redis_url)
    sentinel = (
        {}
        if place is None
        else {
            "master_name": place.primary,
            "sentinel_kwargs": place.sentinel_options(login),
        }
    )
    return sentinel | {
        "global_keyprefix": prefix,
        # With the default, None, a publish on a dead connection hangs without a limit. It must be
        # longer than the blocking read of a worker.
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    }
