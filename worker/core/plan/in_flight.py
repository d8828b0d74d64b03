"""What a record must note before a plan is written.

A lease that is made static gets its tag only afterwards: a crash in between would leave a row that
nobody knows to be ours. Only the note says that a list row or a queue may be there. And when an
added row lands late, and its service has another row by then, only the note in flight says that it
is no copy made by hand. The lease time of a row is known to nobody once a shorter one was written
over it. A binding that is made static has no tag either, until it is set.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from worker.core.rows.bindings import IS_PREFIX, OwnBinding
from worker.core.rows.operations import Add, MakeStatic, Operation, Remove, Set, WritePlan
from worker.core.rows.queues import MAY_BE_THERE
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    ANY_SERVER,
    BINDINGS,
    LEASES,
    QUEUES,
    Identity,
    ListPlace,
    device_of,
    identity_of,
)
from worker.core.service.record_parts import Placement, ShortLease

NO_LOGINS: Final[Mapping[str, None]] = {}
_CHANGING: Final = (Add, Set, Remove)
_CLIENT: Final = frozenset({"duid", "iaid"})


def placements_to_note(plan: WritePlan, known: Mapping[str, Placement]) -> dict[str, Placement]:
    """What placements must say before the plan is written, by service; only those that change.

    Operations of services that are not `known` are passed over.
    """
    noted: dict[str, Placement] = {}
    for operation in plan.operations:
        service_id, device = operation.service_id, operation.device
        placement = noted.get(service_id) or known.get(service_id)
        if placement is None:
            continue
        at = placement.devices.get(device, Placement(None)) if device else placement
        changed = _noted(operation, plan, at)
        if changed is not None and device:
            changed = placement._replace(devices={**placement.devices, device: changed})
        if changed is not None:
            noted[service_id] = changed
    return noted


def _noted(  # noqa: PLR0911 - one case a kind of write
    operation: Operation, plan: WritePlan, placement: Placement
) -> Placement | None:
    """The placement with what an operation may bring; None: nothing that must be noted."""
    service_id = operation.service_id
    match operation:
        case MakeStatic(was=was, menu=menu) if menu == LEASES:
            return placement._replace(written=was, seen_ms=0)
        case MakeStatic(was=fields, menu=menu) | Add(fields=fields, menu=menu) if menu == BINDINGS:
            planned = plan.bindings.get(service_id, ())
            may_be = _may_be(fields, planned, placement.bindings)
            return placement._replace(bindings=may_be)
        case Set(menu=menu, fields=fields) if menu == BINDINGS and fields.keys() & _CLIENT:
            planned = plan.bindings.get(service_id, ())
            return placement._replace(bindings=_learned(fields, planned, placement.bindings))
        case Add(menu=menu, fields=fields) if menu in (ADDRESS_LISTS, ADDRESS_LISTS6):
            place = ListPlace(fields["list"], fields["address"])
            return placement._replace(listed=placement.listed | {place})
        case Add(fields=fields) | Set(fields=fields) if operation.menu == LEASES:
            was = operation.was if isinstance(operation, Set) else {}
            short = _shortens(placement.short, fields, was)
            return None if short is None else placement._replace(short=short)
        case Add(menu=menu) if menu == QUEUES and placement.queue is None:
            return placement._replace(queue=MAY_BE_THERE)
        case _:
            return None


def _may_be(
    fields: Mapping[str, str], planned: Sequence[OwnBinding], known: tuple[OwnBinding, ...]
) -> tuple[OwnBinding, ...]:
    """The known bindings with one that may be there soon, in place of the one of its kind."""
    ia = fields.get("ia-type", IS_PREFIX)
    as_read = [
        binding._replace(
            address=fields["address"],
            server=fields.get("server", ANY_SERVER),
            duid=fields["duid"],
            iaid=fields["iaid"],
        )
        for binding in planned
        if binding.ia == ia
    ]
    return (*(binding for binding in known if binding.ia != ia), *as_read)


def _learned(
    fields: Mapping[str, str], planned: Sequence[OwnBinding], known: tuple[OwnBinding, ...]
) -> tuple[OwnBinding, ...]:
    """The known bindings with the client that a row gets: without it, it is not that device's."""
    found = {
        binding.ia: binding
        for binding in planned
        if all(getattr(binding, name) == fields[name] for name in _CLIENT & fields.keys())
    }
    return (*(binding for binding in known if binding.ia not in found), *found.values())


def _shortens(
    short: ShortLease | None, fields: Mapping[str, str], was: Mapping[str, str]
) -> ShortLease | None:
    """What to note of the lease time that a write shortens; None: nothing new."""
    if short is None or not short.last_ms or fields.get("lease-time") != short.lease_time:
        return None
    before = was.get("lease-time", "")
    return None if short.before == before else short._replace(before=before)


def added_rows(
    plan: WritePlan, logins: Mapping[str, Mapping[str, str] | None] = NO_LOGINS
) -> dict[str, list[Identity]]:
    """The leases and rows of IPv6 that a plan adds, by service: to be noted as in flight.

    Those of IPv6 have no MAC, and are told from leases by their address. Without the note nothing
    would say later that a service had IPv6, and that its menus are to be read. Where devices log
    in, the names alone are noted too, of rows that are written or removed: their sessions may have
    to end. So are their profiles, by themselves: what no plan names any more is left to others.

    `logins`: service -> its row once that is written, where devices log in by it.
    """
    adds: dict[str, list[Identity]] = defaultdict(list)
    for operation in plan.operations:
        service_id = operation.service_id
        if service_id in logins and isinstance(operation, _CHANGING) and operation.menu == LEASES:
            was = {} if isinstance(operation, Add) else operation.was
            names = {device_of(row) for row in (was, logins[service_id] or {})} - {""}
            noted = [Identity(name, "", "") for name in sorted(names)]
            if not isinstance(operation, Remove) and "profile" in operation.fields:
                noted.append(Identity("", "", operation.fields["profile"]))
            adds[service_id] += noted
        if not isinstance(operation, Add):
            continue
        fields = operation.fields
        if operation.menu == LEASES:
            adds[service_id].append(identity_of(fields))
        elif operation.menu in (BINDINGS, ADDRESS_LISTS6):
            added = Identity("", fields["address"], fields.get("server", ANY_SERVER))
            adds[service_id].append(added)
    return dict(adds)
