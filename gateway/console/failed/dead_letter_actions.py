"""What operators do to dead letters: retry and discard, one or all of a cause."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway import dead_letters
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.failed import dead_letter_views as views
from gateway.console.failed.dead_letter_pages import DeadLetterPages, left_of, place_of
from gateway.console.pages import Done, Form, NotDone, Pages, reason_of
from producers.errors import EventsRefused, PublishFailed
from worker.core.service.outcome import DeadLetter
from worker.core.texts import counted

STEP_S: Final = 3.0
"""About how long one request settles dead letters; the person lets it go on."""

_DONE: Final[Mapping[str, str]] = {"retry": "retried", "discard": "discarded"}

Settle = Callable[[DeadLetter], str]


class DeadLetterActions(Pages):
    """Makes the changes."""

    def __init__(self, console: Console, pages: DeadLetterPages) -> None:
        super().__init__(console)
        self._pages = pages
        for what, show in (("retry", views.retry), ("discard", views.discard)):
            show_all, name = partial(views.settle_all, what), what.capitalize()
            self.confirmation(
                *(f"/dead-letter/{what}", pages.dead_letter, show, partial(self._settle_one, what)),
                title=f"{name}: {{title}}",
            )
            self.confirmation(
                *(f"/cause/{what}", pages.decision, show_all, partial(self._settle_all, what)),
                title=f"{name} all: {{reason}}",
            )

    def _settle(self, what: str, viewer: Viewer, reason: str, *, audit: bool) -> Settle:
        """What settles a dead letter, until an event cannot be published: then the others stay."""
        store, publisher, failure = self.console.store, self.console.publisher, ""

        def settle(dead_letter: DeadLetter) -> str:
            nonlocal failure
            if failure:
                return failure
            if what == "discard":
                return dead_letters.discard(store, dead_letter, viewer.actor, reason, audit=audit)
            try:
                return dead_letters.retry(
                    store, publisher, dead_letter, viewer.actor, reason, audit=audit
                )
            except EventsRefused as refused:
                return str(refused)
            except PublishFailed as error:
                failure = str(error)
                return failure

        return settle

    def _settle_one(self, what: str, viewer: Viewer, form: Form) -> Done:
        """Settle a dead letter, if it is the one that was shown."""
        settle = self._settle(what, viewer, _reason(form, f"/dead-letter/{what}"), audit=True)
        dead_letter = self._pages.read(form.get("id", ""))
        back = ui.address("/dead-letter", id=dead_letter.id)
        if form.get("at_ms") != str(dead_letter.at_ms):
            raise NotDone("Nothing was done: it failed again since you saw it. Look again.", back)
        refusal = settle(dead_letter)
        self._pages.causes.list_again()
        if refusal:
            raise NotDone(f"Nothing was done: {refusal}.", back)
        return Done(f"The dead letter is {_DONE[what]}.", ui.address("/failed"))

    def _settle_all(self, what: str, viewer: Viewer, form: Form) -> Done:
        """Settle dead letters of a cause, for a few seconds."""
        path, done = f"/cause/{what}", _DONE[what]
        reason = _reason(form, path)
        cause = self._pages.causes.find(form.get("id", ""))
        if cause is None:
            raise NotDone("There is no dead letter of this cause any more.", ui.address("/failed"))
        until, so_far = _number(form.get("until")), _number(form.get("done"))
        left = left_of(cause, until, form.get("after", ""))
        settle = self._settle(what, viewer, reason, audit=False)
        step = dead_letters.settle_for_a_while(self.console.store, left, settle, STEP_S)
        self._pages.causes.list_again()
        if step.done:
            subject, detail = f"{step.done} of cause {cause.id}", f"{cause.reason}: {reason}"
            self.console.store.audit.record(viewer.actor, f"dead_letter.{done}", subject, detail)
        message = f"{counted(step.done, 'dead letter')} {done}"
        if step.kept:
            message = f"{message}, {step.kept:,} not: {step.message}"
        rest = left[step.tried :]
        if not rest:
            return Done(f"{message}. None is left.", ui.address("/failed"))
        last = left[step.tried - 1]
        onward = ui.address(
            path,
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


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= len("9007199254740992") else 0
