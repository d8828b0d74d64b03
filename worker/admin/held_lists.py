"""What the brake holds, for pages: cheap with tens of thousands of services."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.admin.approvals import UNDONE, Approval, approvals_of, held_services
from worker.admin.summaries import Summaries, Summarized
from worker.core.policy.policy import RouterPolicy
from worker.inventory import Inventory
from worker.store.brake import HeldWorkItem, held_work_item
from worker.store.store import Store

_SHOWN: Final = 64
"""So many lists are remembered as they were shown."""


class HeldList(NamedTuple):
    """One approval as a page shows it: `counted` of its services were counted by kind so far."""

    approval: Approval
    kinds: Mapping[str, int]
    counted: int


@dataclass(frozen=True, slots=True)
class ListChange:
    """How a list differs from an earlier one; services of `changed` were changed meanwhile."""

    added: Sequence[HeldWorkItem]
    gone: Sequence[HeldWorkItem]
    changed: Sequence[HeldWorkItem]


class HeldLists:
    """Reads what is held; keeps what it read while it stays the same. For several threads."""

    def __init__(self, store: Store, inventory: Callable[[], Inventory]) -> None:
        self._store = store
        self._inventory = inventory
        self._lock = threading.Lock()
        self._summaries = Summaries(self._list, self._kinds)
        self._of: Inventory | None = None
        self._policies: Mapping[str, RouterPolicy] = {}
        self._items: dict[str, HeldWorkItem] = {}
        self._found: Summarized[str, str] = Summarized()
        self._approvals: list[Approval] = []
        self._lists: list[HeldList] = []
        self._shown: OrderedDict[tuple[str, str], tuple[HeldWorkItem, ...]] = OrderedDict()

    def all(self) -> list[HeldList]:
        """All approvals. Their kinds are counted in steps, one a call."""
        with self._lock:
            inventory = self._inventory()
            if inventory is not self._of:
                self._policies = inventory.policies
                self._summaries = Summaries(self._list, self._kinds)
                self._of = inventory
            found = self._summaries.read()
            if found.versions is not self._found.versions:
                items = self._items.values()
                self._approvals = approvals_of(self._store, self._policies, items)
            if found is not self._found:
                self._lists = self._counted(found.summaries)
                self._found = found
            return self._lists

    def find(self, approval_id: str) -> HeldList | None:
        """One approval; None: nothing is held under this id."""
        return next((held for held in self.all() if held.approval.id == approval_id), None)

    def remember(self, approval: Approval) -> None:
        """Remember a list as it is shown, for `change_since`."""
        key = approval.id, approval.digest
        with self._lock:
            self._shown[key] = approval.work_items
            self._shown.move_to_end(key)
            while len(self._shown) > _SHOWN:
                self._shown.popitem(last=False)

    def list_again(self) -> None:
        """List what is held at the next call: it was changed just now."""
        with self._lock:
            self._summaries.list_again()

    def change_since(self, approval: Approval, digest: str) -> ListChange | None:
        """How a list differs from the one with this digest; None: that one is not known here."""
        with self._lock:
            before = self._shown.get((approval.id, digest))
        if before is None:
            return None
        then = {work_item.field: work_item for work_item in before}
        now = {work_item.field: work_item for work_item in approval.work_items}
        return ListChange(
            added=[work_item for field, work_item in now.items() if field not in then],
            gone=[work_item for field, work_item in then.items() if field not in now],
            changed=[
                work_item
                for field, work_item in now.items()
                if field in then and then[field].text != work_item.text
            ],
        )

    def _list(self) -> dict[str, str]:
        texts, known = self._store.brake.texts(), self._items
        self._items = {
            field: work_item
            if (work_item := known.get(field)) is not None and work_item.text == text
            else held_work_item(field, text)
            for field, text in texts.items()
        }
        return texts

    def _kinds(self, fields: Sequence[str]) -> dict[str, str]:
        work_items = [self._items[field] for field in fields]
        found = held_services(self._store, self._policies, work_items)
        return {held.work_item.field: held.kind or UNDONE for held in found}

    def _counted(self, kinds: Mapping[str, str]) -> list[HeldList]:
        counts = Counter((self._items[field].scope, kind) for field, kind in kinds.items())
        lists = []
        for approval in self._approvals:
            of_list = {
                kind: number
                for (scope, kind), number in sorted(counts.items())
                if scope == approval.scope
            }
            lists.append(HeldList(approval, of_list, sum(of_list.values())))
        return lists
