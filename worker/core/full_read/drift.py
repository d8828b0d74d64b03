"""Lists what differs between a router and what was written there, by service, row and field."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from worker.core.plan.member import Wanted
from worker.core.rows.operations import Add, MakeStatic, Move, Remove, Set, WritePlan, shown
from worker.core.rows.rows import BINDINGS, LEASES, QUEUES, MenuPath

Kind = Literal["changed", "untagged", "missing", "duplicate", "disabled", "copied", "waiting"]
_NOTED: Final[Mapping[str, tuple[Kind, MenuPath]]] = {
    "disabled-by-hand": ("disabled", LEASES),
    "queue-disabled": ("disabled", QUEUES),
    "duplicate-row": ("copied", LEASES),
    "binding-disabled": ("disabled", BINDINGS),
}
_OF_THE_MAC: Final = "client-id"
"""Changes with its MAC and is no difference of its own."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was written.

    Attributes:
        kind: `changed` (a field has another value), `untagged` (our tag is gone), `missing` (the
            row is gone), `duplicate` (a row that should not be there), `disabled` (by hand),
            `copied` (another row has the service's tag too) or `waiting` (it cannot be put right
            now; `found` says why).
        field: which; empty where it is the whole row.
        wanted: its value as it should be; of a whole row its fields.
    """

    service_id: str
    kind: Kind
    menu: MenuPath
    field: str
    wanted: str
    found: str

    @property
    def mendable(self) -> bool:
        """Whether a pass puts it right; what people disabled or copied is left to them."""
        return self.kind not in ("disabled", "copied", "waiting")


def differences(plan: WritePlan, learned: Collection[str] = frozenset()) -> list[Difference]:
    """Return what was changed, by a plan; for services with a work item it is work to come.

    The DHCPv6 clients of `learned` services are new: a pass will check them in any case.
    """
    found = (d for d in (*_written(plan), *_noted(plan)) if d.service_id not in learned)
    return sorted(found, key=lambda d: (d.service_id, d.menu, d.kind, d.field))


def learned_clients(plan: WritePlan, wanted: Iterable[Wanted]) -> frozenset[str]:
    """Return the services of which a plan found the DHCPv6 client, or another one than before."""
    return frozenset(
        service.entry.service_id
        for service in wanted
        for own in plan.bindings.get(service.entry.service_id, ())
        if own.mac
        and own.is_known
        and not any((noted.ia, noted.client) == (own.ia, own.client) for noted in service.bindings)
    )


def _written(plan: WritePlan) -> Iterator[Difference]:
    sets: dict[tuple[MenuPath, str, str], Difference] = {}
    made_static: set[tuple[MenuPath, str]] = set()
    for operation in plan.operations:
        service, menu = operation.service_id, operation.menu
        match operation:
            case Add(fields=fields):
                yield Difference(service, "missing", menu, "", describe(fields), "")
            case MakeStatic(row_id=row_id, was=was):
                made_static.add((menu, row_id))
                yield Difference(service, "missing", menu, "", "a static row", describe(was))
            case Move(place=place):
                yield Difference(service, "changed", menu, "place", place, "elsewhere")
            case Remove(was=was):
                yield Difference(service, "duplicate", menu, "", "", describe(was))
            case Set(row_id=row_id, fields=fields, was=was):
                if (menu, row_id) in made_static:
                    continue
                for name in fields.keys() - {_OF_THE_MAC}:
                    kind: Kind = "untagged" if name == "comment" else "changed"
                    # A ring is broken by a placeholder first: the last value is the wanted one.
                    sets[menu, row_id, name] = Difference(
                        service, kind, menu, name, fields[name], was.get(name, "")
                    )
    yield from (_shown(found) for found in sets.values() if found.wanted != found.found)


def _shown(difference: Difference) -> Difference:
    """The same without passwords."""
    wanted, found = shown(difference.wanted), shown(difference.found)
    if wanted != difference.wanted:
        found = f"{found or 'none'}, which is not the service's"
    return replace(difference, wanted=wanted, found=found)


def _noted(plan: WritePlan) -> Iterator[Difference]:
    for note in plan.notes:
        if note.kind in _NOTED:
            kind, menu = _NOTED[note.kind]
            disabled = kind == "disabled"
            shown = "yes: " + note.detail if disabled else note.detail
            field, wanted = ("disabled", "no") if disabled else ("", "")
            yield Difference(note.service_id, kind, menu, field, wanted, shown)
    for service, why in plan.waiting.items():
        yield Difference(service, "waiting", LEASES, "", "", f"{why.reason}: {why.detail}")


def describe(fields: Mapping[str, str]) -> str:
    """Return the fields of a row that are not empty, as text."""
    return " ".join(f"{name}={shown(value)}" for name, value in fields.items() if value)
