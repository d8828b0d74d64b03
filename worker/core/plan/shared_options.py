"""The DHCP options that leases name: which are missing, and which a plan adds."""

from collections.abc import Mapping

from worker.core.entry.dhcp_options import OptionFields
from worker.core.plan.member import Member
from worker.core.plan.phases import Draft, Step
from worker.core.rows.operations import Add, Waiting
from worker.core.rows.rows import OPTIONS, OptionRow


class SharedOptions:
    """The option rows of one read; a plan adds each missing one once for all its services."""

    def __init__(self, rows: Mapping[str, OptionRow], draft: Draft) -> None:
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
                    add = Add(0, member.id, fields, menu=OPTIONS)
                    self._added[name] = self._draft.step(add)
                steps.append(self._added[name])
        return steps
