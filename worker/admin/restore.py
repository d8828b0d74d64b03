"""Restores a cancelled service as it was."""

from collections.abc import Mapping
from typing import Any

from worker.core.entry.devices import as_service
from worker.core.entry.entry import Claim
from worker.core.entry.wanted import kind_of, with_rows_at
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.prefixes import prefix_key
from worker.core.rows.rows import ANY_SERVER, DEVICE_FIELDS, OPTION_82
from worker.core.service.record import ServiceRecord
from worker.core.service.restoring import restoring_event
from worker.errors import NotPossible
from worker.inventory import CLI_SOURCE
from worker.store.claims import HeldClaim
from worker.store.store import Store


def restored(
    store: Store, policies: Mapping[str, RouterPolicy], service_id: str, actor: str
) -> dict[str, object]:
    """Return the event that restores a service; without id and time.

    Raises:
        NotPossible: it is not cancelled, its router is unknown, or another service has its
            MAC or its address now.
    """
    record = with_rows_at(store.records.read([service_id])[service_id].record, policies)
    router = record.row_router
    if record.status == "incomplete" or router is None:
        raise NotPossible(f"No service {service_id} was ever active.")
    if record.status != "cancelled":
        raise NotPossible(f"Service {service_id} is not cancelled, but {record.status}.")
    policy = policies.get(router)
    if policy is None:
        raise NotPossible(f"Its router {router} is not in the inventory.")
    taken = holders(store, record, router, policy)
    if taken:
        others = store.records.read([claim.holder for claim in taken])
        message = "; ".join(
            f"{claim.text} is held by service {claim.holder} ({others[claim.holder].record.status})"
            for claim in taken
        )
        raise NotPossible(f"Nothing was done: on router {router} {message}.")
    return restoring_event(record, source=CLI_SOURCE, actor=actor, reason="restored")


def holders(
    store: Store, record: ServiceRecord, router: str, policy: RouterPolicy
) -> list[HeldClaim]:
    """The claims of other services for what a service needs on its router.

    Its device, and its fixed address and prefix: instead of an assigned one it could get another.
    """
    scope = str(record.value("dhcp_server") or policy.default_server)
    by_ids = policy.identify_by == "option-82" and record.device_in(OPTION_82)
    named_by = OPTION_82 if by_ids else kind_of(policy).device
    wants = []
    for device in (record, *(as_service(record, number) for number in record.devices)):
        wants.append(Claim(f"{DEVICE_FIELDS[named_by]}:{device.device_in(named_by)}", scope))
        address: Any = device.value("address")
        if address and address["mode"] == "static":
            wants.append(Claim(f"address:{address['ipv4']}", ANY_SERVER))
    ipv6: Any = record.value("ipv6") or {"prefix": {"mode": ""}, "address": None}
    fixed = [ipv6["prefix"]["ipv6"]] if ipv6["prefix"]["mode"] == "static" else []
    fixed += [ipv6["address"]] if ipv6["address"] else []
    wants += [Claim(prefix_key(value), ANY_SERVER) for value in fixed]
    return store.claims.of_others(router, record.service_id, wants)
