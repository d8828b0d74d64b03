"""What must be noted in a record before a plan is written.

A lease that is made static gets its tag only after: a crash in between would leave a row that
nobody knows for ours. Of a list row nothing but the note tells that it may be there. Of an addition
that lands late, when its service has another row by then, nothing but the note in flight tells that
it is no copy made by hand.
"""

from collections.abc import Mapping

from worker.core.rows.operations import Add, MakeStatic, WritePlan
from worker.core.rows.rows import ADDRESS_LISTS, LEASES, Identity, ListPlace, identity_of
from worker.core.service.record import Placement


def to_note(made: WritePlan, known: Mapping[str, Placement]) -> dict[str, Placement]:
    """By service, what its placement is to say before the plan is written; others have nothing.

    Args:
        made: the plan.
        known: service -> what its placement says now; operations of others are passed over.
    """
    noted: dict[str, Placement] = {}
    for operation in made.operations():
        service_id = operation.service_id
        at = noted.get(service_id) or known.get(service_id)
        if at is None:
            continue
        match operation:
            case MakeStatic(was=was):
                noted[service_id] = at._replace(written=was)
            case Add(menu=menu, fields=fields) if menu == ADDRESS_LISTS:
                place = ListPlace(fields["list"], fields["address"])
                noted[service_id] = at._replace(listed=at.listed | {place})
            case _:
                pass
    return noted


def added_leases(made: WritePlan) -> dict[str, list[Identity]]:
    """The leases that a plan adds, by service: to be noted as in flight."""
    adds: dict[str, list[Identity]] = {}
    for operation in made.operations():
        if isinstance(operation, Add) and operation.menu == LEASES:
            adds.setdefault(operation.service_id, []).append(identity_of(operation.fields))
    return adds
