"""What operators do to a router: pause, resume, reconcile, rebuild, and read or check it again."""

from threading import BoundedSemaphore
from typing import Final

from gateway.api.problems import overloaded
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import Done, Form, NotDone, Pages, reason_of
from gateway.console.people import Role
from gateway.console.routers import router_forms
from gateway.console.routers.reading_views import SHOWN_PARTS
from gateway.console.routers.router_pages import RouterPages
from worker.admin.router_actions import obstacle, rebuild, reconcile
from worker.admin.router_reader import RouterReader, What
from worker.admin.router_reading import RouterReading
from worker.core.texts import counted
from worker.errors import NotPossible

_WAIT_S: Final = 10.0
"""How long a write waits until the router was read once more."""
_MOST_WAITING: Final = 2
"""Writes that may wait so: each takes one of the few threads that answer requests."""
_CHANGED: Final = (
    "Nothing was changed: what would be written is no longer what you saw. See what it is now, "
    "and decide again."
)


class RouterActions(Pages):
    """Makes the changes."""

    def __init__(self, console: Console, reader: RouterReader, pages: RouterPages) -> None:
        super().__init__(console)
        self._reader = reader
        self._pages = pages
        self._waiting = BoundedSemaphore(_MOST_WAITING)
        now, forms = self._pages, router_forms
        for what, read, show, act in (
            ("pause", now.decision, forms.pause, self.pause),
            ("resume", now.decision, forms.resume, self.resume),
            ("reconcile", now.reconcile, forms.reconcile, self.reconcile),
            ("rebuild", now.rebuild, forms.rebuild, self.rebuild),
        ):
            title = f"{what.capitalize()} router {{router}}"
            self.confirmation(f"/router/{what}", read, show, act, title=title)
        self.action("/router/read", self.read, role=Role.VIEWER)
        self.action("/router/check", self.check, role=Role.VIEWER)

    def pause(self, viewer: Viewer, form: Form) -> Done:
        """Let no worker write to a router."""
        name = self._router(form)
        reason = reason_of(form, _at("/router/pause", name))
        left_ms = self.console.store.fleet.pause(name, reason, viewer.actor)
        ends = f" The current pass ends within {left_ms / 1000:.0f} s." if left_ms else ""
        return Done(f"{name} is paused.{ends}", _at("/router", name))

    def resume(self, viewer: Viewer, form: Form) -> Done:
        """Let workers write to a paused router again."""
        name = self._router(form)
        if not self.console.store.fleet.resume(name, viewer.actor):
            raise NotDone(f"{name} is not paused.", _at("/router", name))
        return Done(f"{name} is resumed: workers write to it again.", _at("/router", name))

    def reconcile(self, viewer: Viewer, form: Form) -> Done:
        """Undo what was changed by hand, if it is what the person saw."""
        name, back = self._router(form), _at("/router/reconcile", self._router(form))
        reading = self._read_now(name, back)
        if reading.drift_digest != form.get("digest"):
            raise NotDone(_CHANGED, back)
        if not reading.to_reconcile:
            raise NotDone(f"{name} has no drift that a worker puts right.", back)
        reason = form.get("reason", "").strip()
        reconcile(self.console.store, name, reading.to_reconcile, viewer.actor, reason)
        return Done(self._queued(name, len(reading.to_reconcile)), _at("/router", name))

    def rebuild(self, viewer: Viewer, form: Form) -> Done:
        """Approve that lost rows are written again, if they are what the person saw."""
        name, back = self._router(form), _at("/router/rebuild", self._router(form))
        reading = self._read_now(name, back)
        if reading.plan_digest != form.get("digest"):
            raise NotDone(_CHANGED, back)
        if not reading.missing and not reading.of_others:
            raise NotDone(f"No row is missing on {name}: no approval is needed.", back)
        reason = reason_of(form, back)
        rebuild(self.console.store, name, reading.to_rebuild, viewer.actor, reason)
        return Done(self._queued(name, len(reading.to_rebuild)), _at("/router", name))

    def read(self, viewer: Viewer, form: Form) -> Done:
        """Read a router again, for all viewers."""
        del viewer
        name = self._router(form)
        self._again("read", name)
        part = form.get("part", "")
        back = part if part in SHOWN_PARTS else "/router"
        return Done(f"{name} is being read.", _at(back, name))

    def check(self, viewer: Viewer, form: Form) -> Done:
        """Check a router again."""
        del viewer
        name = self._router(form)
        self._again("check", name)
        return Done(f"{name} is being checked.", _at("/router/check", name))

    def _again(self, what: What, name: str) -> None:
        try:
            self._reader.look((what, name), again=True)
        except NotPossible as error:
            raise overloaded(str(error)) from error

    def _read_now(self, name: str, back: str) -> RouterReading:
        """The router as it is now.

        Raises:
            NotDone: it cannot be read, or not in time.
        """
        if not self._waiting.acquire(blocking=False):
            raise NotDone("Two others wait for a router just now: try again in a moment.", back)
        try:
            reading = self._reader.wait(("read", name), _WAIT_S)
        except NotPossible as error:
            raise NotDone(f"Nothing was changed: {error}.", back) from error
        finally:
            self._waiting.release()
        if not isinstance(reading, RouterReading):
            raise NotDone(f"{name} is still being read. Nothing was changed: try again.", back)
        if reading.error:
            why = reading.error["message"]
            raise NotDone(f"Nothing was changed: {name} could not be read: {why}.", back)
        return reading

    def _queued(self, name: str, services: int) -> str:
        why = obstacle(self.console.store, self._pages.config(name))
        queued = f"{name}: {counted(services, 'service')} queued"
        return f"{queued}, but nothing is written yet: {why}." if why else f"{queued}."

    def _router(self, form: Form) -> str:
        return self._pages.config(form.get("id", "")).name


def _at(path: str, name: str) -> str:
    return ui.address(path, id=name)
