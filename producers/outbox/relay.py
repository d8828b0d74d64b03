"""Publishes the rows of an outbox table in order, at least once, and updates their state.

An advisory lock of the database keeps the order: one relay works at a time, the others stand by.
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

from contracts.errors import ContractViolation
from contracts.names import MAX_EVENTS_PER_MESSAGE
from producers.errors import EventsRefused, PublishFailed, Receipt
from producers.publisher import Publisher
from producers.transport import Backoff, CompleteEvent

log = logging.getLogger("leasewire.sources.outbox")

CHECK_EVERY_S: Final = 0.5
"""How often an empty outbox is checked: one query on an empty index."""
MOST_WAITED_S: Final = 60.0
"""Longest wait of `run_once`."""
_LOCK: Final = 0x6C77_6F75_7462_6F78  # "lwoutbox": one relay for each database
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
    """The database cannot be used; the message says why and what to do."""


class AnotherRelay(Exception):  # noqa: N818 - says what happened
    """Another relay is publishing this outbox."""


class Relayed(NamedTuple):
    """What happened to rows.

    Attributes:
        published: number of rows whose events are in the journal.
        refused: number of rows set to refused.
        failure: why the other rows wait.
    """

    published: int = 0
    refused: int = 0
    failure: PublishFailed | None = None


def ddl() -> str:
    """Return the SQL that creates the table in PostgreSQL."""
    return (files(__package__) / "postgresql.sql").read_text(encoding="utf-8")


def open_database(url: str) -> Engine:
    """Create an engine. It connects when it is first used.

    Args:
        url: `postgresql://USER@HOST/DATABASE`, without a password: libpq finds it by itself.

    Raises:
        ValueError: the URL is invalid or holds a password.
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
    # Autocommit: no transaction stays open while events are published.
    return create_engine(
        parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=options
    )


class OutboxRelay:
    """Publishes the rows of one outbox.

    Args:
        engine: made by `open_database`.
        publisher: has no spool, because the outbox is one.
        keep_days: published rows are deleted after this time; 0: never.
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
        """Publish rows as they arrive, until stopped; go on after failures."""
        failures = 0
        while not stopping.is_set():
            try:
                with self._locked() as database:
                    failures = 0
                    self._remove_old(database)
                    self._publish_until(stopping, database)
            except AnotherRelay:
                log.info("outbox.standby: another relay is active")
                stopping.wait(self._backoff.wait_s(1))
            except DatabaseFailed as error:
                failures += 1
                log.warning("outbox.database_unavailable: %s", error)
                stopping.wait(self._backoff.wait_s(failures))

    def run_once(self, stopping: Event, report: Callable[[int, int], None]) -> Relayed:
        """Publish the rows that are there now, and return.

        Args:
            stopping: when set, return after the current batch.
            report: called after each batch with the rows done and the rows found at the start.

        Raises:
            AnotherRelay: another relay is active.
            DatabaseFailed: the database cannot be used.
        """
        done, failed = Relayed(), False
        with self._locked() as database:
            total = int(database.execute(_COUNT).scalar_one())
            while not stopping.is_set() and done.published + done.refused < total:
                report(done.published + done.refused, total)
                batch = self._publish_batch(database)
                done = Relayed(
                    done.published + batch.published, done.refused + batch.refused, batch.failure
                )
                if batch.failure is not None:
                    wait_s = batch.failure.retry_after_s
                    # A rate limit asks for a wait: wait once, and give up at the second failure.
                    if wait_s is None or failed:
                        break
                    stopping.wait(min(wait_s, MOST_WAITED_S))
                elif not (batch.published or batch.refused):
                    break
                failed = batch.failure is not None
            report(done.published + done.refused, total)
            self._remove_old(database)
        return done

    def _publish_until(self, stopping: Event, database: Connection) -> None:
        failures = 0
        while not stopping.is_set():
            done = self._publish_batch(database)
            if done.failure is not None:
                failures += 1
                wait_s = self._backoff.wait_s(failures, done.failure.retry_after_s)
                log.warning("outbox.disconnected, next try in %.1f s: %s", wait_s, done.failure)
                stopping.wait(wait_s)
            else:
                failures = 0
                if not (done.published or done.refused):
                    stopping.wait(CHECK_EVERY_S)

    def _publish_batch(self, database: Connection) -> Relayed:
        events: dict[int, CompleteEvent] = {}
        refused: dict[int, str] = {}
        for row in database.execute(_OPEN, {"most": MAX_EVENTS_PER_MESSAGE}):
            try:
                # An event without a time has the time of its row, the same at each attempt.
                events[row.position] = self._publisher.complete(row.body, row.created_at)
            except ContractViolation as violation:
                refused[row.position] = "; ".join(map(str, violation.problems))
        failure: PublishFailed | None = None
        reasons: dict[str, str] = {}
        try:
            receipts: Sequence[Receipt] = self._publisher.write(list(events.values()))
        except EventsRefused as error:
            receipts, reasons = error.receipts, error.refused
        except PublishFailed as error:
            receipts, failure = error.receipts, error
        taken = {receipt.event_key for receipt in receipts if not receipt.id_reused}
        reasons |= {receipt.event_id: _REUSED for receipt in receipts if receipt.id_reused}
        published = [position for position, event in events.items() if event.key in taken]
        if published:
            database.execute(_PUBLISHED, {"positions": published})
        refused |= {
            position: reasons[event.id]
            for position, event in events.items()
            if event.key not in taken and event.id in reasons
        }
        for position, reason in refused.items():
            log.warning("outbox.row_refused %s: %s", position, reason)
            database.execute(_REFUSED, {"position": position, "message": reason})
        return Relayed(len(published), len(refused), failure)

    def _remove_old(self, database: Connection) -> None:
        if not self._keep_days:
            return
        given = {"days": self._keep_days, "most": _REMOVED_AT_ONCE}
        while database.execute(_REMOVE, given).rowcount == _REMOVED_AT_ONCE:
            pass

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """Yield a connection that holds the lock, which ends with the connection.

        Raises:
            AnotherRelay: another connection holds the lock.
            DatabaseFailed: the database cannot be used.
        """
        try:
            with self._engine.connect() as database:
                # The lock of a relay whose host disappeared must end after a minute, not hours.
                for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
                    database.execute(text(f"SET tcp_keepalives_{name} = {value}"))
                took = database.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK})
                if not took.scalar_one():
                    raise AnotherRelay("another relay is active; only one may publish this outbox")
                yield database
        except SQLAlchemyError as error:
            raise DatabaseFailed(_message(error)) from error


def _message(error: SQLAlchemyError) -> str:
    """Return the database's message without the statement, and what to do if that is known."""
    message = " ".join(str(getattr(error, "orig", None) or error).split())
    if "leasewire_outbox" in message and "does not exist" in message:
        return f"{message}; create the table: leasewire outbox ddl | psql …"
    return message
