"""The connection to Redis: a client whose failures are one verdict, and the calls of scripts."""

import hashlib
import secrets
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar, Unpack, cast

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import NoScriptError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from contracts.broker import REPLICAS_MS, RedisLogin, sentinel_place
from worker.errors import NotReplicated, StoreRefused, StoreUnavailable
from worker.log_setup import hide_secret
from worker.store import scripts
from worker.store.failover import PrimaryConnection, PrimaryTlsConnection, Sentinels, follow
from worker.store.keys import Keys
from worker.store.text_client import TextClient

HOME_MADE: Final[dict[str, Any]] = {"ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT]}
"""Goes with `ssl_ca_certs`: from Python 3.13 on authorities without the extensions that only newer
recipes write are refused otherwise. Chain, name and dates are verified all the same."""
_PASSING = ("MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "UNBLOCKED", "OOM")
_DENIED = "ACL failure in script"
"""The error of a forbidden command in a script; all others have NOPERM."""
_NOT_OURS = "WRONGTYPE"
_FIND_IT = "another program keeps a key under our prefix: a worker that starts names it"
_LOGIN = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    # The answer of a Redis before version 6 to a user's name.
    exceptions.AuthenticationWrongNumberOfArgsError,
)

PAGE: Final = 500
"""Keys or fields that one command is about, or a step of a scan."""
_T = TypeVar("_T")
_GENERATIONS = 2**32
"""So many that none returns within a commit that was read before; their texts stay short."""


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what only time or an operator can mend into `StoreUnavailable`; the rest is a bug.

    Needed only for channels (`pubsub`): all else that a `StoreClient` does has it already.

    Raises:
        StoreUnavailable: Redis does not answer, or takes no writes now.
        StoreRefused: it refuses our login, or its rules for our user forbid what is needed.
    """
    try:
        yield
    except _LOGIN as error:
        advice = "mend what does not fit: the user, the file of the password, or either in Redis"
        blocked_by = getattr(error, "status_code", None) == "NOAUTH"
        message = "it requires a password" if blocked_by else str(error)
        raise StoreRefused(message, advice) from error
    except (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        exceptions.ReadOnlyError,
        exceptions.OutOfMemoryError,
    ) as error:
        raise StoreUnavailable(str(error), _advice(error)) from error
    except exceptions.ResponseError as error:
        if isinstance(error, exceptions.NoPermissionError) or _answer(error).startswith(_DENIED):
            rights = "deploy/redis/users.acl (see `leasewire deploy-files`)"
            advice = f"give our user of Redis the rights of {rights}"
            raise StoreRefused(str(error), advice) from error
        if _answer(error).startswith(_NOT_OURS):
            raise StoreRefused(str(error), _FIND_IT) from error
        if is_passing(error):
            raise StoreUnavailable(str(error), _advice(error)) from error
        raise


def is_passing(error: exceptions.ResponseError) -> bool:
    """Whether Redis only takes no writes now, as a primary without replicas does."""
    return isinstance(error, exceptions.ReadOnlyError) or _answer(error).startswith(_PASSING)


def _answer(error: exceptions.RedisError) -> str:
    """What Redis answered; redis-py puts the command of a pipeline before it."""
    return str(error).rpartition(" of pipeline caused error: ")[2]


def _advice(error: exceptions.RedisError) -> str:
    """What to do where starting it is no help; else empty."""
    if isinstance(error, exceptions.TimeoutError):
        return "it does not answer in time: look at its log, its load and the network to it"
    if isinstance(error, exceptions.OutOfMemoryError) or _answer(error).startswith("OOM"):
        return "raise maxmemory, or let the workers drain it"
    if isinstance(error, exceptions.ReadOnlyError):
        return "this is a read-only replica: name the primary in LEASEWIRE_REDIS_URL, or Sentinel"
    if _answer(error).startswith("MISCONF"):
        return "free space on its disk; see its log"
    return ""


class StoreClient(TextClient):
    """A client whose commands, scripts and pipelines raise the errors of `store_errors`."""

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py has it
        """One command."""
        with store_errors():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: None = None) -> Pipeline:  # noqa: FBT001, FBT002 - as redis-py has it
        """Several commands at once."""
        return _StorePipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )

    @property
    def plain(self) -> redis.Redis:
        """A client of the same connections, for parts with errors of their own."""
        return redis.Redis(connection_pool=self.connection_pool)


class _StorePipeline(Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as redis-py has it
        with store_errors():
            return super().execute(raise_on_error=raise_on_error)


class Scripts:
    """The scripts of one client, sent as EVALSHA, and loaded if the server does not have them.

    `min_replicas`: so many replicas confirm what `run_on_replicas` wrote; 0: it waits for none.
    """

    def __init__(self, client: StoreClient, prefix: str, min_replicas: int = 0) -> None:
        self._client = client
        self._prefix = prefix
        self._min_replicas = min_replicas
        self._digests: dict[str, str] = {}

    def run(self, name: str, *args: Any, again: bool = False) -> Any:  # noqa: ANN401 - replies vary
        """Run one script; the head of its file describes arguments and reply.

        `again`: it may be sent twice, and is, once, if the connection is lost before the answer.
        """
        try:
            return self._call(name, args)
        except StoreUnavailable as error:
            if not again or not isinstance(error.__cause__, redis.ConnectionError):
                raise
            return self._call(name, args)

    def _call(self, name: str, args: Sequence[Any]) -> Any:  # noqa: ANN401 - replies vary
        """One call; `Script` of redis-py does the same in a fifth more processor time."""
        call = (self._digest(name), 1, self._prefix, *args)
        try:
            return self._client.evalsha(*call)
        except NoScriptError:
            self._client.script_load(scripts.source(name))
        try:
            return self._client.evalsha(*call)
        except NoScriptError as error:  # it was just loaded
            raise StoreUnavailable("Redis was restarted between two commands") from error

    def run_on_replicas(self, name: str, *args: Any) -> Any:  # noqa: ANN401 - replies vary
        """Run one script that writes, and wait until replicas have this, and all before it.

        `WAIT` is about the writes of its own connection, so both go over one.

        Raises:
            NotReplicated: too few confirm it in time.
        """
        wanted = self._min_replicas
        if not wanted:
            return self.run(name, *args)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.evalsha(self._digest(name), 1, self._prefix, *args)
            pipe.wait(wanted, REPLICAS_MS)
            try:
                answer, confirmed = pipe.execute()
            except NoScriptError:
                self._client.script_load(scripts.source(name))
                return self.run_on_replicas(name, *args)
        if confirmed < wanted:
            raise NotReplicated(
                f"{confirmed} of {wanted} replicas of Redis confirmed in {REPLICAS_MS} ms what was "
                "decided: mend the replication"
            )
        return answer

    def _digest(self, name: str) -> str:
        """What Redis calls a script."""
        if name not in self._digests:
            text = scripts.source(name).encode()
            self._digests[name] = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        return self._digests[name]


StoreParts = tuple[StoreClient, Scripts, Keys]
"""What each part of the store is made of."""


class StorePart:
    """A part of the store: reads by the client, and changes by scripts.

    In all parts `router`, `pool` and `source` are names, `by` and `actor` a person, `most` is a
    limit, and `now_ms` is Redis's time in milliseconds since 1970.
    """

    def __init__(self, client: StoreClient, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def now_ms(self) -> int:
        """Redis's clock, in milliseconds since 1970."""
        return redis_now_ms(self._client)

    def _fields(self, key: str, names: Collection[str]) -> dict[str, str]:
        """Those of the fields of a hash that are there; of no names nothing is asked."""
        texts = self._client.hmget(key, names) if names else ()
        return {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    def _texts(self, key: Callable[[object], str], names: Collection[str]) -> dict[str, str]:
        """The texts under the keys of these names, of those that are there; as above."""
        texts = self._client.mget(map(key, names)) if names else ()
        return {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    def _asked(
        self, items: Iterable[_T], ask: Callable[[Pipeline, _T], object]
    ) -> list[tuple[_T, Any]]:
        """Each item with the answer to the command by which `ask` asks for it; one round trip."""
        items = list(items)
        pipe = self._client.pipeline(transaction=False)
        for item in items:
            ask(pipe, item)
        return list(zip(items, pipe.execute(), strict=True))


def new_generation() -> int:
    """A generation for records: random for the same reason as work versions."""
    return secrets.randbelow(_GENERATIONS) + 1


def new_work_version() -> str:
    """A version for work items: random, so that a Redis that rolled back gives none twice."""
    return secrets.token_hex(8)


def pages(items: Iterable[_T], size: int = PAGE) -> Iterator[list[_T]]:
    """The items, at most `size` at a time: no command may hold up the server."""
    walk = iter(items)
    while page := list(islice(walk, size)):
        yield page


SERVICES_A_CALL: Final = 200
"""A script with more services would block Redis for everybody; Lua takes some thousands at most."""


def redis_now_ms(client: redis.Redis) -> int:
    """Redis's clock, in milliseconds since 1970."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def check_login(url: str, **login: Unpack[RedisLogin]) -> None:
    """Check the login to Redis, if it can be reached: processes wait for it by themselves.

    Raises:
        StoreRefused: it does not.
    """
    with connect(url, **login) as client:
        client.set_retry(Retry(NoBackoff(), 0))
        try:
            client.ping()
        except StoreRefused:
            raise
        except StoreUnavailable:
            return


def connect(
    url: str,
    *,
    socket_timeout_s: float = 30.0,
    connect_timeout_s: float = 5.0,
    any_bytes: bool = False,
    **login: Unpack[RedisLogin],
) -> StoreClient:
    """A client with texts decoded and with limits on every wait.

    Args:
        url: as `LEASEWIRE_REDIS_URL` has it; with TLS the server's certificate is verified.
        socket_timeout_s: longest wait for an answer.
        connect_timeout_s: longest wait for a connection.
        any_bytes: texts may hold what is no UTF-8 (as lone surrogates), and answers have the same
            shape from every version of server and library: for `worker/store/backup.py`.
        login: its password is left out of every log line from now on.
    """
    password, ca_file = login.get("password"), login.get("ca_file")
    for secret in filter(None, (password, login.get("sentinel_password"))):
        hide_secret(secret)
    # A Unix socket knows neither a connect timeout nor keepalive, and redis-py crashes on them.
    of_tcp = {"socket_connect_timeout": connect_timeout_s, "socket_keepalive": True}
    options: dict[str, Any] = {
        "username": login.get("username"),
        "password": password,
        "decode_responses": True,
        "socket_timeout": socket_timeout_s,
        "health_check_interval": 30,
        **({"protocol": 2, "encoding_errors": "surrogateescape"} if any_bytes else {}),
        **({} if url.startswith("unix:") else of_tcp),
        **({"ssl_ca_certs": ca_file, **HOME_MADE} if ca_file is not None else {}),
    }
    place = sentinel_place(url)
    if place is None:
        return cast("StoreClient", StoreClient.from_url(url, **options))
    kind = PrimaryTlsConnection if place.tls else PrimaryConnection
    options |= {"db": place.database, "connection_class": kind}
    of_sentinel = place.sentinel_options(login) | (HOME_MADE if ca_file and place.tls else {})
    of_sentinel["retry"] = Retry(NoBackoff(), 0)  # the next Sentinel is asked instead
    sentinel: Any = Sentinels(place.sentinels, sentinel_kwargs=of_sentinel)  # type: ignore[no-untyped-call]
    client = cast("StoreClient", sentinel.master_for(place.primary, StoreClient, **options))
    follow(cast("SentinelConnectionPool", client.connection_pool), place, of_sentinel)
    return client
