"""Rows beside the lease: address lists and shared DHCP options, and the writes to them.

As with leases, a row that is not surely ours is never touched. A foreign row that says the same
serves as well as one of ours.
"""

from collections.abc import Mapping
from typing import Final

from worker.core.entry.dhcp_options import OptionFields
from worker.core.plan.member import Member
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, PlanDraft, Remove, Set, Step, Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    OPTIONS,
    ListedAddress,
    ListPlace,
    MenuPath,
    OptionRow,
    RowKey,
    comment_for,
    list_menu,
)

_LIST_MENUS: Final[tuple[MenuPath, ...]] = (ADDRESS_LISTS, ADDRESS_LISTS6)


class ListRows:
    """The list rows of one read.

    In the list of suspended services each row with a service's tag belongs to it, whether it was
    noted or not: it may have landed late, or Redis may have lost its last second. In other lists,
    which an earlier policy may have named, only the noted rows belong to it.
    """

    def __init__(self, index: RowIndex, policy: RouterPolicy, draft: PlanDraft) -> None:
        self._index = index
        self._policy = policy
        self._draft = draft
        self._note = draft.note
        self._own: dict[str, dict[ListPlace, ListedAddress]] = {}
        self._owners: dict[RowKey, tuple[Member, ListedAddress]] = {}
        self._removed: dict[RowKey, Step] = {}
        self._edited: set[RowKey] = set()

    def own(self, service_id: str) -> frozenset[ListPlace]:
        """What the rows of a service say."""
        return frozenset(self._own.get(service_id, ()))

    def find(self, member: Member, noted: frozenset[ListPlace]) -> None:
        """Find the rows of a service.

        `noted` is what they may say, as noted before the last writes.
        """
        self._own[member.id] = {}
        for menu in _LIST_MENUS:
            own = self._rows_in(menu, member, noted)
            for row in own:
                if row.disabled:
                    self._draft.note(
                        member.id, "disabled-by-hand", f"{row.name} was switched off by hand"
                    )
                self._owners[row.key] = (member, row)
            self._own[member.id] |= {row.place: row for row in own}

    def _rows_in(
        self, menu: MenuPath, member: Member, noted: frozenset[ListPlace]
    ) -> list[ListedAddress]:
        policy = self._policy
        suspend_list = policy.suspend_list if menu == ADDRESS_LISTS else policy.ipv6_list
        expected = {place for place in noted | member.entry.listed if list_menu(place) == menu}
        lists = {place.list for place in expected} | {suspend_list}
        tagged = self._index.listed_tagged.get(member.id, ())
        tagged = [row for row in tagged if row.menu == menu and row.place.list in lists]
        own = [row for row in tagged if row.place in expected or row.place.list == suspend_list]
        if not own and len(tagged) == 1:
            own = [*tagged]  # edited by hand
            self._edited.add(tagged[0].key)
        for row in tagged:
            if row not in own:
                self._draft.leave_alone(member.id, row.key, row.name)
        for place in sorted(noted & expected & self._index.listed.keys()):
            row = self._index.listed[place]
            taken = row.key in self._owners  # two services had this place one after the other
            if not row.dynamic and not taken and self._index.names_no_service(row):
                self._draft.note(
                    member.id, "tag-lost", f"{row.name} is as last written, but lost our tag"
                )
                own.append(row)
        return own

    def remove(self, member: Member) -> None:
        """Remove the rows that a service must not have, once its lease is as wanted."""
        own = self._own.get(member.id)
        if not own or (member.target is None and not member.leaves):
            return
        for place, row in sorted(own.items()):
            if member.leaves or place not in member.entry.listed:
                self._remove(member, row)

    def add(self, member: Member) -> None:
        """Add the rows that a service lacks, once its lease is as wanted."""
        if member.target is None or not member.entry.listed:
            return
        own = self._own[member.id]
        # Beside another row of ours an edited one would look like a copy: it goes first.
        edited = {row.key for row in own.values()} & self._edited
        gone = [self._removed[key] for key in sorted(edited & self._removed.keys())]
        for place in sorted(member.entry.listed):
            row = own.get(place) or self._index.listed.get(place)
            owner = self._owners.get(row.key) if row is not None else None
            if row is None or (owner is not None and owner[0] is not member):
                first = [] if owner is None else [self._remove(*owner)]
                self._draft.step(self._addition(member, place), *member.settled, *first, *gone)
            elif owner is None:
                self._draft.note(
                    member.id, "listed-by-others", f"{row.name} is there already, not ours"
                )
            elif self._index.names_no_service(row):
                self._draft.step(self._retagging(member, row), *gone)

    def _remove(self, member: Member, row: ListedAddress) -> Step:
        if row.key not in self._removed:
            service_id, number = member.service_id, member.entry.number
            remove = Remove(0, service_id, row.id, row.read, menu=row.menu, device=number)
            self._removed[row.key] = self._draft.step(remove, *member.settled)
        return self._removed[row.key]

    def _addition(self, member: Member, place: ListPlace) -> Add:
        comment = comment_for(self._index.installation, member.id)
        fields = {**place._asdict(), "comment": comment}
        menu = list_menu(place)
        return Add(0, member.service_id, fields, menu=menu, device=member.entry.number)

    def _retagging(self, member: Member, row: ListedAddress) -> Set:
        comment = comment_for(self._index.installation, member.id, row.comment)
        fields, was = {"comment": comment}, {"comment": row.comment}
        number = member.entry.number
        return Set(0, member.service_id, row.id, fields, was, menu=row.menu, device=number)


class SharedOptions:
    """The option rows of one read; a plan adds each missing one once for all its services."""

    def __init__(self, rows: Mapping[str, OptionRow], draft: PlanDraft) -> None:
        self._rows = rows
        self._draft = draft
        self._added: dict[str, Step] = {}

    def changed_by_hand(self, needed: Mapping[str, OptionFields]) -> Waiting | None:
        """A needed option that a person gave another value."""
        for name, fields in needed.items():
            row = self._rows.get(name)
            if row is not None and any(row.fields.get(k, "") != v for k, v in fields.items()):
                detail = f"DHCP option {name} was changed by hand: put it back or remove it"
                return Waiting("option-changed", detail)
        return None

    def add_for(self, member: Member) -> list[Step]:
        """Add the missing options that a service needs, before its lease names them."""
        steps = []
        for name, fields in member.entry.options.items():
            if name not in self._rows:
                if name not in self._added:
                    add = Add(0, member.service_id, fields, menu=OPTIONS)
                    self._added[name] = self._draft.step(add)
                steps.append(self._added[name])
        return steps
