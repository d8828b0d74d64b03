"""kombu's Redis transport, which makes dead letters of entries that would end or block a worker.

A list entry that is no complete Celery message makes a stock worker exit (no JSON, no
content-type), block its queue (no task id) or drop the entry (no delivery info, an unknown task).
Here such an entry becomes a dead letter, and the queue goes on.
"""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog
from kombu.transport import redis as stock
from redis import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from contracts import names
from worker.core.service.outcome import DeadLetter
from worker.errors import LeasewireError
from worker.store.connection import HOME_MADE, is_passing
from worker.store.failover import PrimaryConnection, follow_too
from worker.store.keys import DEAD_LETTERS_MOST, Keys

log = structlog.get_logger()

_BYTES_KEPT: Final = 65_536
_NO_WRITES_S: Final = 1.0
"""How long after such an answer Redis is asked again."""

_Check = Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value != ""


def _one_of(*values: object) -> _Check:
    return lambda value: isinstance(value, str | None) and value in values


_MUST_BE: Final[Sequence[tuple[str, _Check, str]]] = (
    ("body", lambda value: isinstance(value, str), "text"),
    ("content-type", _one_of("application/json"), "application/json"),
    ("content-encoding", _one_of("utf-8"), "utf-8"),
    ("properties.delivery_tag", _is_text, "text"),
    ("properties.delivery_info", lambda value: isinstance(value, dict), "an object"),
    ("properties.body_encoding", _one_of("base64", "utf-8", None), "base64"),
    ("headers.id", _is_text, "text"),
    ("headers.task", _one_of(*names.TASKS), "a task of ours"),
    # Events have their own times, and a compressed body cannot be checked.
    ("headers.eta", _one_of(None), "null"),
    ("headers.expires", _one_of(None), "null"),
    ("headers.compression", _one_of(None), "null"),
)


class BrokenMessageError(LeasewireError):
    """A list entry is not a message that a worker can run."""


def checked(entry: bytes, queue: str) -> bytes:
    """Return the message of a list entry, with only the fields that are needed and were checked.

    Some of the other fields end a worker if they hold something unexpected.

    Raises:
        BrokenMessageError: with everything that is wrong.
    """
    try:
        message = _read(entry)
    except (ValueError, RecursionError) as error:
        raise BrokenMessageError(f"is no JSON that can be read ({type(error).__name__})") from error
    problems = [
        f"{path} must be {wanted}"
        for path, check, wanted in _MUST_BE
        if not check(_at(message, path.split(".")))
    ]
    problem = "; ".join(problems) or _problem_of_body(message)
    if problem:
        raise BrokenMessageError(problem)
    properties, headers = message["properties"], message["headers"]
    kept = {
        "body": message["body"],
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": headers["task"], "id": headers["id"]},
        "properties": {
            "body_encoding": properties.get("body_encoding"),
            # A new one: two messages with the same tag would be acknowledged together.
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    }
    return json.dumps(kept).encode()


def _problem_of_body(message: dict[str, Any]) -> str | None:
    is_base64 = message["properties"].get("body_encoding") == "base64"
    try:
        text = message["body"].encode()
        body = base64.b64decode(text, validate=True) if is_base64 else text
        match _read(body):
            case [list(), dict(), dict() as embedded] if not any(embedded.values()):
                return None
            case [list(), dict(), None]:
                return None
            case _:
                return "body must be [arguments, keyword arguments, {}]"
    except (ValueError, RecursionError) as error:
        return f"body cannot be read ({type(error).__name__})"


def _read(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON as kombu does, but refuse its encoding of Python types, which nobody needs."""
    return json.loads(text.decode(), object_hook=_plain)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    if found.keys() == {"__type__", "__value__"}:
        raise ValueError("no JSON type")
    return found


def _at(value: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


class _GuardedRedis(stock.PrefixedStrictRedis):
    """The client of a channel: checks what BRPOP returns before kombu reads it."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]  # kombu's
        if command_name != "BRPOP" or not answer:
            return answer
        key, entry = answer
        queue = key.decode().split(Channel.sep)[0]
        try:
            return key, checked(entry, queue)
        except BrokenMessageError as error:
            self._set_aside(connection, entry, str(error))
            return None  # as after a timeout: kombu asks again

    def _set_aside(self, connection: Any, entry: bytes, problem: str) -> None:  # noqa: ANN401
        """Keep the entry as a dead letter, using the connection that has just answered.

        A full Redis takes no writes: then only the log keeps the entry, and the worker goes on.
        """

        def ask(*command: object) -> Any:  # noqa: ANN401 - as Redis answers
            connection.send_command(*command)
            return connection.read_response()

        keys = Keys(self.global_keyprefix)
        seconds, micros = ask("TIME")
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        dead_letter = DeadLetter(
            id="message-" + hashlib.sha256(entry).hexdigest()[:24],
            kind="event",
            reason="broken-message",
            detail=problem,
            body=entry[:_BYTES_KEPT].decode("utf-8", "replace"),
            at_ms=now_ms,
        )
        try:
            group = keys.dead_letters_of(dead_letter.group)
            ask("HSET", keys.dead_letters, dead_letter.id, dead_letter.to_json())
            ask("ZADD", keys.dead_letters_by_time, now_ms, dead_letter.id)
            ask("ZADD", group, now_ms * 1000, dead_letter.id)
            # Returns nothing while there are fewer than the limit.
            for oldest in ask("ZRANGE", group, 0, -DEAD_LETTERS_MOST - 1):
                ask("HDEL", keys.dead_letters, oldest)
                ask("ZREM", keys.dead_letters_by_time, oldest)
                ask("ZREM", group, oldest)
                ask("HINCRBY", keys.dead_letters_gone, dead_letter.group, 1)
        except ResponseError as error:
            log.error(  # noqa: TRY400 - a traceback says nothing about the message
                "message.dropped", reason=problem, body=dead_letter.body, store=str(error)
            )
        else:
            log.error(
                "message.set_aside", reason=problem, dead_letter=dead_letter.id, bytes=len(entry)
            )


class _TlsConnection(SSLConnection):
    """Trusts the authorities in a file as `worker/store/connection.py` does."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - options of kombu
        super().__init__(**given, **(HOME_MADE if given.get("ssl_ca_certs") else {}))


class _QueueConnection(PrimaryConnection):
    """A connection to a primary that may take no writes: then Celery connects again until it does.

    A primary that is cut off, or is new and has no replicas yet, answers NOREPLICAS. By such an
    answer Celery would end.
    """

    def read_response(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """The answer.

        Raises:
            RedisConnectionError: Redis takes no writes now; after a pause.
        """
        try:
            return super().read_response(*given, **more)
        except ResponseError as error:
            if not is_passing(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
            time.sleep(_NO_WRITES_S)
            raise RedisConnectionError(str(error)) from error


class _QueueTlsConnection(_QueueConnection, _TlsConnection):
    """The same with TLS."""


class _OwnChannel(stock.Channel):
    """What our channels have: a client that checks messages, one for all calls.

    The stock channel makes a client for each call, which is a tenth of the cost of a message.
    """

    _shared: Any = None

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        """How to connect.

        When a channel is closed it puts its messages back, which may take a new connection. Where
        its transport was closed before, kombu fails by an AttributeError, by which Celery ends.

        Raises:
            RedisConnectionError: the transport was closed, so nothing can be put back.
        """
        if self.connection.client is None:
            raise RedisConnectionError("the transport of this channel was closed")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001 - kombu's signature
        """Consume a queue; messages for routers need no acknowledgement.

        They carry nothing: work items are in the store, and the sweep notifies again (decision
        0058).
        """
        no_ack = no_ack or queue == names.QUEUE_ROUTERS
        return super().basic_consume(queue, no_ack, *args, **kwargs)  # type: ignore[no-untyped-call]

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Acknowledge a message, if it needs to be."""
        if delivery_tag in self.qos._delivered:  # noqa: SLF001 - kombu has no other way to ask
            super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        if asynchronous:  # has its own connection, which waits for messages
            return super()._create_client(asynchronous)  # type: ignore[no-untyped-call]
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()  # type: ignore[no-untyped-call]
        return self._shared

    def _get_client(self) -> Any:  # noqa: ANN401 - a factory, as kombu wants it
        return partial(_GuardedRedis, global_keyprefix=self.global_keyprefix)


class Channel(_OwnChannel):
    """A channel to one Redis."""

    connection_class_ssl = _TlsConnection  # type: ignore[assignment]  # kombu's stub names the class


class SentinelChannel(_OwnChannel, stock.SentinelChannel):
    """A channel to the primary that Sentinel names."""

    connection_class = _QueueConnection
    connection_class_ssl = _QueueTlsConnection  # type: ignore[assignment]  # as above

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        pool = super()._sentinel_managed_pool(asynchronous)  # type: ignore[no-untyped-call]
        follow_too(pool, str(getattr(self, "master_name", "")))
        return pool


class Transport(stock.Transport):
    """The Redis transport with our channels."""

    Channel = Channel


class SentinelTransport(stock.SentinelTransport):
    """The Sentinel transport with our channels."""

    Channel = SentinelChannel
