"""What the device of a service does, judged by the rows that a router shows.

A device moves at its next request, within the lease time; nothing here promises more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from worker.core.diagnosis.facts import AtRouter, Facts
from worker.core.entry.wanted import KINDS
from worker.core.rows.observed import Observation, SeenRow
from worker.core.rows.ownership import parse_tag
from worker.core.rows.rows import is_host_address

When = Callable[[int], str]
"""Writes a moment (ms since 1970) for a person."""


class Judgement(NamedTuple):
    """A word for programs, words for people, advice; all empty: nothing to say."""

    code: str = ""
    message: str = ""
    advice: str = ""


def judge_row(facts: Facts, at: AtRouter) -> Judgement:
    """Whether the router shows the row that was written there, or would be."""
    if at.seen is None or at.wants is None:
        return Judgement()
    rows = own_rows(facts, at.seen)
    if at.observed:
        return _judge_observed(facts, at, at.wants, rows)
    advice = f"`leasewire plan {at.name}` shows what is to be written"
    if not rows:
        after = ", though it was written and read back: somebody removed it, or the router"
        message = f"router {at.name} has no row of it{after if at.written else ' yet'}"
        return Judgement("row-missing", message, advice)
    if any(each.lease.disabled for each in rows):
        message = f"its row on router {at.name} was switched off by hand"
        return Judgement("row-disabled", message, f"enable it there; {advice}")
    differing = [
        f"{name} is {found}, not {value}" for name, found, value in _differing(rows, at.wants)
    ]
    if differing:
        message = f"its row on router {at.name} was changed by hand: {', '.join(differing)}"
        return Judgement("row-differs", message, advice)
    return Judgement()


def judge_address(at: AtRouter) -> Judgement:
    """Whether a device could use the address at all, which RouterOS does not ask."""
    if at.misfit is None:
        return Judgement()
    message = f"{at.misfit.detail} ({at.name}): no device can use it"
    advice = "have the BSS send another address, or add its network in /ip/dhcp-server/network"
    return Judgement(at.misfit.kind, message, advice)


def _judge_observed(
    facts: Facts, at: AtRouter, wants: Mapping[str, str], rows: Sequence[SeenRow]
) -> Judgement:
    """Where nothing is written, nobody undid it either."""
    advice = f"`leasewire plan {at.name}` shows what would be written there, or what is in the way"
    message = f"router {at.name} is only observed"
    if not rows:
        service, row = facts.record.service_id, f"{wants['address']} for {wants['mac-address']}"
        message = f"{message}, and has no row with the tag of {service} ({row})"
        return Judgement("observed-differs", message, advice)
    differing = [
        f"{name} is {found}, and would be set to {value}"
        for name, found, value in _differing(rows, wants)
    ]
    differing += ["its row is switched off"] if any(each.lease.disabled for each in rows) else []
    if differing:
        return Judgement("observed-differs", f"{message}: {', '.join(differing)}", advice)
    return Judgement()


def _differing(rows: Iterable[SeenRow], wants: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Field, as it is, as it is to be."""
    for row in rows:
        for name, value in wants.items():
            if name in row.lease.fields and row.lease.fields[name] != value:
                yield name, row.lease.fields[name], value


def judge_device(facts: Facts, at: AtRouter, when: When) -> Judgement:
    """Whether the device is bound to the row, and to what else where it is not."""
    if at.seen is None or at.wants is None or not KINDS[at.seen.entries].shows_devices:
        return Judgement()
    look = _Look(facts, at, at.wants, at.seen, own_rows(facts, at.seen), when)
    judges = (_bound, _old_lease, _former_device, _address_in_use)
    for judge in (_bound_where_observed,) if at.observed else judges:
        found = judge(look)
        if found.code:
            return found
    return _silent(look)


def until_renewed(facts: Facts, at: AtRouter, when: When) -> str:
    """By when a bound device asks again, for what acts only then; empty where it is not bound."""
    rows = own_rows(facts, at.seen) if at.seen is not None else []
    ends = [row.expires_in_s for row in rows if row.active_mac and row.expires_in_s]
    return when(facts.now_ms + max(ends) * 1000) if ends else ""


class _Look(NamedTuple):
    facts: Facts
    at: AtRouter
    wants: Mapping[str, str]
    seen: Observation
    own: list[SeenRow]
    when: When

    @property
    def mac(self) -> str:
        return self.wants["mac-address"]

    @property
    def address(self) -> str:
        return self.wants["address"]

    def held(self) -> list[SeenRow]:
        """What the device holds."""
        return [row for row in self.seen.rows if row.active_mac == self.mac and row.active_address]

    def ends(self, row: SeenRow) -> str:
        """When a hold ends at the latest; empty where that is not known."""
        left_s = row.expires_in_s or self.lease_time_s(row)
        return self.when(self.facts.now_ms + left_s * 1000) if left_s else ""

    def lease_time_s(self, row: SeenRow) -> int:
        server = row.lease.server
        return row.lease_time_s or self.seen.lease_times_s.get(server, 0)

    def moves(self, message: str, row: SeenRow) -> str:
        """That this ends with the device's next request, and by when where that is known."""
        ends = self.ends(row)
        until = f" until {ends} at the latest" if ends else ""
        return f"{message}{until}: it moves at its next request, within the lease time"


def _bound(look: _Look) -> Judgement:
    for row in look.held():
        if row in look.own and (
            row.active_address == look.address or not is_host_address(look.address)
        ):
            ends = f", until {look.ends(row)} if it does not renew" if look.ends(row) else ""
            message = f"device {look.mac} has {row.active_address} on router {look.at.name}{ends}"
            return Judgement("all-well", f"all is well: {message}")
    return Judgement()


def _bound_where_observed(look: _Look) -> Judgement:
    """With whosever row; nothing that is written will move it."""
    for row in look.held():
        message = f"device {look.mac} has {row.active_address} on router {look.at.name}"
        if row.active_address == look.address or (
            row in look.own and not is_host_address(look.address)
        ):
            return Judgement("all-well", f"all is well: {message}, which is only observed")
        return Judgement("observed-differs", f"{message}, which is only observed")
    return Judgement()


def _old_lease(look: _Look) -> Judgement:
    for row in look.held():
        message = f"its device {look.mac} is still on its old lease {row.active_address}"
        return Judgement("old-lease", look.moves(message, row))
    return Judgement()


def _former_device(look: _Look) -> Judgement:
    for row in look.own:
        if row.active_mac and row.active_mac != look.mac:
            message = f"its row is still held by the former device {row.active_mac}"
            return Judgement(
                "former-device",
                look.moves(message, row),
                f"is the new device {look.mac} connected?",
            )
    return Judgement()


def _address_in_use(look: _Look) -> Judgement:
    for row in look.seen.rows:
        if is_host_address(look.address) and row.active_address == look.address:
            message = f"its address {look.address} is still used by device {row.active_mac}"
            return Judgement("address-in-use", look.moves(message, row))
    return Judgement()


def _silent(look: _Look) -> Judgement:
    """Nobody holds the row; a lease that the router no longer shows may still run."""
    if not look.own:
        message = f"its device {look.mac} holds no lease on router {look.at.name}, nor has it a row"
        return Judgement("no-row", f"{message} there")
    lease = look.own[0].lease
    stands = f"router {look.at.name} has its row ({lease.address} for {lease.mac})"
    since = look.at.written_at_ms
    runs_s = max((look.lease_time_s(row) for row in look.own), default=0)
    ends_ms = since + runs_s * 1000
    advice = "look at the device: power, cable, its MAC address, its VLAN"
    if since and runs_s and ends_ms > look.facts.now_ms:
        return Judgement(
            "device-not-moved",
            f"{stands} since {look.when(since)}, and the device has not asked for it yet: it may "
            f"be on an older lease until {look.when(ends_ms)} at the latest",
        )
    asked = any(row.last_seen_s is not None for row in look.own)
    message = "holds no lease now" if asked else "has never asked for an address"
    return Judgement("device-silent", f"{stands}, but the device {message}", advice)


def own_rows(facts: Facts, seen: Observation) -> list[SeenRow]:
    """The static rows with the service's tag."""
    found = []
    for row in seen.rows:
        tag = parse_tag(row.lease.comment)
        if tag is not None and not row.lease.dynamic and tag.installation == facts.installation:
            found += [row] if tag.service_id == facts.record.service_id else []
    return found
