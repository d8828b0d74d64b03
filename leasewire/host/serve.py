"""Joins the gateway to the store: what it may read and do there. The one place that knows both."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from contracts.names import BULK_DEPTH
from gateway import dead_letters
from gateway.api.app import make_app
from gateway.api.limits import Depth
from gateway.api.ports import CursorTooOld, Document, OutcomePage, ReadFailed, ServiceFilter
from gateway.api.server import GatewayServer
from leasewire.context import Context
from leasewire.sources.hooks import hooks_of, reading
from producers.errors import PublishFailed
from producers.publisher import Publisher
from worker.admin import approvals
from worker.admin.approvals import Decision
from worker.admin.documents import (
    approval_document,
    dead_letter_document,
    final_events,
    find_events,
    outcome_cloudevent,
)
from worker.admin.service_documents import ServiceList, history_of, service_document
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import ServiceRecord
from worker.errors import ConfigurationError, StoreUnavailable
from worker.store.connection import connect
from worker.store.feed import CursorTooOldError

_TIME_LIMIT_S: Final = 5.0
"""As long Redis may take to answer a look: callers wait, and are told to come again."""
_STEPS_A_PAGE: Final = 20
"""What a page may cost Redis: with 500 keys each some 10 ms."""


@contextmanager
def serving(
    context: Context, host: str, port: int, depth_limit: int, bulk_limit: int = BULK_DEPTH
) -> Iterator[GatewayServer]:
    """Run a gateway while the block runs.

    Raises:
        ConfigurationError: the address cannot be listened on, or Redis does not keep what it gets.
        StoreUnavailable: Redis cannot be reached, or refuses us.
    """
    settings, store = context.settings, context.store
    store.check_server()
    store.check_kinds(context.inventory.routers, context.inventory.sources)
    with ExitStack() as stack:
        publisher = stack.enter_context(context.publisher())
        client = stack.enter_context(
            connect(settings.redis_url, **settings.redis_login, socket_timeout_s=_TIME_LIMIT_S)
        )
        Depth(client, settings.key_prefix).look()
        redis = client.plain
        hooks = hooks_of(context)
        app = make_app(
            redis=redis,
            prefix=settings.key_prefix,
            publisher=publisher,
            records=StoreRecords(context, publisher),
            overriding=lambda: {
                name
                for name, each in context.inventory.sources.items()
                if "override" in each.scopes
            },
            clock=lambda: datetime.now(UTC),  # noqa: TID251 - this is the composition root
            depth_limit=depth_limit,
            bulk_limit=bulk_limit,
            hooks=hooks,
        )
        try:
            server = GatewayServer(app, host, port)
        except OSError as error:
            raise ConfigurationError([f"{host} port {port}: {error.strerror}"]) from error
        with server, reading(context, redis, hooks):
            yield server


class StoreRecords:
    """The gateway's `Records` over the store.

    Args:
        context: has the store.
        publisher: replays dead letters.
    """

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._store = context.store
        self._publisher = publisher

    def known(self, event_keys: Sequence[str]) -> Mapping[str, str]:
        """See `Records`."""
        records = self._store.records
        with _read_errors():
            return records.seen(event_keys, records.now_ms())

    def final(self, event_keys: Sequence[str]) -> Mapping[str, Document]:
        """See `Records`.

        An outcome of an event that is in the journal still is of an earlier one of its id; only
        what is read after the journal was looked at counts.
        """
        with _read_errors():
            return final_events(self._store, event_keys)

    def event(self, event_id: str, sources: Sequence[str]) -> Document | None:
        """See `Records`."""
        with _read_errors():
            found = find_events(self._store, event_id, sources)
        return found[0] if found else None

    def services(
        self, wanted: ServiceFilter, cursor: int, most: int
    ) -> tuple[Sequence[Document], int]:
        """See `Records`."""
        found: dict[str, Document] = {}
        with _read_errors():
            for _ in range(_STEPS_A_PAGE):
                stored, cursor = self._store.views.services_from(cursor, most, wanted.router)
                records = [each.record for each in stored if _is_wanted(each.record, wanted)]
                found |= {
                    line["service"]: line
                    for line in self._lines(records)
                    if wanted.sync in (None, line.get("sync"))
                }
                if not cursor or len(found) >= most:
                    break
        return list(found.values()), cursor

    def _lines(self, records: Sequence[ServiceRecord]) -> Iterator[Document]:
        if records:
            listing = ServiceList(self._store, records)
            yield from (listing.document(each) | {"owner": each.owner} for each in records)

    def service(self, service_id: str) -> Document | None:
        """See `Records`."""
        with _read_errors():
            record = self._store.records.read([service_id])[service_id].record
            view = self._store.views.service(service_id, record.placements)
            return service_document(view, self._store) if view else None

    def history(self, service_id: str) -> Sequence[Document]:
        """See `Records`."""
        with _read_errors():
            lines = history_of(self._store, service_id)
        return [line.document() for line in reversed(lines)]

    def outcomes(
        self, sources: Sequence[str], cursor: str | None, most: int, *, latest: bool = False
    ) -> OutcomePage:
        """See `Records`."""
        feed, known = self._store.feed, self._context.inventory.sources.keys()
        with _read_errors():
            if latest:
                return OutcomePage([], feed.last(), more=False)
            try:
                unknown_sources = not known >= set(sources)
                page = feed.read(sources, cursor, most, unknown_sources=unknown_sources)
            except CursorTooOldError:
                raise CursorTooOld from None
        installation = self._context.inventory.installation
        events = [outcome_cloudevent(item, installation) for item in page.items]
        return OutcomePage(events, page.cursor, page.more)

    def dead_letters(self, reason: str | None, most: int) -> Sequence[Document]:
        """See `Records`."""
        with _read_errors():
            if reason is None:
                found = self._store.views.dead_letters(most)
            else:
                those = [each for each in self._store.dead_letters.all() if each.reason == reason]
                found = list(islice(reversed(those), most))
        return [dead_letter_document(each) for each in found]

    def retry(self, dead_letter_id: str, actor: str) -> str | None:
        """See `Records`."""
        with _read_errors():
            dead_letter = self._store.views.dead_letter(dead_letter_id)
            if dead_letter is None:
                return None
            return dead_letters.retry(self._store, self._publisher, dead_letter, actor)

    def discard(self, dead_letter_id: str, actor: str) -> str | None:
        """See `Records`."""
        with _read_errors():
            dead_letter = self._store.views.dead_letter(dead_letter_id)
            if dead_letter is None:
                return None
            return dead_letters.discard(self._store, dead_letter, actor)

    def holds(self) -> Sequence[Document]:
        """See `Records`."""
        with _read_errors():
            found = approvals.approvals(self._store, self._policies())
        return [approval_document(each) for each in found]

    def approve(self, approval_id: str, digest: str, actor: str) -> str | None:
        """See `Records`."""
        with _read_errors():
            done = approvals.approve(self._store, self._policies(), approval_id, digest, actor)
        return _message_of(done)

    def reject(self, approval_id: str, digest: str, actor: str) -> str | None:
        """See `Records`."""
        publish, policies = self._publisher.publish, self._policies()
        with _read_errors():
            done = approvals.reject(self._store, policies, approval_id, digest, actor, publish)
        return _message_of(done)

    def _policies(self) -> dict[str, RouterPolicy]:
        return {name: config.policy for name, config in self._context.inventory.routers.items()}


def _is_wanted(record: ServiceRecord, wanted: ServiceFilter) -> bool:
    mine = wanted.sources is None or record.owner in wanted.sources
    return mine and wanted.status in (None, record.status)


def _message_of(done: Decision) -> str | None:
    if done.result == "unknown":
        return None
    return "" if done.result == "done" else "the list is another one by now: look at it again"


@contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except (StoreUnavailable, PublishFailed) as error:
        raise ReadFailed(str(error)) from error
