"""Pages `failed`, `cause` and `dead-letter`: what failed permanently, by cause, and why."""

from collections import Counter
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Query

from contracts.errors import Problem
from contracts.parse import MAX_EVENT_BYTES
from gateway import dead_letters
from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console.console import Console
from gateway.console.failed import dead_letter_views
from gateway.console.failed.redaction import without_secrets
from gateway.console.pages import PageNumber, Pages, page_of
from worker.admin.dead_letters import Cause, DeadLetterCauses, cause_document, cause_of
from worker.admin.documents import dead_letter_document
from worker.admin.json_fields import clean, utc_time
from worker.core.service.outcome import DeadLetter

_DROPPED: Final = 20
_REASONS: Final = 30
_PROBLEMS: Final = 50
_DETAIL: Final = 500
"""Characters of a message in a list: one of a hostile event may have a hundred thousand."""

CauseId = Annotated[str, Query(alias="id", max_length=64, description="Id of the cause")]
DeadLetterId = Annotated[
    str, Query(alias="id", max_length=400, description="Id of the dead letter")
]


class DeadLetterPages(Pages):
    """Reads the documents."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.causes = DeadLetterCauses(console.store)
        views = dead_letter_views
        self.page("/failed", self.failed, views.failed, title="Failed")
        self.page("/cause", self.cause, views.cause, title="Failed: {reason}")
        self.page("/dead-letter", self.dead_letter, views.dead_letter, title="Failed: {title}")

    def failed(
        self,
        reason: Annotated[str, Query(max_length=64, description="Only with this reason")] = "",
        page: PageNumber = 1,
    ) -> Document:
        """Dead letters by cause, the most frequent first."""
        found = self.causes.read()
        reasons: Counter[str] = Counter()
        for cause in found.causes:
            reasons[cause.reason] += len(cause.dead_letters)
        chosen = [cause for cause in found.causes if reason in {"", cause.reason}]
        gone = sorted(self.console.store.dead_letters.gone().items(), key=lambda item: -item[1])
        return page_of("causes", chosen, page, _short) | {
            "total": found.total,
            "read": found.read,
            "reason": reason,
            "reasons": dict(reasons.most_common(_REASONS)),
            "causes_count": len(chosen),
            "gone": [
                {"source": source, "reason": cause, "count": count}
                for group, count in gone[:_DROPPED]
                for source, _, cause in [group.rpartition("|")]
            ],
        }

    def cause(self, cause_id: CauseId, page: PageNumber = 1) -> Document:
        """One cause, with a page of its dead letters, the newest first."""
        newest_first = self._find(cause_id).dead_letters[::-1]
        return {
            **self.decision(cause_id),
            **page_of("dead_letters", newest_first, page, _listed),
        }

    def decision(
        self,
        cause_id: CauseId,
        until: Annotated[int, Query(ge=0)] = 0,
        after: Annotated[str, Query(max_length=420)] = "",
        done: Annotated[int, Query(ge=0)] = 0,
    ) -> Document:
        """One cause, and how far a retry or discard of all of it came.

        Args:
            cause_id: of the cause.
            until: time of the newest one that was there when it began, in milliseconds since 1970.
            after: the last one that was tried.
            done: how many were settled so far.
        """
        found, cause = self.causes.read(), self._find(cause_id)
        until = until or cause.newest_ms
        left = left_of(cause, until, after)
        return _short(cause) | {
            "total": found.total,
            "read": found.read,
            "until": until,
            "after": after,
            "done": done,
            "left": len(left),
        }

    def dead_letter(self, dead_letter_id: DeadLetterId) -> Document:
        """One dead letter: every problem, and the event as it was received."""
        found = self.read(dead_letter_id)
        too_large = is_too_large(found)
        found = replace(found, body="") if too_large else without_secrets(found)
        document = dead_letter_document(found)
        problems: tuple[Problem, ...] = ()
        if found.kind == "event" and not too_large:
            problems = dead_letters.check(self.console.publisher, found.body).problems
        return document | {
            "title": clean(found.service_id) or found.reason,
            "at_ms": found.at_ms,
            "cause": cause_of(found.reason, found.detail),
            "too_large": too_large,
            "detail": found.detail[:_DETAIL],
            **problem_documents(problems),
        }

    def read(self, dead_letter_id: str) -> DeadLetter:
        """A dead letter as it is stored.

        Raises:
            Refused: there is none.
        """
        found = self.console.store.views.dead_letter(dead_letter_id)
        if found is None:
            message = "there is no such dead letter any more: it was settled, or a newer event came"
            raise Refused("not-found", message)
        return found

    def _find(self, cause_id: str) -> Cause:
        cause = self.causes.find(cause_id)
        if cause is None:
            message = "there is no dead letter of this cause any more, or it was not read yet"
            raise Refused("not-found", message)
        return cause


def is_too_large(dead_letter: DeadLetter) -> bool:
    """Whether its body is larger than any event that is accepted; a webhook may be larger."""
    return len(dead_letter.body.encode("utf-8", "replace")) > MAX_EVENT_BYTES


def left_of(cause: Cause, until_ms: int, after: str) -> list[DeadLetter]:
    """The dead letters of a cause that are still to be tried.

    Args:
        cause: the cause.
        until_ms: of the newest one that a person saw; later ones are left alone.
        after: place of the last one that was tried; see `place_of`.
    """
    return [
        dead_letter
        for dead_letter in cause.dead_letters
        if dead_letter.at_ms <= until_ms and place_of(dead_letter.at_ms, dead_letter.id) > after
    ]


def place_of(at_ms: int, dead_letter_id: str) -> str:
    """The place of a dead letter in the order in which they are settled."""
    return f"{at_ms:015}|{dead_letter_id}"


def problem_documents(problems: tuple[Problem, ...]) -> dict[str, Any]:
    """The problems of an event, a bounded number, and how many there are."""
    return {
        "problems_count": len(problems),
        "problems": [
            {"pointer": problem.pointer, "code": problem.code, "message": problem.message}
            for problem in problems[:_PROBLEMS]
        ],
    }


def _listed(dead_letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": dead_letter.id,
        "kind": dead_letter.kind,
        "service": dead_letter.service_id,
        "router": dead_letter.router,
        "source": dead_letter.source,
        "attempts": dead_letter.attempts,
        "at": utc_time(dead_letter.at_ms),
    }


def _short(cause: Cause) -> dict[str, Any]:
    document = cause_document(cause)
    return document | {"detail": document["detail"][:_DETAIL]}
