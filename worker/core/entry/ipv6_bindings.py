"""The IPv6 bindings that a service should have, and its place in the list of suspended ones."""

from collections.abc import Iterable
from typing import Any

from worker.core.policy.policy import RouterPolicy, SuspendMode
from worker.core.rows.bindings import IS_ADDRESS, IS_PREFIX, OwnBinding
from worker.core.rows.normal import duid, prefix6
from worker.core.rows.rows import NO_MAC, ListPlace
from worker.core.service.record import ServiceRecord


def wanted_bindings(record: ServiceRecord, policy: RouterPolicy) -> tuple[OwnBinding, ...]:
    """Return the bindings without their rate: of its prefix, and of its address if it has one.

    An assigned prefix that is not known yet has no binding.
    """
    ipv6: Any = record.value("ipv6")
    if ipv6 is None:
        return ()
    stated, iaid = record.value("duid"), record.value("iaid")
    binding = OwnBinding(
        IS_PREFIX,
        record.prefix or "",
        policy.ipv6_server,
        "" if stated is None else duid(str(stated)),
        "" if iaid is None else str(iaid),
        str(record.value("mac") or NO_MAC) if stated is None or iaid is None else "",
        lists=policy.address_lists if "address-lists" in policy.managed else None,
        options=policy.ipv6_options or None,
        life_time=policy.ipv6_life_time or None,
    )
    bindings = [binding] if binding.address else []
    if ipv6["address"]:
        bindings.append(binding._replace(ia=IS_ADDRESS, address=prefix6(ipv6["address"])))
    return tuple(bindings)


def prefixes_of(record: ServiceRecord) -> frozenset[str]:
    """Return the prefix of a service, and its IPv6 address as a /128, in normal form."""
    ipv6: Any = record.value("ipv6")
    known = (record.prefix, ipv6 and ipv6["address"])
    return frozenset(prefix6(value) for value in known if value)


def suspended_places(
    bindings: Iterable[OwnBinding], mode: SuspendMode | None, policy: RouterPolicy
) -> frozenset[ListPlace]:
    """Return where the prefixes of a service are listed while it is suspended.

    Its bindings stay: without them its device could get a prefix that is in no list.
    """
    if mode not in ("block", "walled_garden"):
        return frozenset()
    return frozenset(ListPlace(policy.ipv6_list, binding.address) for binding in bindings)
