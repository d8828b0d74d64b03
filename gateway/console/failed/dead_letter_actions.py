"""What operators do to dead letters: retry and discard, one or all of a cause."""

from collections.abc import Callable
from typing import Final

from gateway import dead_letters
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.failed import dead_letter_views
from gateway.console.failed.dead_letter_pages import DeadLetterPages, left_of, place_of
from gateway.console.pages import Done, Form, NotDone, Pages, reason_of
from producers.errors import EventsRefused, PublishFailed
from worker.core.service.outcome import DeadLetter
from worker.core.texts import counted

STEP_S: Final = 3.0
"""About how long one request settles dead letters; the person lets it go on."""

Settle = Callable[[DeadLetter], str]


class DeadLetterActions:
    """Makes the changes."""

    def __init__(self, console: Console, pages: DeadLetterPages) -> None:
        self._console = console
        self._pages = pages

    def add_to(self, pages: Pages) -> None:
        """Add a page and a write for each."""
        one, all_, views = self._pages.dead_letter, self._pages.decision, dead_letter_views
        for path, read, show, act, title in (
            ("/dead-letter/retry", one, views.retry, self.retry, "Retry: {title}"),
            ("/dead-letter/discard", one, views.discard, self.discard, "Discard: {title}"),
            ("/cause/retry", all_, views.retry_all, self.retry_all, "Retry all: {reason}"),
            ("/cause/discard", all_, views.discard_all, self.discard_all, "Discard all: {reason}"),
        ):
            pages.decision(path, read, show, act, title=title)

    def retry(self, viewer: Viewer, form: Form) -> Done:
        """Try a dead letter again, if it is the one that was shown."""
        reason = _reason(form, "/dead-letter/retry")
        return self._settle_one(form, self._retry(viewer, reason, audit=True), "retried")

    def discard(self, viewer: Viewer, form: Form) -> Done:
        """Delete a dead letter for good, if it is the one that was shown."""
        reason = _reason(form, "/dead-letter/discard")
        return self._settle_one(form, self._discard(viewer, reason, audit=True), "discarded")

    def retry_all(self, viewer: Viewer, form: Form) -> Done:
        """Retry dead letters of a cause, for a few seconds."""
        settle = self._retry(viewer, _reason(form, "/cause/retry"), audit=False)
        return self._settle_all(viewer, form, settle, "retry", "retried")

    def discard_all(self, viewer: Viewer, form: Form) -> Done:
        """Discard dead letters of a cause, for a few seconds."""
        settle = self._discard(viewer, _reason(form, "/cause/discard"), audit=False)
        return self._settle_all(viewer, form, settle, "discard", "discarded")

    def _retry(self, viewer: Viewer, reason: str, *, audit: bool) -> Settle:
        store, publisher = self._console.store, self._console.publisher
        return lambda dead_letter: dead_letters.retry(
            store, publisher, dead_letter, viewer.actor, reason, audit=audit
        )

    def _discard(self, viewer: Viewer, reason: str, *, audit: bool) -> Settle:
        store = self._console.store
        return lambda dead_letter: dead_letters.discard(
            store, dead_letter, viewer.actor, reason, audit=audit
        )

    def _settle_one(self, form: Form, settle: Settle, done: str) -> Done:
        dead_letter = self._pages.read(form.get("id", ""))
        back = ui.address("/dead-letter", id=dead_letter.id)
        if form.get("at_ms") != str(dead_letter.at_ms):
            raise NotDone("Nothing was done: it failed again since you saw it. Look again.", back)
        refusal = _until_it_fails(settle)(dead_letter)
        self._pages.causes.list_again()
        if refusal:
            raise NotDone(f"Nothing was done: {refusal}.", back)
        return Done(f"The dead letter is {done}.", ui.address("/failed"))

    def _settle_all(self, viewer: Viewer, form: Form, settle: Settle, path: str, done: str) -> Done:
        cause = self._pages.causes.find(form.get("id", ""))
        if cause is None:
            raise NotDone("There is no dead letter of this cause any more.", ui.address("/failed"))
        until, so_far = _number(form.get("until")), _number(form.get("done"))
        reason = form["reason"].strip()
        left = left_of(cause, until, form.get("after", ""))
        step = dead_letters.settle_for_a_while(
            self._console.store, left, _until_it_fails(settle), STEP_S
        )
        self._pages.causes.list_again()
        if step.done:
            subject, detail = f"{step.done} of cause {cause.id}", f"{cause.reason}: {reason}"
            self._console.store.audit.record(viewer.actor, f"dead_letter.{done}", subject, detail)
        message = f"{counted(step.done, 'dead letter')} {done}"
        if step.kept:
            message = f"{message}, {step.kept:,} not: {step.message}"
        rest = left[step.tried :]
        if not rest:
            return Done(f"{message}. None is left.", ui.address("/failed"))
        last = left[step.tried - 1]
        onward = ui.address(
            f"/cause/{path}",
            id=cause.id,
            until=until,
            after=place_of(last.at_ms, last.id),
            done=so_far + step.done,
        )
        return Done(f"{message}; {counted(len(rest), 'dead letter')} left.", onward)


def _reason(form: Form, path: str) -> str:
    """The person's reason; who gave none sees the same page again."""
    shown = {name: value for name, value in form.items() if name not in {"csrf", "reason"}}
    return reason_of(form, ui.address(path, **shown)[:2000])


def _until_it_fails(settle: Settle) -> Settle:
    """Settle dead letters until an event cannot be published; the others are left as they are."""
    failure = ""

    def settle_or_not(dead_letter: DeadLetter) -> str:
        nonlocal failure
        try:
            return failure or settle(dead_letter)
        except EventsRefused as refused:
            return str(refused)
        except PublishFailed as error:
            failure = str(error)
            return failure

    return settle_or_not


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= len("9007199254740992") else 0
