"""What tests are made of: events as a BSS sends them, rows as a router holds them.

Every function has defaults that make a sensible whole; a test names only what it is about.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from contracts.identity import version_hash
from contracts.values import parse_time
from worker.core.rows.rows import Lease, ListedAddress, ListPlace, OptionRow
from worker.core.service.event_ref import Version

SOURCE = "urn:isp:bss:test"


def mac(number: int) -> str:
    """A MAC of the documentation block; each number below 256 has one of its own."""
    return f"00:00:5E:00:53:{number:02X}"


def ipv4(number: int) -> str:
    """An address of the documentation network 198.51.100.0/24."""
    return f"198.51.100.{number}"


def event(  # noqa: PLR0913 - an event has as many parts
    name: str,
    service_id: str = "SVC-1",
    *,
    revision: int | None = 1,
    source: str = SOURCE,
    id_: str | None = None,
    time: str = "2026-11-24T09:15:00Z",
    **data: object,
) -> dict[str, object]:
    """A raw event; `name` such as `mac_changed`. Its id follows from its content if not given."""
    said: dict[str, object] = {"service_id": service_id, "revision": revision, **data}
    said = {field: value for field, value in said.items() if value is not None}
    raw: dict[str, object] = {
        "specversion": "1.0",
        "id": id_ or "",
        "source": source,
        "type": f"leasewire.service.{name}.v1",
        "subject": f"service/{service_id}",
        "time": time,
        "datacontenttype": "application/json",
        "data": said,
    }
    raw["id"] = id_ or f"{name}-{sha256(repr(raw).encode()).hexdigest()[:12]}"
    return raw


def service_block(
    *,
    router: str = "R1",
    server: str | None = "dhcp1",
    mac: str = mac(1),
    ipv4: str = ipv4(10),
    pool: str | None = None,
    **fields: object,
) -> dict[str, object]:
    """A `service` block; `pool` instead of an address makes it a pool's; status is active."""
    address = {"mode": "pool", "pool": pool} if pool else {"mode": "static", "ipv4": ipv4}
    access = {"router": router} if server is None else {"router": router, "dhcp_server": server}
    block = {"status": "active", "access": access, "device": {"mac": mac}, "address": address}
    return {**block, **fields}


_OF_EVENT = frozenset({"revision", "source", "id_", "time", "customer_id", "effective_at"})


def _with_block(name: str, service_id: str, given: dict[str, Any]) -> dict[str, object]:
    of_event = {key: given.pop(key) for key in _OF_EVENT & given.keys()}
    return event(name, service_id, service=service_block(**given), **of_event)


def activated(service_id: str = "SVC-1", **given: Any) -> dict[str, object]:
    """Service may use the network; takes what `event` and `service_block` take."""
    return _with_block("activated", service_id, given)


def snapshot(service_id: str = "SVC-1", **given: Any) -> dict[str, object]:
    """The full state; takes what `event` and `service_block` take."""
    return _with_block("snapshot", service_id, given)


def mac_changed(
    service_id: str = "SVC-1", mac: str = mac(2), *, revision: int | None = 2, **given: Any
) -> dict[str, object]:
    """Another device."""
    return event("mac_changed", service_id, revision=revision, mac=mac, **given)


def address_changed(
    service_id: str = "SVC-1", *, revision: int | None = 2, **given: Any
) -> dict[str, object]:
    """Another address, or other IPv6."""
    return event("address_changed", service_id, revision=revision, **given)


def suspended(
    service_id: str = "SVC-1", mode: str | None = None, *, revision: int | None = 3, **given: Any
) -> dict[str, object]:
    """Suspended; without a mode the policy's."""
    suspension = None if mode is None else {"mode": mode}
    return event("suspended", service_id, revision=revision, suspension=suspension, **given)


def resumed(
    service_id: str = "SVC-1", *, revision: int | None = 4, **given: Any
) -> dict[str, object]:
    """No longer suspended."""
    return event("resumed", service_id, revision=revision, **given)


def cancelled(
    service_id: str = "SVC-1", *, revision: int | None = 5, **given: Any
) -> dict[str, object]:
    """The end."""
    return event("cancelled", service_id, revision=revision, **given)


def version_of(raw: Mapping[str, Any], *, order: str = "revisions", local: int = 0) -> Version:
    """The version of an event of a source that counts `revisions`, or goes by `times`."""
    if order == "revisions":
        return Version(1, raw["data"]["revision"], local, version_hash(raw))
    since_1970 = parse_time(raw["time"]) - datetime(1970, 1, 1, tzinfo=UTC)
    return Version(1, since_1970 // timedelta(microseconds=1), local, version_hash(raw))


def lease(  # noqa: PLR0913 - a row has as many fields
    id_: str,
    *,
    mac: str = mac(1),
    address: str = ipv4(10),
    server: str = "dhcp1",
    block_access: str = "no",
    client_id: str = "",
    comment: str = "",
    service_id: str | None = None,
    installation: str = "acme",
    dynamic: bool = False,
    disabled: bool = False,
    radius: bool = False,
) -> Lease:
    """A row; `service_id` puts our tag in front of the comment."""
    tag = "" if service_id is None else f"leasewire:{installation}:{service_id}"
    fields = {
        "mac-address": mac,
        "address": address,
        "server": server,
        "block-access": block_access,
        "client-id": client_id,
    }
    text = " ".join(part for part in (tag, comment) if part)
    return Lease(id_, fields, text, dynamic=dynamic, disabled=disabled, radius=radius)


def listed(  # noqa: PLR0913 - a row has as many fields
    id_: str,
    place: ListPlace,
    *,
    comment: str = "",
    service_id: str | None = None,
    installation: str = "acme",
    dynamic: bool = False,
    disabled: bool = False,
) -> ListedAddress:
    """A row of an address list; `service_id` puts our tag in front of the comment."""
    tag = "" if service_id is None else f"leasewire:{installation}:{service_id}"
    text = " ".join(part for part in (tag, comment) if part)
    return ListedAddress(id_, place._asdict(), text, dynamic=dynamic, disabled=disabled)


def option(id_: str, *, name: str, code: str = "6", value: str = "0x00") -> OptionRow:
    """A row of a DHCP option."""
    return OptionRow(id_, {"name": name, "code": code, "value": value, "force": "no"})
