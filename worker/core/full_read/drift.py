"""What differs between a router and what was written there: by service, row and field.

Pure, as the plan is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from worker.core.rows.operations import Add, MakeStatic, Remove, Set, WritePlan
from worker.core.rows.rows import LEASES, MenuPath

Kind = Literal["changed", "untagged", "missing", "duplicates", "disabled", "copied"]
_NOTED: Final[Mapping[str, Kind]] = {"disabled-by-hand": "disabled", "duplicate-row": "copied"}
_OF_THE_MAC: Final = "client-id"
"""Goes with the MAC that it belongs to, and is no difference of its own."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was written.

    Attributes:
        service_id: whose row it is.
        kind: `changed` (a field has another value), `untagged` (our tag is gone), `missing` (the
            row is gone), `duplicates` (a row that should not be there), `disabled` (switched off),
            `copied` (another row has the service's tag too) or `missing` (why it cannot be put
            right stands in `found`).
        menu: of the row.
        field: which; empty where it is the whole row.
        wanted: its value as it should be; of a whole row its fields.
        found: as the router has it.
    """

    service_id: str
    kind: Kind
    menu: MenuPath
    field: str
    wanted: str
    found: str

    @property
    def mendable(self) -> bool:
        """Whether a pass puts it right: what people switched off or copied is left to them."""
        return self.kind not in ("disabled", "copied", "missing")


def differences(plan: WritePlan) -> list[Difference]:
    """What a plan says that was changed; of services that are marked it is work to come instead.

    Args:
        plan: for all services of a router, from one read of it.
    """
    return sorted(_found(plan), key=lambda d: (d.service_id, d.menu, d.kind, d.field))


def _found(plan: WritePlan) -> Iterator[Difference]:
    sets: dict[tuple[MenuPath, str, str], Difference] = {}
    leased: set[str] = set()
    for operation in plan.operations():
        service, menu = operation.service_id, operation.menu
        match operation:
            case Add(fields=fields):
                yield Difference(service, "missing", menu, "", describe(fields), "")
            case MakeStatic(row_id=row_id, was=was):
                leased.add(row_id)
                yield Difference(service, "missing", menu, "", "a static row", describe(was))
            case Remove(was=was):
                yield Difference(service, "duplicates", menu, "", "", describe(was))
            case Set(row_id=row_id, fields=fields, was=was):
                for name in (fields.keys() - {_OF_THE_MAC}) if row_id not in leased else ():
                    kind: Kind = "untagged" if name == "comment" else "changed"
                    # A ring is broken by a placeholder first: the last word is what is wanted.
                    sets[menu, row_id, name] = Difference(
                        service, kind, menu, name, fields[name], was.get(name, "")
                    )
    yield from (each for each in sets.values() if each.wanted != each.found)
    for note in plan.notes:
        if note.kind in _NOTED:
            kind = _NOTED[note.kind]
            off = kind == "disabled"
            shown = "yes: " + note.detail if off else note.detail
            field, wanted = ("disabled", "no") if off else ("", "")
            yield Difference(note.service_id, kind, LEASES, field, wanted, shown)
    for service, why in plan.waiting.items():
        yield Difference(service, "missing", LEASES, "", "", f"{why.reason}: {why.detail}")


def describe(fields: Mapping[str, str]) -> str:
    """The fields of a row that say something."""
    return " ".join(f"{name}={value}" for name, value in fields.items() if value)
