"""Users of MikroTik's User Manager, which DHCP servers ask over RADIUS: one for each service.

What a device gets stands in the attributes of its user, one text for all of them. Its address and
its rate are read from there, so that the other parts find them; they are written with the text.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from worker.core.entry.entry import Entry, EntryKind, rate_of
from worker.core.entry.kinds.lease import suspending_row
from worker.core.policy.policy import RouterPolicy
from worker.core.rows import normal
from worker.core.rows.menus import Field, Menu
from worker.core.rows.operations import Waiting
from worker.core.rows.radius import (
    ADDRESS_LIST,
    FRAMED_ADDRESS,
    FRAMED_POOL,
    OPTION_SET,
    RATE_LIMIT,
    pairs,
)
from worker.core.rows.rows import ANY_SERVER, NO_ADDRESS, NO_MAC
from worker.core.service.record import ServiceRecord

_NO_OPTIONS: Final = (
    "options-not-managed",
    "a user has no DHCP options of its own: option_set and the DHCP network have them for all",
)
_NO_IPV6: Final = ("ipv6-not-managed", "a user for DHCP has no IPv6")
_WARNING: Final = (
    f"{ADDRESS_LIST} is documented for PPP and HotSpot, and for no DHCP server: no source says "
    "that a device gets into the list"
)


def _attributes(text: str) -> str:
    """Attributes by name, each once, with rates in normal form."""
    held = pairs(text)
    if RATE_LIMIT in held:
        held[RATE_LIMIT] = normal.rate_limit(held[RATE_LIMIT])
    return ",".join(f"{name}:{value}" for name, value in sorted(held.items()))


class UserManagerEntry(EntryKind):
    """A user per service, named by its MAC; a suspended one is disabled, listed or slow."""

    name = "user-manager"
    menu = Menu.of(
        "/user-manager/user",
        "MikroTik manual, CLI reference, user-manager/user",
        # as RADIUS asks for it: a name in small letters is of nobody
        Field("name", default=NO_MAC),
        Field("attributes", _attributes),
        Field("comment"),
        Field("disabled", normal.boolean, "no"),
    )
    names = {"mac-address": "name", "block-access": "disabled"}  # noqa: RUF012 - never written
    serves_others = True
    finds_by_address = False
    blocks_by_disabling = True
    absent_advice = "Install the package user-manager there, or correct `entries`"
    # assumed, as no source has the text
    stale = ("user with the same name already exists", "user with such name already exists")
    enable: ClassVar[Mapping[str, Mapping[str, str]]] = {"/user-manager": {"enabled": "yes"}}

    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """See `EntryKind`."""
        address, is_pool = str(record.address), record.has_pool
        # A list is joined with any address.
        how = suspending_row(record.value("suspension"), policy, own_address=True)
        fields = {
            "mac-address": record.device_in("mac-address") or NO_MAC,
            "address": address,
            "server": ANY_SERVER,
            "block-access": "yes" if how.mode == "block" else "no",
        }
        missing = None
        attributes = {FRAMED_POOL if is_pool else FRAMED_ADDRESS: address}
        if is_pool and "," in address:
            detail = f"a comma ends an attribute of User Manager: rename the pool {address}"
            missing = Waiting("not-expressible", detail)
        if "rate-limit" in policy.managed:
            rate = policy.throttle if how.mode == "throttle" else rate_of(record, policy)
            if isinstance(rate, Waiting):
                missing = missing or rate
            else:
                fields["rate-limit"] = rate
                attributes |= {RATE_LIMIT: rate} if rate else {}
        if listed := policy.suspend_list if how.mode == "walled_garden" else policy.address_lists:
            attributes[ADDRESS_LIST] = listed.partition(",")[0]
        if policy.option_set and "dhcp-option" in policy.managed:
            attributes[OPTION_SET] = policy.option_set
        text = ",".join(f"{name}:{value}" for name, value in attributes.items())
        return Entry(
            record.service_id,
            {**fields, "attributes": _attributes(text)},
            record.label if policy.label else "",
            missing=missing,
            notes=tuple(_left_out(record, policy, how.note)),
            is_pool=is_pool,
        )

    def warning(self, policy: RouterPolicy) -> str:
        """See `EntryKind`."""
        return _WARNING if policy.suspend_list or policy.address_lists else ""

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        held = pairs(values["attributes"])
        return {
            "mac-address": values["name"],
            "address": held.get(FRAMED_ADDRESS) or held.get(FRAMED_POOL) or NO_ADDRESS,
            "server": ANY_SERVER,
            "rate-limit": held.get(RATE_LIMIT, ""),
            "attributes": values["attributes"],
        }

    def own_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        own = super().own_fields(fields)
        if "address" in fields:  # alone it is that of a row that gives up its own for a moment
            return {"attributes": f"{FRAMED_ADDRESS}:{fields['address']}", **own}
        return own


def _left_out(
    record: ServiceRecord, policy: RouterPolicy, suspended: tuple[str, str] | None
) -> Iterator[tuple[str, str]]:
    """What a person should know of a user: what of its service it does not have."""
    if suspended is not None:
        yield suspended
    if record.value("dns_servers") or record.value("options"):
        yield _NO_OPTIONS
    if record.value("ipv6"):
        yield _NO_IPV6
    if "," in policy.address_lists:
        yield (
            "lists-not-managed",
            f"one {ADDRESS_LIST} a user: only the first of address_lists is sent",
        )
