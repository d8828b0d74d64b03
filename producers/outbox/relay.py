"""Publishes the rows of an outbox in order, and marks them: at least once.

One relay at a time, by an advisory lock of the database, so that the order holds; others wait for
it to go away.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from threading import Event
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from contracts import ContractViolation
from contracts.names import MAX_EVENTS_PER_MESSAGE
from producers.backoff import Backoff
from producers.complete import CompleteEvent, complete_event
from producers.errors import EventsRefused, PublishFailed, Receipt
from producers.publisher import Publisher

log = logging.getLogger("leasewire.sources.outbox")

CHECK_EVERY_S: Final = 0.5
"""Between looks at an empty outbox: one query over an index with nothing in it."""
MOST_WAITED_S: Final = 60.0
"""Longest wait of a relay that is to end by itself."""
_LOCK: Final = 0x6C77_6F75_7462_6F78  # "lwoutbox": one relay a database
_REMOVED_AT_ONCE: Final = 10_000

_OPEN: Final = text(
    "SELECT position, body::text AS body, created_at FROM leasewire_outbox "
    "WHERE published_at IS NULL AND refused_at IS NULL ORDER BY position LIMIT :most"
)
_COUNT: Final = text(
    "SELECT count(*) FROM leasewire_outbox WHERE published_at IS NULL AND refused_at IS NULL"
)
_PUBLISHED: Final = text(
    "UPDATE leasewire_outbox SET published_at = now() WHERE position = ANY(:positions)"
)
_REFUSED: Final = text(
    "UPDATE leasewire_outbox SET refused_at = now(), refusal = :message WHERE position = :position"
)
_REUSED: Final = "its id is that of another event; give it its own"
_REMOVE: Final = text(
    "DELETE FROM leasewire_outbox WHERE position IN (SELECT position FROM leasewire_outbox "
    "WHERE published_at < now() - make_interval(days => :days) ORDER BY position LIMIT :most)"
)


class DatabaseFailed(Exception):  # noqa: N818 - says what happened
    """The database cannot be used; says why, and what to do."""


class AnotherRelay(Exception):  # noqa: N818 - says what happened
    """Another relay empties this outbox."""


class Relayed(NamedTuple):
    """What became of rows.

    Attributes:
        published: rows that are in the journal.
        refused: rows that are marked as refused.
        failure: why the others wait.
    """

    published: int = 0
    refused: int = 0
    failure: PublishFailed | None = None


def ddl() -> str:
    """The SQL that makes the table, for PostgreSQL."""
    return (files("producers.outbox") / "postgresql.sql").read_text(encoding="utf-8")


def open_database(url: str) -> Engine:
    """Make an engine; nothing is connected yet.

    Args:
        url: `postgresql://USER@HOST/DATABASE`, without a password: libpq finds it by itself.

    Raises:
        ValueError: the URL is none, or holds a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("is no URL: write postgresql://USER@HOST/DATABASE") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql://")
    if parsed.password is not None or "password" in parsed.query:
        raise ValueError("must hold no password: put it into ~/.pgpass, which libpq reads")
    parsed = parsed.set(drivername="postgresql+psycopg")
    options = {"connect_timeout": 10, "application_name": "leasewire-outbox"}
    # Each statement by itself: nothing is held open while events are published.
    return create_engine(
        parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=options
    )


class OutboxRelay:
    """Empties one outbox.

    Args:
        engine: of `open_database`.
        publisher: without a spool: the outbox is one.
        keep_days: published rows are removed after so many; 0: never.
        backoff: waits after failures.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        *,
        keep_days: int = 30,
        backoff: Backoff | None = None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._keep_days = keep_days
        self._backoff = backoff or Backoff()

    def run(self, stopping: Event) -> None:
        """Publish rows as they come until asked to stop; outlives the database and the way in."""
        failures = 0
        while not stopping.is_set():
            try:
                with self._locked() as database:
                    failures = 0
                    self._remove_old(database)
                    self._publish_until(stopping, database)
            except AnotherRelay:
                log.info("outbox.another_relay_works")
                stopping.wait(self._backoff.wait_s(1))
            except DatabaseFailed as error:
                failures += 1
                log.warning("outbox.database_is_down: %s", error)
                stopping.wait(self._backoff.wait_s(failures))

    def run_once(self, stopping: Event, tell: Callable[[int, int], None]) -> Relayed:
        """Publish what is there now, or until asked to stop.

        Args:
            stopping: ends it after the batch in hand.
            tell: is given the rows done and those there were at first, after each batch.

        Raises:
            AnotherRelay: another one is at it.
            DatabaseFailed: the database cannot be used.
        """
        done, failed = Relayed(), False
        with self._locked() as database:
            total = int(database.execute(_COUNT).scalar_one())
            while not stopping.is_set() and done.published + done.refused < total:
                tell(done.published + done.refused, total)
                now = self._batch(database)
                done = Relayed(
                    done.published + now.published, done.refused + now.refused, now.failure
                )
                if now.failure is not None:
                    wait_s = now.failure.retry_after_s
                    # Who asks for a moment, as a rate does, gets it; once in vain is enough.
                    if wait_s is None or failed:
                        break
                    stopping.wait(min(wait_s, MOST_WAITED_S))
                elif not (now.published or now.refused):
                    break
                failed = now.failure is not None
            tell(done.published + done.refused, total)
            self._remove_old(database)
        return done

    def _publish_until(self, stopping: Event, database: Connection) -> None:
        failures = 0
        while not stopping.is_set():
            done = self._batch(database)
            if done.failure is not None:
                failures += 1
                wait_s = self._backoff.wait_s(failures, done.failure.retry_after_s)
                log.warning("outbox.way_in_is_down, next try in %.1f s: %s", wait_s, done.failure)
                stopping.wait(wait_s)
            else:
                failures = 0
                if not (done.published or done.refused):
                    stopping.wait(CHECK_EVERY_S)

    def _batch(self, database: Connection) -> Relayed:
        completed: dict[int, CompleteEvent] = {}
        refused: dict[int, str] = {}
        for row in database.execute(_OPEN, {"most": MAX_EVENTS_PER_MESSAGE}):
            try:
                # What has no time of its own is of when the row was written, at each attempt.
                completed[row.position] = complete_event(row.body, row.created_at)
            except ContractViolation as violation:
                refused[row.position] = "; ".join(map(str, violation.problems))
        failure, message = None, {}
        try:
            receipts: Sequence[Receipt] = self._publisher.write(list(completed.values()))
        except EventsRefused as error:
            receipts, message = error.receipts, error.refused
        except PublishFailed as error:
            receipts, failure = error.receipts, error
        taken = {each.event_key for each in receipts if not each.id_reused}
        message |= {each.event_id: _REUSED for each in receipts if each.id_reused}
        published = [position for position, each in completed.items() if each.key in taken]
        if published:
            database.execute(_PUBLISHED, {"positions": published})
        refused |= {
            position: message[each.id]
            for position, each in completed.items()
            if each.key not in taken and each.id in message
        }
        for position, why in refused.items():
            log.warning("outbox.row_refused %s: %s", position, why)
            database.execute(_REFUSED, {"position": position, "message": why})
        return Relayed(len(published), len(refused), failure)

    def _remove_old(self, database: Connection) -> None:
        if not self._keep_days:
            return
        given = {"days": self._keep_days, "most": _REMOVED_AT_ONCE}
        while database.execute(_REMOVE, given).rowcount == _REMOVED_AT_ONCE:
            pass

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """A connection that holds the lock; it goes with the connection, whatever ends it.

        Raises:
            AnotherRelay: another connection holds it.
            DatabaseFailed: the database cannot be used.
        """
        try:
            with self._engine.connect() as database:
                # A relay whose host is gone must not hold the lock for hours.
                for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
                    database.execute(text(f"SET tcp_keepalives_{name} = {value}"))
                took = database.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK})
                if not took.scalar_one():
                    raise AnotherRelay("another relay empties this outbox; one at a time may")
                yield database
        except SQLAlchemyError as error:
            raise DatabaseFailed(_message(error)) from error


def _message(error: SQLAlchemyError) -> str:
    """What the database says, without the statement, and what to do where that is known."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    if "leasewire_outbox" in said and "does not exist" in said:
        return f"{said}; make the table: leasewire outbox ddl | psql …"
    return said
