"""The services that `leasewire adopt` works with: from a file of the BSS, or from the rows."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import typer

from contracts.identity import version_hash
from contracts.ipv6_values import Ipv6Prefix
from contracts.manifest import Manifest
from contracts.parse import parse_event
from leasewire.answer import clean
from leasewire.given_files import text_in
from producers.errors import BatchViolation
from producers.event_input import BrokenText, find_events
from producers.fields import NotAnEvent, event_of
from producers.files.reading import CSV, FileBroken, rows_of
from producers.publisher import Publisher
from producers.transport import CompleteEvent
from worker.core.entry.wanted import kind_of, with_rows_at
from worker.core.full_read.adoption import SortedRow
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import IS_ADDRESS, IS_PREFIX, mac_in_duid
from worker.core.rows.rows import NO_DEVICE, BindingRow, Lease, is_host_address, parse_tag
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.errors import ConfigurationError
from worker.inventory.config import CLI_SOURCE
from worker.store.store import Store

_LONGEST_LABEL: Final = 64


def events_of_file(path: Path, publisher: Publisher, actor: str) -> list[CompleteEvent]:
    """Read the events of a BSS's export, complete and checked.

    Args:
        path: events as `leasewire publish` takes them, or a CSV table of services with the columns
            of `producers.fields.FIELDS`; events of a table have an operator as their source.
        publisher: checks them.
        actor: the operator.

    Raises:
        ConfigurationError: with every mistake and its line.
    """
    text = text_in(path)
    given: list[tuple[int, str | Mapping[str, Any]]]
    if text.lstrip()[:1] in ("{", "["):
        try:
            given = [(found.line, found.text) for found in find_events(text)]
        except BrokenText as error:
            raise ConfigurationError([f"{path}: {error}"]) from error
    else:
        given = _of_table(path, actor)
    try:
        return publisher.check(event for _, event in given)
    except BatchViolation as error:
        lines = [f"{path}:{given[index][0]}: {problem}" for index, problem in error.problems]
        raise ConfigurationError(lines) from error


def _of_table(path: Path, actor: str) -> list[tuple[int, str | Mapping[str, Any]]]:
    try:
        rows = list(rows_of(path, CSV))
    except FileBroken as error:
        raise ConfigurationError([str(error)]) from error
    problems = [f"{path}:{row.line}: {problem}" for row in rows for problem in row.problems]
    if problems:
        raise ConfigurationError(problems)
    return [(row.line, row.event | {"source": CLI_SOURCE, "actor": actor}) for row in rows]


def events_of_rows(  # noqa: PLR0913 - what rows and services are made of
    rows: Iterable[SortedRow],
    bindings: Iterable[BindingRow],
    router: str,
    policy: RouterPolicy,
    *,
    publisher: Publisher,
    actor: str,
) -> list[CompleteEvent]:
    """Make a service of each foreign row, named after the router and the address or the device.

    A row with blocked access becomes a suspended service. Only what `EntryKind.said_by` says of a
    row is used: the policy decides the other fields that it manages. It gets the prefix and the
    address of static DHCPv6 bindings with its MAC in their DUID, if there is one of a kind.
    Rows that the contract does not allow to be services are named on standard error.
    """
    own: dict[str, list[BindingRow]] = defaultdict(list)
    for binding in bindings:
        mac = mac_in_duid(binding.client[0])
        if (
            mac
            and not binding.dynamic
            and not binding.radius
            and parse_tag(binding.comment) is None
        ):
            own[mac].append(binding)
    kind, leases, events = kind_of(policy), list[Lease](), list[Mapping[str, Any]]()
    for row in (found.row for found in rows if found.sort == "foreign"):
        said = kind.said_by(row, policy) if isinstance(row, Lease) and _is_free(row) else None
        if said is None or not isinstance(row, Lease):
            continue
        try:
            events.append(_service_of(row, said, own[row.device], router, actor))
            leases.append(row)
        except NotAnEvent as error:
            _skip(row, error)
    try:
        return publisher.check(events)
    except BatchViolation as error:
        broken = dict(reversed(error.problems))
        for index, problem in sorted(broken.items()):
            _skip(leases[index], problem)
        return publisher.check(event for n, event in enumerate(events) if n not in broken)


def _skip(row: Lease, why: object) -> None:
    typer.echo(clean(f"! {row.name} cannot be a service: {why}"), err=True)


def _is_free(row: Lease) -> bool:
    """Whether a row has a device and no tag, and a person made it."""
    return row.device not in NO_DEVICE and not row.radius and parse_tag(row.comment) is None


def _service_of(
    row: Lease, said: Mapping[str, str], bindings: Sequence[BindingRow], router: str, actor: str
) -> Mapping[str, Any]:
    device = row.device.replace(":", "") if "mac-address" in row.fields else row.device
    name = row.address if is_host_address(row.address) else device
    fields = {"service_id": _id_of(router, name), "router": router, **said, **_ipv6(bindings)}
    if row.fields.get("block-access") == "yes":
        fields["suspension_mode"] = "block"
    if row.comment.isprintable() and len(row.comment) <= _LONGEST_LABEL:
        fields["label"] = row.comment
    return event_of(fields) | {"source": CLI_SOURCE, "actor": actor}


def _id_of(router: str, name: str) -> str:
    """An id that a service may have; a name with other characters gives a hash."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", f"{router}-{name}"):
        return f"{router}-{name}"
    return f"{router}-{sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _ipv6(bindings: Sequence[BindingRow]) -> dict[str, str]:
    """The IPv6 of a service; none where it cannot be said which bindings are its own."""
    clients = {binding.client for binding in bindings}
    prefixes = [row.address for row in bindings if row.ia == IS_PREFIX]
    addresses = [row.address for row in bindings if row.ia == IS_ADDRESS]
    if len(clients) != 1 or len(prefixes) != 1 or len(addresses) > 1:
        return {}
    try:
        fields = {"ipv6_prefix": str(Ipv6Prefix.parse(prefixes[0]))}
    except ValueError:
        return {}  # a service cannot have it, such as one that is longer than /64
    ((fields["duid"], fields["iaid"]),) = clients
    if addresses:
        fields["ipv6_address"] = addresses[0].removesuffix("/128")
    return fields


def folded(
    store: Store, events: Sequence[CompleteEvent], policies: Mapping[str, RouterPolicy]
) -> list[ServiceRecord]:
    """The records as they will be once the events are folded; nothing is stored."""
    parsed = [(parse_event(completed.event), version_hash(completed.event)) for completed in events]
    folding = [(event, hashed) for event, hashed in parsed if not isinstance(event, Manifest)]
    stored = store.records.read(sorted({event.data.service_id for event, _ in folding}))
    records = {service_id: entry.record for service_id, entry in stored.items()}
    for event, hashed in folding:
        before = records[event.data.service_id]
        newest = before.highest._replace(local=before.highest.local + 1, digest=hashed)
        records[event.data.service_id] = fold(before, event, newest).record
    return [with_rows_at(record, policies) for record in records.values()]
