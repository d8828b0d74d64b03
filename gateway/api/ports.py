"""What the gateway asks of the other side: records, outcomes, dead letters.

Every method may block for a round trip to Redis, and is called in a thread.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Document = Mapping[str, Any]
"""A JSON object as it is answered; its fields are those that the command prints with `--json`."""


class ReadFailed(Exception):  # noqa: N818 - says what happened
    """Redis does not answer; ask again later."""


class CursorTooOld(Exception):  # noqa: N818 - says what happened
    """Some of what came after the cursor is not kept any more."""


class OutcomePage(NamedTuple):
    """A part of the outcome feed.

    Attributes:
        events: CloudEvents, in the order in which they were said.
        cursor: stands after them.
        more: there are more, now.
    """

    events: Sequence[Document]
    cursor: str
    more: bool


class ServiceFilter(NamedTuple):
    """Which services are listed.

    Attributes:
        sources: those that one of them owns; None: whoever owns them.
        router: those of which a row may be there; None: wherever they are.
        status: those with this status; None: with any.
        sync: those with which their routers are so far; None: with any.
    """

    sources: Collection[str] | None
    router: str | None
    status: str | None
    sync: str | None


class Records(Protocol):
    """What is known of events, services and dead letters. Each method may raise `ReadFailed`."""

    def known(self, event_keys: Sequence[str]) -> Mapping[str, str]:
        """Those of the events that were folded before: the beginning of their `content_hash`."""

    def final(self, event_keys: Sequence[str]) -> Mapping[str, Document]:
        """The outcomes of those events of which nothing more is to come, by event key."""

    def event(self, event_id: str, sources: Sequence[str]) -> Document | None:
        """Where the first event stands that one of these sources gave the id to."""

    def services(
        self, wanted: ServiceFilter, cursor: int, most: int
    ) -> tuple[Sequence[Document], int]:
        """A page of services, in short, and the cursor after it; 0: there are no more.

        Looks at a bounded part of what is kept: a page may be empty and have a cursor.

        Args:
            wanted: which.
            cursor: of the page before; 0: from the beginning.
            most: about how many.
        """

    def service(self, service_id: str) -> Document | None:
        """All that is known of a service; `owner` says whose it is."""

    def history(self, service_id: str) -> Sequence[Document]:
        """What happened to a service and its events, the newest first."""

    def outcomes(
        self, sources: Sequence[str], cursor: str | None, most: int, *, latest: bool = False
    ) -> OutcomePage:
        """What was said of the events of sources after a cursor; None: from the oldest on.

        Args:
            sources: of whose events.
            cursor: a page's; None: from the oldest item on.
            most: events of the page.
            latest: no events, but the cursor after all of them.

        Raises:
            CursorTooOld: some of them are not kept any more.
        """

    def dead_letters(self, reason: str | None, most: int) -> Sequence[Document]:
        """Dead letters, the newest first."""

    def retry(self, dead_letter_id: str, actor: str) -> str | None:
        """Try a dead letter again.

        Returns:
            Why it cannot be, in words; empty when it was done; None when there is none.
        """

    def discard(self, dead_letter_id: str, actor: str) -> str | None:
        """Take a dead letter away for good; answers as `retry` does."""

    def holds(self) -> Sequence[Document]:
        """What the brake holds, by limit, each with the digest of its list."""

    def approve(self, approval_id: str, digest: str, actor: str) -> str | None:
        """Let a list through, if it is the one of the digest; answers as `retry` does."""

    def reject(self, approval_id: str, digest: str, actor: str) -> str | None:
        """Undo what a list says, if it is the one of the digest; answers as `retry` does."""
