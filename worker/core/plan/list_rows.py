"""Rows of address lists beside the leases: which are a service's own, and the writes to them.

As with leases, what is not surely ours is never touched; a row of somebody else that says the same
serves as well as one of ours.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from worker.core.plan.member import Member
from worker.core.plan.phases import Draft, Step
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, Remove, Set
from worker.core.rows.ownership import comment_for, parse_tag
from worker.core.rows.rows import ADDRESS_LISTS, ListedAddress, ListPlace, RowKey


class Listings:
    """The list rows of one read.

    In the list of suspended services each row with a service's tag is its own, noted or not: one
    may have landed late, or be of a Redis that lost its last second. Of other lists, which a policy
    may have named once, the noted ones are.

    Attributes:
        duplicates: rows with a service's tag beside its own: copies made by hand, not ours.
    """

    def __init__(
        self,
        rows: Iterable[ListedAddress],
        policy: RouterPolicy,
        draft: Draft,
        duplicates: frozenset[RowKey] = frozenset(),
        unknown: Collection[str] = (),
    ) -> None:
        self._installation = installation = policy.installation
        self._walled_garden = policy.suspend_list
        self._unknown = unknown
        self._draft = draft
        self._at: dict[ListPlace, ListedAddress] = {}
        self._tagged: dict[str, list[ListedAddress]] = defaultdict(list)
        self._own: dict[str, dict[ListPlace, ListedAddress]] = {}
        self._givers: dict[str, tuple[Member, ListedAddress]] = {}  # by row id
        self._removed: dict[str, Step] = {}  # by row id
        self._edited: set[str] = set()  # row ids
        self.duplicates: set[RowKey] = set()
        for row in sorted(rows, key=lambda row: (len(row.id), row.id)):
            self._at.setdefault(row.place, row)
            tag = parse_tag(row.comment)
            ours = tag is not None and tag.installation == installation and not row.dynamic
            if tag is not None and ours and row.key not in duplicates:
                self._tagged[tag.service_id].append(row)

    def holders(self, places: Iterable[ListPlace]) -> set[str]:
        """The services of ours whose rows hold these places."""
        rows = (self._at.get(place) for place in places)
        tags = (parse_tag(row.comment) for row in rows if row is not None and not row.dynamic)
        return {tag.service_id for tag in tags if tag and tag.installation == self._installation}

    def own(self, service_id: str) -> frozenset[ListPlace]:
        """What the rows that are the service's say."""
        return frozenset(self._own.get(service_id, ()))

    def look_up(self, member: Member, noted: frozenset[ListPlace]) -> None:
        """Find the rows of a service.

        Args:
            member: the service.
            noted: what its rows may say by what was noted before the last writes.
        """
        near = noted | member.entry.listed
        lists = {place.list for place in near} | {self._walled_garden}
        tagged = [row for row in self._tagged.get(member.id, ()) if row.place.list in lists]
        own = [row for row in tagged if row.place in near or row.place.list == self._walled_garden]
        if not own and len(tagged) == 1:
            own = [*tagged]  # edited by hand
            self._edited.add(tagged[0].id)
        for row in tagged:
            if row not in own:
                self.duplicates.add(row.key)
                self._note(member, "duplicate-row", f"{row.name} has its tag too; it is left alone")
        for place in sorted(noted & self._at.keys()):
            lost = self._at[place]
            taken = lost.id in self._givers  # two services stood there one after the other
            if not lost.dynamic and not taken and self._names_nobody(lost):
                self._note(member, "tag-lost", f"{lost.name} is as last written, but lost our tag")
                own.append(lost)
        for row in own:
            if row.disabled:
                self._note(member, "disabled-by-hand", f"{row.name} was switched off by hand")
            self._givers[row.id] = (member, row)
        self._own[member.id] = {row.place: row for row in own}

    def _names_nobody(self, row: ListedAddress) -> bool:
        tag = parse_tag(row.comment)
        ours = tag is not None and tag.installation == self._installation
        return tag is None or (ours and tag.service_id in self._unknown)

    def remove(self, member: Member) -> None:
        """Remove the rows that a service is to have no more, once its lease is as wanted."""
        own = self._own.get(member.id)
        if not own or (member.target is None and not member.leaves):
            return
        for place, row in sorted(own.items()):
            if member.leaves or place not in member.entry.listed:
                self._remove(member, row)

    def add(self, member: Member) -> None:
        """Make the rows that a service lacks, once its lease is as wanted."""
        if member.target is None or not member.entry.listed:
            return
        own = self._own[member.id]
        # Beside another row of ours an edited one would look like a copy: it goes first.
        edited = {each.id for each in own.values()} & self._edited
        gone = [self._removed[row_id] for row_id in sorted(edited & self._removed.keys())]
        for place in sorted(member.entry.listed):
            row = own.get(place) or self._at.get(place)
            blocker = self._givers.get(row.id) if row is not None else None
            if row is None or (blocker is not None and blocker[0] is not member):
                needs = [] if member.final is None else [member.final]
                if blocker is not None:
                    needs.append(self._remove(*blocker))
                self._draft.step(self._addition(member, place), *needs, *gone)
            elif blocker is None:
                self._note(member, "listed-by-others", f"{row.name} is there already, not ours")
            elif self._names_nobody(row):
                self._draft.step(self._retagging(member, row), *gone)

    def _remove(self, member: Member, row: ListedAddress) -> Step:
        if row.id not in self._removed:
            was: Mapping[str, str] = {**row.fields, "comment": row.comment}
            needs = [] if member.final is None else [member.final]
            remove = Remove(0, member.id, row.id, was, menu=ADDRESS_LISTS)
            self._removed[row.id] = self._draft.step(remove, *needs)
        return self._removed[row.id]

    def _addition(self, member: Member, place: ListPlace) -> Add:
        comment = comment_for(self._installation, member.id)
        fields = {**place._asdict(), "comment": comment}
        return Add(0, member.id, fields, menu=ADDRESS_LISTS)

    def _retagging(self, member: Member, row: ListedAddress) -> Set:
        comment = comment_for(self._installation, member.id, row.comment)
        was = {"comment": row.comment}
        return Set(0, member.id, row.id, {"comment": comment}, was, menu=ADDRESS_LISTS)

    def _note(self, member: Member, kind: str, detail: str) -> None:
        self._draft.note(member.id, kind, detail)
