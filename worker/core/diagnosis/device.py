"""Judges what the device of a service does, by the rows that its router shows.

A device moves at its next request, within the lease time; nothing here promises more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from worker.core.diagnosis.facts import AtRouter, Explanation, Facts, When
from worker.core.entry.wanted import KINDS
from worker.core.rows.observed import Observation, SeenRow
from worker.core.rows.operations import shown
from worker.core.rows.rows import device_of, is_host_address


def judge_row(facts: Facts, at: AtRouter) -> Explanation | None:
    """Return what is wrong with the row on the router; None: it is as wanted, or was not read."""
    if at.seen is None or at.wants is None:
        return None
    rows = own_rows(facts, at.seen)
    if at.observed:
        return _judge_observed(facts, at, at.wants, rows)
    advice = f"`leasewire plan {at.name}` shows what will be written"
    if not rows:
        after = ": it was written and confirmed, then removed by hand or lost by the router"
        sentence = f"router {at.name} has no row for it{after if at.written else ' yet'}"
        return Explanation("row-missing", sentence, advice)
    if any(row.lease.disabled for row in rows):
        sentence = f"its row on router {at.name} was disabled by hand"
        return Explanation("row-disabled", sentence, f"enable it there; {advice}")
    differing = [
        f"{name} is {found}, not {value}" for name, found, value in _differing(rows, at.wants)
    ]
    if differing:
        sentence = f"its row on router {at.name} was changed by hand: {', '.join(differing)}"
        return Explanation("row-differs", sentence, advice)
    return None


def judge_address(at: AtRouter) -> Explanation | None:
    """Return why no device can use the address, which RouterOS does not check; None: one can."""
    if at.misfit is None:
        return None
    sentence = f"{at.misfit.detail} ({at.name}): no device can use it"
    advice = "have the BSS send another address, or add its network in /ip/dhcp-server/network"
    return Explanation(at.misfit.kind, sentence, advice)


def _judge_observed(
    facts: Facts, at: AtRouter, wants: Mapping[str, str], rows: Sequence[SeenRow]
) -> Explanation | None:
    """As `judge_row`, where we write nothing, so that nobody can have undone it."""
    advice = f"`leasewire plan {at.name}` shows what would be written, or what blocks it"
    sentence = f"router {at.name} is in observe mode"
    if not rows:
        service, row = facts.record.service_id, f"{wants['address']} for {device_of(wants)}"
        sentence = f"{sentence} and has no row with the tag of {service} ({row})"
        return Explanation("observed-differs", sentence, advice)
    differing = [
        f"{name} is {found} and would become {value}"
        for name, found, value in _differing(rows, wants)
    ]
    differing += ["its row is disabled"] if any(row.lease.disabled for row in rows) else []
    if differing:
        return Explanation("observed-differs", f"{sentence}: {', '.join(differing)}", advice)
    return None


def _differing(rows: Iterable[SeenRow], wants: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each field that differs, as it is, as it should be."""
    for row in rows:
        for name, value in wants.items():
            if name in row.lease.fields and row.lease.fields[name] != value:
                yield name, shown(row.lease.fields[name]), shown(value)


def judge_device(facts: Facts, at: AtRouter, when: When) -> Explanation | None:
    """Return whether the device is bound to the row, or to what; None: the router cannot tell."""
    if at.seen is None or at.wants is None or not KINDS[at.seen.entries].shows_devices:
        return None
    view = _View(facts, at, at.wants, at.seen, own_rows(facts, at.seen), when)
    judges = (_bound, _old_lease, _former_device, _address_in_use)
    for judge in (_bound_where_observed,) if at.observed else judges:
        found = judge(view)
        if found is not None:
            return found
    return _silent(view)


def until_renewed(facts: Facts, at: AtRouter, when: When) -> str:
    """Return by when a bound device asks again; empty where it is not bound."""
    rows = own_rows(facts, at.seen) if at.seen is not None else []
    ends = [row.expires_in_s for row in rows if row.active_mac and row.expires_in_s]
    return when(facts.now_ms + max(ends) * 1000) if ends else ""


class _View(NamedTuple):
    """A router's rows, from the service's side: `own` are its rows."""

    facts: Facts
    at: AtRouter
    wants: Mapping[str, str]
    seen: Observation
    own: list[SeenRow]
    when: When

    @property
    def mac(self) -> str:
        return device_of(self.wants)

    @property
    def address(self) -> str:
        return self.wants["address"]

    def held(self) -> list[SeenRow]:
        """The rows that the device is bound to."""
        return [row for row in self.seen.rows if row.is_held_by(self.mac) and row.active_address]

    def holder(self, row: SeenRow) -> str:
        """The device that holds a row, and by what it is known if that is not its MAC."""
        by_ids = row.active_ids == self.mac
        return f"{row.active_mac} at {self.mac}" if by_ids else row.active_mac

    def ends(self, row: SeenRow) -> str:
        """When a binding ends at the latest; empty where that is not known."""
        left_s = row.expires_in_s or self.lease_time_s(row)
        return self.when(self.facts.now_ms + left_s * 1000) if left_s else ""

    def lease_time_s(self, row: SeenRow) -> int:
        server = row.lease.server
        return row.lease_time_s or self.seen.lease_times_s.get(server, 0)

    def moves(self, sentence: str, row: SeenRow) -> str:
        """Add by when the device moves, where that is known."""
        ends = self.ends(row)
        until = f" until {ends} at the latest" if ends else ""
        return f"{sentence}{until}: it moves at its next request, within the lease time"


def _bound(view: _View) -> Explanation | None:
    for row in view.held():
        if row in view.own and (
            row.active_address == view.address or not is_host_address(view.address)
        ):
            ends = f", until {view.ends(row)} if it does not renew" if view.ends(row) else ""
            device = f"device {view.holder(row)}"
            sentence = f"{device} has {row.active_address} on router {view.at.name}{ends}"
            return Explanation("all-well", f"all is well: {sentence}")
    return None


def _bound_where_observed(view: _View) -> Explanation | None:
    """By anybody's row, as nothing will be written that moves the device."""
    for row in view.held():
        device = f"device {view.holder(row)}"
        sentence = f"{device} has {row.active_address} on router {view.at.name}"
        sentence += ", which is in observe mode"
        if row.active_address == view.address or (
            row in view.own and not is_host_address(view.address)
        ):
            return Explanation("all-well", f"all is well: {sentence}")
        return Explanation("observed-differs", sentence)
    return None


def _old_lease(view: _View) -> Explanation | None:
    for row in view.held():
        sentence = f"its device {view.holder(row)} still uses its old lease {row.active_address}"
        return Explanation("old-lease", view.moves(sentence, row))
    return None


def _former_device(view: _View) -> Explanation | None:
    for row in view.own:
        if row.active_mac and not row.is_held_by(view.mac):
            sentence = f"its row is still used by the former device {row.active_mac}"
            advice = f"check that the new device {view.mac} is connected"
            return Explanation("former-device", view.moves(sentence, row), advice)
    return None


def _address_in_use(view: _View) -> Explanation | None:
    for row in view.seen.rows:
        if is_host_address(view.address) and row.active_address == view.address:
            sentence = f"its address {view.address} is still used by device {row.active_mac}"
            return Explanation("address-in-use", view.moves(sentence, row))
    return None


def _silent(view: _View) -> Explanation:
    """No device uses the row; a lease that the router no longer shows may still run."""
    if not view.own:
        sentence = f"router {view.at.name} has neither a row nor a lease of its device {view.mac}"
        return Explanation("no-row", sentence)
    lease = view.own[0].lease
    stands = f"router {view.at.name} has its row ({lease.address} for {lease.device})"
    since = view.at.written_at_ms
    runs_s = max((view.lease_time_s(row) for row in view.own), default=0)
    ends_ms = since + runs_s * 1000
    if since and runs_s and ends_ms > view.facts.now_ms:
        return Explanation(
            "device-not-moved",
            f"{stands} since {view.when(since)}, but the device has not asked for it yet: it may "
            f"use an older lease until {view.when(ends_ms)} at the latest",
        )
    asked = any(row.last_seen_s is not None for row in view.own)
    device = "has no lease now" if asked else "has never asked for an address"
    advice = "check the device: power, cable, its MAC address, its VLAN"
    return Explanation("device-silent", f"{stands}, but the device {device}", advice)


def own_rows(facts: Facts, seen: Observation) -> list[SeenRow]:
    """Return the static rows with the service's tag."""
    tagged = ((row, row.lease.own_tag(facts.installation)) for row in seen.rows)
    member = facts.record.service_id
    return [row for row, tag in tagged if tag is not None and tag.member == member]
