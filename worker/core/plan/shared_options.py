"""The option rows that leases name: what is there, and what a plan adds.

`dhcp_options.py` says how they are named.
"""

from collections.abc import Iterable, Mapping

from worker.core.entry.dhcp_options import OptionFields
from worker.core.plan.member import Member
from worker.core.plan.phases import Draft, Step
from worker.core.rows.operations import Add, Waiting
from worker.core.rows.rows import OPTIONS, OptionRow


class SharedOptions:
    """The option rows of one read; a plan adds each that is missing once, whoever needs it."""

    def __init__(self, rows: Iterable[OptionRow], draft: Draft) -> None:
        self._rows: dict[str, OptionRow] = {}
        for row in sorted(rows, key=lambda row: (len(row.id), row.id)):
            self._rows.setdefault(row.option, row)
        self._draft = draft
        self._added: dict[str, Step] = {}

    def missing_prerequisite(self, needed: Mapping[str, OptionFields]) -> Waiting | None:
        """A row with the name of a needed one that somebody gave another value."""
        for name, fields in needed.items():
            row = self._rows.get(name)
            if row is not None and any(row.fields.get(k, "") != v for k, v in fields.items()):
                detail = f"DHCP option {name} was changed by hand: put it back or remove it"
                return Waiting("option-changed", detail)
        return None

    def add_for(self, member: Member) -> list[Step]:
        """Add the missing rows that a service needs; its lease is to name them only after."""
        steps = []
        for name, fields in member.entry.options.items():
            if name not in self._rows:
                if name not in self._added:
                    add = Add(0, member.id, fields, menu=OPTIONS)
                    self._added[name] = self._draft.step(add)
                steps.append(self._added[name])
        return steps
