"""What operators do to a service: each action shows first what it would write."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from gateway import dead_letters
from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import Done, Form, NotDone, Pages, reason_of
from gateway.console.services import service_forms
from gateway.console.services.service_pages import (
    ServiceId,
    ServicePages,
    Typed,
    to_retry,
)
from producers.errors import BatchViolation, EventsRefused, PublishFailed
from worker.admin.restore import restored
from worker.admin.service_previews import (
    MODES,
    Action,
    event_preview,
    possible_actions,
    retry_preview,
    suspension_event,
)
from worker.core.service.record import ServiceRecord
from worker.errors import NotPossible

_DONE: Final[Mapping[Action, str]] = {
    "suspend": "suspended",
    "resume": "resumed",
    "restore": "restored",
    "retry": "retried",
}
_NOT_POSSIBLE: Final[Mapping[Action, str]] = {
    "suspend": "Only an active service can be suspended",
    "resume": "Only a suspended service can be resumed",
    "restore": "Only a cancelled service can be restored",
    "retry": "It neither waits nor failed on a router, so there is nothing to retry",
}
_CHANGED: Final = (
    "Nothing was changed: what would be written is no longer what you saw. See what it is now, "
    "and decide again."
)


class ServiceActions(Pages):
    """Shows and makes the changes."""

    def __init__(self, console: Console, pages: ServicePages) -> None:
        super().__init__(console)
        self._pages = pages
        for action in _DONE:
            title = f"{action.capitalize()} service {{service}}"
            read, act = partial(self._preview, action), partial(self._act, action)
            self.confirmation(f"/service/{action}", read, service_forms.form, act, title=title)

    def _preview(self, action: Action, service_id: ServiceId, mode: Typed = "") -> Document:
        """What an action would change; without a `digest` it cannot be done: see `refusal`."""
        record = self._pages.record(service_id)
        store, inventory = self.console.store, self.console.inventory()
        waits = self._waits(record)
        shown = {"service": service_id, "action": action, "status": record.status, "mode": mode}
        if action not in possible_actions(record, waits):
            return shown | {"refusal": f"{_NOT_POSSIBLE[action]}. It is {record.status}."}
        if action == "retry":
            return shown | retry_preview(store, inventory, record, waits)
        try:
            event = self._event(action, service_id, "", "", mode)
            (completed,) = self.console.publisher.check([event])
        except (NotPossible, BatchViolation) as error:
            return shown | {"refusal": str(error)}
        return shown | event_preview(store, inventory, completed.event)

    def _act(self, action: Action, viewer: Viewer, form: Form) -> Done:
        """Make a change, if it is still the one that was shown."""
        service_id, mode = form.get("id", ""), form.get("mode", "")
        back = ui.address(f"/service/{action}", id=service_id, mode=mode)
        reason = reason_of(form, back)
        preview = self._preview(action, service_id, mode)
        if "digest" not in preview:
            raise NotDone(f"Nothing was changed. {preview['refusal']}", back)
        if preview["digest"] != form.get("digest"):
            raise NotDone(_CHANGED, back)
        do = self._retry if action == "retry" else partial(self._publish, action, mode)
        try:
            detail, message = do(service_id, viewer.actor, reason)
        except (NotPossible, BatchViolation, EventsRefused, PublishFailed) as error:
            raise NotDone(f"Nothing was changed: {error}", back) from error
        audit = self.console.store.audit
        audit.record(viewer.actor, f"service.{_DONE[action]}", service_id, f"{reason}; {detail}")
        return Done(message, ui.address("/service", id=service_id))

    def _publish(
        self, action: Action, mode: str, service_id: str, actor: str, reason: str
    ) -> tuple[str, str]:
        """Publish the event of an action; what the audit trail and the person are told."""
        event = self._event(action, service_id, actor, reason, mode)
        (receipt,) = self.console.publisher.publish([event])
        message = f"Event {receipt.event_id} is published: the timeline shows what comes of it."
        return f"by event {receipt.event_id}", message

    def _retry(self, service_id: str, actor: str, reason: str) -> tuple[str, str]:
        """Have a service checked again wherever it waits or failed."""
        store, done = self.console.store, []
        for router in self._waits(self._pages.record(service_id)):
            failed = store.views.dead_letter(f"{service_id}@{router}")
            if failed is None:
                store.routers.add_work(router, [service_id])
            elif refusal := dead_letters.retry(
                store, self.console.publisher, failed, actor, reason, audit=False
            ):
                raise NotDone(f"On {router}: {refusal}.", ui.address("/service", id=service_id))
            done.append(router)
        where = ", ".join(done)
        return f"on {where}", f"{service_id} is checked again on {where}."

    def _event(
        self, action: Action, service_id: str, actor: str, reason: str, mode: str
    ) -> dict[str, Any]:
        """The event of an action; without id and time.

        Raises:
            NotPossible: the service cannot be restored.
            Refused: `malformed`: there is no such mode.
        """
        if action == "restore":
            event: dict[str, Any] = restored(
                self.console.store, self.console.inventory().policies, service_id, actor
            )
            event["data"]["reason"] |= {"note": reason} if reason else {}
            return event
        if mode and mode not in MODES:
            raise Refused("malformed", f"mode is none of {', '.join(MODES)}")
        return suspension_event(service_id, actor, reason, suspend=action == "suspend", mode=mode)

    def _waits(self, record: ServiceRecord) -> list[str]:
        view = self.console.store.views.service(record.service_id, record.placements)
        return to_retry(view) if view else []
