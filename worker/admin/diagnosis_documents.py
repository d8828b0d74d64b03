"""JSON documents of diagnoses: the same for commands and console."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from worker.admin.diagnosis import DiagnosisResult
from worker.admin.json_fields import without_empty
from worker.admin.service_documents import HistoryEntry, effect_entries, recorded, service_document
from worker.core.diagnosis.facts import AtRouter, Facts
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.observed import SeenRow, macs_of, shown_address
from worker.core.rows.operations import shown
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import BindingRow, ListPlace, parse_tag
from worker.core.service.record_parts import Placement
from worker.store.store import Store
from worker.store.views import ServiceView

_KINDS: Final = {"pd": "prefix", "na": "IPv6 address"}
_NAMES: Final = {"rate-limit": "rate", "address-lists": "lists", "dhcp-option": "options"}


def diagnosis_document(result: DiagnosisResult) -> dict[str, Any]:
    """A diagnosis, for programs."""
    facts = result.facts
    document = result.explanation._asdict()
    if facts is None:
        return without_empty(document)
    holders = [claim._asdict() for at in facts.at for claim in at.holders]
    return without_empty(
        {
            "service": facts.record.service_id,
            "status": facts.record.status,
            **document,
            "ipv6": result.ipv6._asdict() if result.ipv6 else None,
            "waits_for": [without_empty(holder) for holder in holders],
            "to_clean": facts.to_clean,
            "rows": row_documents(result),
            "timeline": timeline_documents(result),
        }
    )


def explained_service(
    view: ServiceView, store: Store, result: DiagnosisResult | None
) -> dict[str, Any]:
    """All that is known of a service, with its diagnosis, if there is one."""
    found = {} if result is None else diagnosis_document(result)
    ipv6 = {"why_ipv6": found["ipv6"]} if "ipv6" in found else {}
    return (
        service_document(view, store)
        | {
            "why": _why(found),
            "waits_for": found.get("waits_for", []),
            "rows": found.get("rows", []),
            "further_devices": [_further(device) for device in result.further] if result else [],
        }
        | ipv6
    )


def _why(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: found.get(name, "") for name in ("code", "sentence", "advice")}


def _further(result: DiagnosisResult) -> dict[str, Any]:
    """A further device of a service: why it is as it is, its rows and its values."""
    found = diagnosis_document(result)
    return {
        "device": found["service"],
        "why": _why(found),
        "rows": found.get("rows", []),
        "compared": compared_fields(result),
    }


def compared_fields(result: DiagnosisResult) -> list[dict[str, Any]]:
    """Each field of the service on its routers: wanted, last written, and as read just now."""
    facts = result.facts
    if facts is None:
        return []
    found = []
    for at in facts.at:
        placement = facts.record.placements.get(at.name, Placement(None))
        entry = result.entries.get(at.name)
        own = _own_row(at, facts)
        columns = {
            "wanted": _fields(at.wants, entry.listed, entry.queue) if entry else {},
            "written": _fields(placement.written, placement.listed, placement.queue),
            "read": dict(own.lease.fields) if own else {},
        }
        written = binding_fields(placement.bindings)
        wanted = binding_fields(entry.bindings) if entry else {}
        learned = (f"{kind} {name}" for kind in _KINDS.values() for name in ("duid", "iaid"))
        columns["wanted"] |= wanted | {
            name: written[name] for name in learned if name in written and name not in wanted
        }
        columns["written"] |= written
        columns["read"] |= _read_bindings(at, facts)
        names = [*columns["wanted"], *(columns["written"].keys() - columns["wanted"].keys())]
        found += [
            without_empty(
                {"router": at.name, "field": name, "was_read": at.seen is not None or None}
                | {column: fields.get(name) for column, fields in columns.items()}
            )
            for name in names
            if any(fields.get(name) for fields in columns.values())
        ]
    return found


def _fields(
    row: Mapping[str, str] | None, listed: Collection[ListPlace], queue: OwnQueue | None
) -> dict[str, str]:
    lists = ", ".join(sorted(place.list for place in listed))
    more = {"on address lists": lists, "rate of its own queue": queue.rate if queue else ""}
    shown_row = {name: shown(value) for name, value in (row or {}).items()}
    return {**shown_row, **{name: value for name, value in more.items() if value}}


def binding_fields(bindings: Iterable[OwnBinding]) -> dict[str, str]:
    """The fields of bindings that are not empty, by names that tell prefix and address apart."""
    return {
        f"{_KINDS[own.ia]} {name.replace('_', '-')}": value
        for own in bindings
        for name, value in own._asdict().items()
        if name != "ia" and value
    }


def _read_bindings(at: AtRouter, facts: Facts) -> dict[str, str]:
    seen = at.seen.ipv6 if at.seen is not None else None
    found = {}
    for row in seen.rows if seen is not None else ():
        if not row.dynamic and _is_own(row.comment, facts):
            for name, value in row.fields.items():
                found[f"{_KINDS[row.ia]} {_NAMES.get(name, name)}"] = value
    return found


def _own_row(at: AtRouter, facts: Facts) -> SeenRow | None:
    """The row with the tag of the service, among those that were read."""
    rows = at.seen.rows if at.seen is not None else ()
    own = (row for row in rows if not row.lease.dynamic and _is_own(row.lease.comment, facts))
    return next(own, None)


def _is_own(comment: str, facts: Facts) -> bool:
    tag = parse_tag(comment)
    owner = (facts.installation, facts.record.service_id)
    return tag is not None and (tag.installation, tag.member) == owner


def row_documents(result: DiagnosisResult) -> list[dict[str, Any]]:
    """The rows that were read from the routers of the service."""
    facts = result.facts
    return [row for at in facts.at for row in _rows(at, facts)] if facts is not None else []


def timeline_documents(result: DiagnosisResult) -> list[dict[str, Any]]:
    """What happened, the oldest first."""
    return [entry.document() for entry in timeline(result)]


def timeline(result: DiagnosisResult) -> Iterator[HistoryEntry]:
    """What happened, the oldest first, and then what is to come."""
    if result.view is not None:
        happened = recorded(result.view)[::-1]
        happened += [entry for outcome in result.view.events for entry in effect_entries(outcome)]
        yield from sorted(happened, key=lambda entry: entry.at_ms)
    facts = result.facts
    if facts is None:
        return
    for entry in sorted(facts.journaled, key=lambda event: event.since_ms):
        more = {"event": entry.event_id, "type": entry.type}
        yield HistoryEntry(entry.since_ms, "in the journal", more)
    for at in facts.at:
        for row in at.seen.rows if at.seen is not None else ():
            if row.active_address:
                has = {"mac": row.active_mac, "address": row.active_address}
                yield HistoryEntry(facts.now_ms, f"device {row.status}", _bound(at, row, has))
        for binding in _shown(at, facts):
            if binding.status == "bound":
                has = {"client": binding.client_address}
                has[_KINDS[binding.ia]] = shown_address(binding.address)
                yield HistoryEntry(facts.now_ms, "device bound", _bound(at, binding, has))
    for coming in facts.scheduled:
        more = {"event": coming.event_id, "type": coming.type, "lease": coming.lease}
        yield HistoryEntry(coming.at_ms, "to take effect", more)


def _bound(at: AtRouter, row: SeenRow | BindingRow, has: Mapping[str, str]) -> dict[str, Any]:
    ends = f"{row.expires_in_s} s" if row.expires_in_s is not None else ""
    return {"router": at.name, **has, "expires_in": ends}


def _shown(at: AtRouter, facts: Facts) -> Iterator[BindingRow]:
    """The bindings of the service, those of its device, and who else has its prefix."""
    seen = at.seen.ipv6 if at.seen is not None else None
    mac = (at.wants or {}).get("mac-address", "")
    wanted = {own.address for own in (*at.bindings, *at.written_bindings)}
    for row in seen.rows if seen is not None else ():
        if _is_own(row.comment, facts) or mac in macs_of(row) or row.address in wanted:
            yield row


def _rows(at: AtRouter, facts: Facts) -> Iterator[dict[str, Any]]:
    for row in at.seen.rows if at.seen is not None else ():
        lease = row.lease
        yield without_empty(
            {
                "router": at.name,
                "row": f"{lease.address} {lease.device} {lease.server}",
                "comment": lease.comment,
                "dynamic": lease.dynamic or None,
                "status": row.status,
                "active_mac": row.active_mac,
                "active_address": row.active_address,
                "expires_in_s": row.expires_in_s,
                "whose": "dynamic" if lease.dynamic else lease.comment or "not ours",
            }
        )
    for binding in _shown(at, facts):
        duid, iaid = binding.client
        yield without_empty(
            {
                "router": at.name,
                "row": f"{shown_address(binding.address)} {duid} {iaid} {binding.server}",
                "comment": binding.comment,
                "dynamic": binding.dynamic or None,
                "status": binding.status,
                "active_mac": " ".join(sorted(macs_of(binding))),
                "active_address": binding.client_address,
                "expires_in_s": binding.expires_in_s,
                "whose": "dynamic" if binding.dynamic else binding.comment or "not ours",
            }
        )
