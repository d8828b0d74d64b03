"""Pages `approvals` and `approval`: what the brake holds, and what operators decide about it."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import Query

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.approvals import approval_views
from gateway.console.console import Console, Viewer
from gateway.console.pages import Done, Form, NotDone, PageNumber, Pages, page_of, reason_of
from producers.errors import BatchViolation, PublishFailed
from worker.admin import approvals
from worker.admin.announcements import (
    announcement_document,
    check_scope,
    end_ms,
)
from worker.admin.approvals import Decision
from worker.admin.documents import approval_heading, held_service_document
from worker.admin.held_lists import HeldList, HeldLists, ListChange
from worker.core.texts import counted
from worker.errors import NotPossible
from worker.store.brake import Announcement, HeldWorkItem

_LISTS: Final = 20
"""Approvals on one page: each with its first rows."""
_FIRST_ROWS: Final = 3
_NAMES: Final = 10
"""Routers or sources that are counted by name; the others are counted together."""
_CHANGES: Final = 25
_ANNOUNCED: Final = 100
_MOST_ANNOUNCED: Final = 1_000_000
_APPROVALS: Final = ui.address("/approvals")

ApprovalId = Annotated[str, Query(alias="id", max_length=64, description="Id of the approval")]
Digest = Annotated[str, Query(max_length=64, description="Digest of a list as it was shown")]


class ApprovalPages(Pages):
    """Reads the documents, and makes the decisions."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._lists = HeldLists(console.store, console.inventory)
        views = approval_views
        self.page("/approvals", self.approvals, views.approvals, title="Approvals")
        self.page("/approval", self.approval, views.approval, title="Held: {scope} {name}")
        for path, view, act, title in (
            ("/approval/approve", views.approve, self.approve, "Approve: {scope} {name}"),
            ("/approval/reject", views.reject, self.reject, "Reject: {scope} {name}"),
        ):
            self.confirmation(path, self.decision, view, act, title=title)
        self.confirmation(
            *("/announce", self.announcement, views.announce, self.announce),
            title="Announce losses",
        )
        self.confirmation(
            *("/announce/withdraw", self.withdrawal, views.withdraw, self.withdraw),
            title="Withdraw an announcement",
        )

    def approvals(self, page: PageNumber = 1) -> Document:
        """What is held, by limit, with the first services of each; and what was announced."""
        found, announced = self._lists.all(), self._announced()
        return page_of("approvals", found, page, self._with_first_services, _LISTS) | {
            "count": len(found),
            "held": sum(len(held.approval.work_items) for held in found),
            "announced": announced[:_ANNOUNCED],
            "announced_count": len(announced),
        }

    def approval(
        self, approval_id: ApprovalId, since: Digest = "", page: PageNumber = 1
    ) -> Document:
        """One list, with a page of its services, and how it differs from an earlier one."""
        held = self._find(approval_id)
        shown = page_of("services", held.approval.work_items, page)
        return (
            self._document(held)
            | shown
            | {
                "services": _services(held, shown["services"]),
                "since_digest": since,
                "change": self._change(held, since),
            }
        )

    def decision(self, approval_id: ApprovalId, digest: Digest) -> Document:
        """What an approval or rejection would do, and whether the list is still the same."""
        held = self._find(approval_id)
        return self._document(held) | {
            "shown_digest": digest,
            "change": self._change(held, digest),
        }

    def announcement(self) -> Document:
        """What may be announced."""
        return {
            "sources": sorted(self.console.inventory().sources)[:_ANNOUNCED],
            "announced": self._announced()[:_ANNOUNCED],
        }

    def withdrawal(self, scope: Annotated[str, Query(max_length=300)]) -> Document:
        """The announcement that would be withdrawn."""
        for found in self._announced():
            if f"{found['scope']}:{found['name']}" == scope:
                return found
        raise Refused("not-found", "nothing is announced for this source or router any more")

    def approve(self, viewer: Viewer, form: Form) -> Done:
        """Approve a list as it was shown."""
        approval_id, digest, reason = _decision_of(form, "/approval/approve")
        store, policies = self.console.store, self.console.inventory().policies
        decision = approvals.approve(store, policies, approval_id, digest, viewer.actor, reason)
        services = self._decided(decision, approval_id, digest)
        return Done(f"{counted(services, 'service')} approved.", _APPROVALS)

    def reject(self, viewer: Viewer, form: Form) -> Done:
        """Restore what the routers have to all services of a list, as it was shown."""
        approval_id, digest, reason = _decision_of(form, "/approval/reject")
        back = ui.address("/approval", id=approval_id)
        store, policies = self.console.store, self.console.inventory().policies
        publish, actor = self.console.publisher.publish, viewer.actor
        try:
            decision = approvals.reject(
                store, policies, approval_id, digest, actor, publish, reason
            )
        except BatchViolation as violation:
            raise NotDone(f"Nothing was rejected: {str(violation)[:500]}", back) from violation
        except PublishFailed as failure:
            message = f"Not all services were restored: {failure}. Reject the list again."
            raise NotDone(message, back) from failure
        services = self._decided(decision, approval_id, digest)
        message = f"{counted(services, 'service')} rejected: they keep what their routers have."
        return Done(message, _APPROVALS)

    def announce(self, viewer: Viewer, form: Form) -> Done:
        """Announce losses: they are neither counted nor held."""
        back = ui.address("/announce")
        source, router = form.get("source", ""), form.get("router", "").strip()
        number, now_ms = form.get("services", ""), self.console.store.records.now_ms()
        if bool(source) == bool(router):
            raise NotDone("Choose a source, or name a router; not both.", back)
        if not (number.isdecimal() and 0 < int(number) <= _MOST_ANNOUNCED):
            raise NotDone("Give the number of services: a whole number of 1 or more.", back)
        reason = reason_of(form, back)
        scope = f"source:{source}" if source else f"router:{router}"
        try:
            check_scope(scope, self.console.inventory())
            until_ms = end_ms(now_ms, None, form.get("lasts", "").strip())
        except NotPossible as error:
            raise NotDone(str(error), back) from error
        announced = Announcement(
            *(scope, int(number), 0, now_ms, until_ms, viewer.actor), reason=reason
        )
        self.console.store.brake.announce(announced, now_ms)
        services = counted(int(number), "service")
        return Done(f"Announced: {services} of {scope} may lose their entries.", _APPROVALS)

    def withdraw(self, viewer: Viewer, form: Form) -> Done:
        """Withdraw an announcement."""
        scope, now_ms = form.get("scope", ""), self.console.store.records.now_ms()
        known = {f"{found['scope']}:{found['name']}" for found in self._announced()}
        if scope not in known:
            raise NotDone("Nothing is announced for it any more.", _APPROVALS)
        reason = reason_of(form, ui.address("/announce/withdraw", scope=scope))
        ended = Announcement(*(scope, 0, 0, now_ms, now_ms, viewer.actor), reason=reason)
        self.console.store.brake.announce(ended, now_ms)
        return Done("The announcement is withdrawn.", _APPROVALS)

    def _find(self, approval_id: str) -> HeldList:
        held = self._lists.find(approval_id)
        if held is None:
            message = "nothing is held under this id any more: it was decided, or it was undone"
            raise Refused("not-found", message)
        return held

    def _document(self, held: HeldList) -> dict[str, Any]:
        self._lists.remember(held.approval)
        return approval_heading(held.approval) | {
            "kinds": dict(held.kinds),
            "counted": held.counted,
            "routers": _most_frequent(held.approval.routers),
            "sources": _most_frequent(held.approval.sources),
        }

    def _with_first_services(self, held: HeldList) -> dict[str, Any]:
        first = held.approval.work_items[:_FIRST_ROWS]
        return self._document(held) | {"services": _services(held, first)}

    def _change(self, held: HeldList, digest: str) -> dict[str, Any] | None:
        """How a list differs from the one with this digest; None: it is the same."""
        approval = held.approval
        if not digest or approval.digest == digest:
            return None
        change = self._lists.change_since(approval, digest)
        return {"known": False} if change is None else {"known": True} | _change_document(change)

    def _announced(self) -> list[dict[str, Any]]:
        now_ms = self.console.store.records.now_ms()
        return [
            announcement_document(found) for found in self.console.store.brake.announced(now_ms)
        ]

    def _decided(self, decision: Decision, approval_id: str, digest: str) -> int:
        """Number of services of a decision that was carried out."""
        self._lists.list_again()
        if decision.result == "unknown" or decision.approval is None:
            raise NotDone("Nothing is held there any more; nothing was done.", _APPROVALS)
        if decision.result == "changed":
            message = (
                "Nothing was done: the list has changed since you saw it. Below is what is "
                "different. Look at it, then decide again."
            )
            raise NotDone(message, ui.address("/approval", id=approval_id, since=digest))
        return len(decision.approval.work_items)


def _decision_of(form: Form, path: str) -> tuple[str, str, str]:
    approval_id, digest = form.get("id", ""), form.get("digest", "")
    return approval_id, digest, reason_of(form, ui.address(path, id=approval_id, digest=digest))


def _services(held: HeldList, work_items: Sequence[HeldWorkItem]) -> list[dict[str, Any]]:
    return [held_service_document(service) for service in held.approval.read(work_items)]


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    found = dict(counts.most_common(_NAMES))
    rest = counts.total() - sum(found.values())
    return found | ({f"{len(counts) - len(found)} others": rest} if rest else {})


def _change_document(change: ListChange) -> dict[str, Any]:
    def places(items: Sequence[HeldWorkItem]) -> list[dict[str, str]]:
        return [{"service": item.service_id, "router": item.router} for item in items[:_CHANGES]]

    lists = {"added": change.added, "gone": change.gone, "changed": change.changed}
    return {name: {"count": len(of), "first": places(of)} for name, of in lists.items()}
