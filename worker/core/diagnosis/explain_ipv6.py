"""Answers "why has this customer no IPv6 prefix" in one sentence.

It is asked only where `explain.py` found nothing that keeps the whole service from its router.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.core.diagnosis.explain import explain_whole
from worker.core.diagnosis.facts import AtRouter, Explanation, Facts, When
from worker.core.diagnosis.waiting import ADVICE
from worker.core.plan.binding_clients import AMBIGUOUS, CHANGED, UNKNOWN, Client, client_of
from worker.core.rows.binding_index import BOUND, BindingIndex
from worker.core.rows.bindings import IS_PREFIX, OwnBinding
from worker.core.rows.observed import SeenIpv6, macs_of, shown_address
from worker.core.rows.rows import ANY_SERVER, NO_MAC, BindingRow

_STATE_IT: Final = "have the BSS state `duid` and `iaid` in `ipv6`"


def explain_ipv6(facts: Facts, when: When) -> Explanation | None:
    """Return why a service has no prefix or address of IPv6, or that all is well.

    None: it has no IPv6, or what keeps it from its router is the same as for IPv4.
    """
    at, service = facts.home, facts.record.service_id
    why = facts.record.unassigned.get("prefix")
    if at is None or not (at.bindings or why) or explain_whole(facts, when) is not None:
        return None
    if why is not None:
        advice = ADVICE.get(why.reason, "")
        return Explanation(why.reason, f"{service} waits for a prefix: {why.detail}", advice)
    found = _judge(facts, at, when)
    return found._replace(sentence=f"{service}: {found.sentence}")


def _judge(facts: Facts, at: AtRouter, when: When) -> Explanation:
    """Judge the wanted bindings: the first that is not well, else the first."""
    seen = None if at.seen is None else at.seen.ipv6
    if seen is None:
        return _not_asked(at)
    found = _judge_router(at, seen)
    if found is not None:
        return found
    judged = [_judge_binding(_Side.of(facts, at, seen, own, when)) for own in at.bindings]
    return next((answer for answer in judged if answer.code != "all-well"), judged[0])


def _judge_router(at: AtRouter, seen: SeenIpv6) -> Explanation | None:
    if seen.problem:
        return Explanation(
            "ipv6-not-on-router",
            f"router {at.name} shows no DHCPv6 bindings: {seen.problem}",
            "enable IPv6 and its DHCP server there (RouterOS 6: the package ipv6), or have the BSS "
            "leave out `ipv6`",
        )
    named = sorted({own.server for own in at.bindings} - {ANY_SERVER})
    add = "add it in /ipv6/dhcp-server, on the interface of its customers"
    for server in named:
        if server not in seen.servers:
            sentence = f"router {at.name} has no DHCPv6 server {server!r}"
            return Explanation("ipv6-no-server", sentence, add)
        if seen.servers[server]:
            sentence = f"DHCPv6 server {server!r} of router {at.name} is {seen.servers[server]}"
            return Explanation("ipv6-no-server", sentence, "correct or enable it there")
    if not named and all(seen.servers.values()):
        what = "no enabled DHCPv6 server" if seen.servers else "no DHCPv6 server"
        return Explanation("ipv6-no-server", f"router {at.name} has {what}", add)
    return None


class _Side(NamedTuple):
    """One wanted binding and what its router has for it.

    Attributes:
        own: its own static row; None: there is none.
        found: whose it is, by the rule of the passes.
    """

    facts: Facts
    at: AtRouter
    seen: SeenIpv6
    wants: OwnBinding
    own: BindingRow | None
    found: Client
    when: When

    @classmethod
    def of(
        cls, facts: Facts, at: AtRouter, seen: SeenIpv6, wants: OwnBinding, when: When
    ) -> "_Side":
        """Find its own row, and its client."""
        tagged = ((row, row.own_tag(facts.installation)) for row in seen.rows if row.ia == wants.ia)
        service = facts.record.service_id
        own = next(
            (row for row, tag in tagged if tag is not None and tag.service_id == service), None
        )
        noted = next((there for there in at.written_bindings if there.ia == wants.ia), None)
        found = client_of(wants, noted, own, BindingIndex(seen.rows))
        return cls(facts, at, seen, wants, own, found, when)

    @property
    def what(self) -> str:
        """What the device is to get."""
        kind = "prefix" if self.wants.ia == IS_PREFIX else "address"
        return f"{kind} {shown_address(self.wants.address)}"

    @property
    def plan(self) -> str:
        """Where to see what will be written."""
        return f"`leasewire plan {self.at.name}` shows what will be written"

    @property
    def held_by(self) -> BindingRow | None:
        """The row by which a client has the wanted prefix now."""
        rows = (row for row in self.seen.rows if row.address == self.wants.address)
        return next((row for row in rows if row.status == BOUND), None)


def _judge_binding(side: _Side) -> Explanation:
    found = _observed(side) or _unclear_client(side) or _found(side)
    if found is not None:
        return found
    own = side.own
    if own is None:
        return _missing(side)
    if own.disabled:
        sentence = f"its binding of {side.what} on router {side.at.name} was disabled by hand"
        return Explanation("binding-disabled", sentence, f"enable it there; {side.plan}")
    differing = list(_differing(own, side))
    if differing:
        where = f"its binding on router {side.at.name}"
        sentence = f"{where} was changed by hand: {', '.join(differing)}"
        return Explanation("binding-differs", sentence, side.plan)
    if own.status == BOUND:
        return Explanation("all-well", f"all is well: {_has(side, own)}")
    return _in_use(side) or _silent(side, own)


def _observed(side: _Side) -> Explanation | None:
    """Where we write nothing, so that nobody can have undone it."""
    if not side.at.observed:
        return None
    sentence = f"router {side.at.name} is in observe mode"
    if side.held_by is not None:
        return Explanation("all-well", f"{_has(side, side.held_by)}; {sentence}")
    if side.own is None:
        message = f"{sentence} and has no binding with its tag for {side.what}"
    else:
        differing = _differing(side.own, side)
        message = f"{sentence}, and no client uses {side.what}: {'; '.join(differing)}"
        message = message.removesuffix(": ")
    advice = f"`leasewire plan {side.at.name}` shows what would be written"
    return Explanation("observed-differs", message, advice)


def _unclear_client(side: _Side) -> Explanation | None:
    kind, detail = side.found.note or ("", "")
    if kind == AMBIGUOUS:
        sentence = f"router {side.at.name}: it cannot be told which DHCPv6 client is its device"
        advice = f"{_STATE_IT}, or remove the binding there that is not its own"
        return Explanation(AMBIGUOUS, f"{sentence}: {detail}", advice)
    if kind == CHANGED:
        advice = f"nothing, if the old client has gone: it is learned then. Else {_STATE_IT}"
        return Explanation(CHANGED, f"router {side.at.name}: {detail}", advice)
    if kind != UNKNOWN:
        return None
    return Explanation(
        UNKNOWN,
        f"no DHCPv6 client on router {side.at.name} is known to be its device {side.wants.mac}: "
        f"{side.what} is written when the device asks",
        "check that the device asks for a prefix (DHCPv6 with prefix delegation) on the link of "
        f"the DHCPv6 server. If its DUID has another MAC: {_STATE_IT}",
    )


def _found(side: _Side) -> Explanation | None:
    source = side.found.source
    if source is None:
        return None
    if side.own is not None:
        sentence = (
            f"its device asks with another DUID or IAID now: {_client(source)} instead of "
            f"{_client(side.own)}: it gets {side.what} again when this is learned"
        )
        return Explanation(CHANGED, sentence, side.plan)
    sentence = (
        f"its device ({_client(source)}) was found on router {side.at.name} with "
        f"{shown_address(source.address)} by a dynamic binding: it gets {side.what} when the "
        "binding is made static"
    )
    return Explanation("ipv6-client-found", sentence, side.plan)


def _missing(side: _Side) -> Explanation:
    written = any(own.ia == side.wants.ia and own.is_known for own in side.at.written_bindings)
    after = ": it was written and confirmed, then removed by hand or lost by the router"
    sentence = f"router {side.at.name} has no binding for {side.what}{after if written else ' yet'}"
    return Explanation("binding-missing", sentence, side.plan)


def _in_use(side: _Side) -> Explanation | None:
    row = side.held_by
    if row is None:
        return None
    ends = _ends(side, row)
    until = f" until {ends} at the latest" if ends else ""
    sentence = f"its {side.what} is used by another client ({_client(row)}){until}"
    advice = "" if row.dynamic else "remove or correct that binding on the router"
    return Explanation("prefix-in-use", sentence, advice)


def _silent(side: _Side, row: BindingRow) -> Explanation:
    if row.last_seen_s is None:
        asked = "its device has not asked for it yet"
    else:
        asked_at = side.when(side.facts.now_ms - row.last_seen_s * 1000)
        asked = f"its device has not renewed it since {asked_at}"
    sentence = (
        f"router {side.at.name} has its binding of {side.what} for {_client(row)}, but {asked}"
    )
    mac = (side.at.wants or {}).get("mac-address", NO_MAC)
    others = [other for other in side.seen.rows if other.dynamic and mac in macs_of(other)]
    if side.wants.is_known and others:
        sentence += f"; a device with its MAC asks as another client: {_client(others[0])}"
        advice = "have the BSS correct `duid` and `iaid` in `ipv6`, or leave them out"
        return Explanation("ipv6-client-silent", sentence, advice)
    return Explanation(
        "ipv6-client-silent",
        sentence,
        "check the device: power, cable, VLAN, and that it asks for a prefix (DHCPv6 with prefix "
        f"delegation). If it is another device now: {_STATE_IT}",
    )


def _not_asked(at: AtRouter) -> Explanation:
    """By what was written alone."""
    written = {own.ia for own in at.written_bindings if own.is_known}
    first = next((own for own in at.bindings if own.ia not in written), at.bindings[0])
    prefix = shown_address(first.address)
    if first.ia not in written:
        sentence = f"no binding of {prefix} was written to router {at.name} yet"
        sentence += "" if first.is_known else ": its device was not found there"
        return Explanation(UNKNOWN, sentence, "`leasewire why` without --offline reads the router")
    silence = f"; the router does not answer now: {at.silence}" if at.silence else ""
    return Explanation(
        "router-silent" if at.silence else "all-well",
        f"the binding of {prefix} on router {at.name} was written and confirmed{silence}",
        f"run `leasewire routers check {at.name}`" if at.silence else "",
    )


def _differing(row: BindingRow, side: _Side) -> Iterator[str]:
    """Describe each field that differs, as it is and as it should be."""
    wanted = {"address": side.wants.address, "server": side.wants.server}
    duid, iaid = side.found.binding.client
    for name, value in (wanted | {"duid": duid, "iaid": iaid}).items():
        found = row.fields.get(name, "")
        if value and found != value:
            yield f"{name} is {found or 'empty'}, not {value}"


def _has(side: _Side, row: BindingRow) -> str:
    ends = _ends(side, row)
    until = f", until {ends} if it does not renew" if ends else ""
    kind = "prefix" if side.wants.ia == IS_PREFIX else "address"
    return (
        f"its device ({_client(row)}) has {kind} {shown_address(row.address)} on router "
        f"{side.at.name}{until}"
    )


def _ends(side: _Side, row: BindingRow) -> str:
    return side.when(side.facts.now_ms + row.expires_in_s * 1000) if row.expires_in_s else ""


def _client(row: BindingRow) -> str:
    fields = row.fields
    sender = f", asks from {row.client_address}" if row.client_address else ""
    return f"DUID {fields['duid']}, IAID {fields['iaid']}{sender}"
