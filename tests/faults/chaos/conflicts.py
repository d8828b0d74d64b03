"""Who may wait for whom, where services share MACs and addresses by design."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.faults.chaos.rest import Resting
from tests.faults.expected import places_of, row_of
from worker.core.entry.entry import Claim, Entry
from worker.core.rows.rows import device_of, is_host_address, scopes_meet

_Row = Mapping[str, str]
_HELD = re.compile(r"(?:^|; )(.+?) is held by (?:service (\S+) \(|a service of another source)")
"""A key, and its holder where the words name it: they do not name who belongs to another source."""


@dataclass
class Conflicting(Resting):
    """A scene whose services may wait for each other."""

    def conflicts(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Services that neither have what they want nor wait for one that has it."""
        found = []
        for router, entries in self.expected(events).items():
            kind = self.kind_of(router)
            rows = {service: row_of(entry, kind) for service, entry in entries.items()}
            wants = {each: rows[each] or entry.reserved or {} for each, entry in entries.items()}
            have, waiting = self.own_rows(router), self.store.views.router_waiting(router)
            # who is suspended by having no row has what it reserves
            reserved = {each: [wants[each]] for each, row in rows.items() if row is None}
            lists = self.own_lists(router)
            holders = self._holders(router, entries, waiting)
            all_want = _by_service({name: [want] for name, want in wants.items()})
            all_have = _by_service(have | reserved)
            for name in sorted(wants.keys() | have.keys() | lists.keys()):
                service, want, got = _service_of(name), rows.get(name), have.get(name, [])
                listed = lists.get(name, [])
                if got == ([want] if want else []) and listed == places_of(entries.get(name)):
                    self.counts["services in sync"] += 1
                    continue
                if not _waits_rightly(service, all_want, all_have, holders):
                    notified, why = holders.get(service, ()), waiting.get(service)
                    of_holders = {
                        e: (all_want.get(e), all_have.get(e), waiting.get(e)) for e in notified
                    }
                    found.append(
                        f"{router} {name}: wanted {want}, found {got} and in lists {listed}, "
                        f"said {why}; holders want, have and say {of_holders}"
                    )
                self.counts["services that wait for a holder"] += 1
            found += self.changed_foreign_rows(router)
        return found

    def _holders(
        self,
        router: str,
        entries: Mapping[str, Entry],
        waiting: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, frozenset[str]]:
        """By the store, who holds what each service waits for; only of those told so truly."""
        claims = self.store.claims.at(router)
        wanted: dict[str, set[Claim]] = {}
        for name, entry in entries.items():
            wanted.setdefault(_service_of(name), set()).update(entry.claims)
        found = {}
        for service, why in waiting.items():
            wants = wanted.get(service, set())
            held = [
                (each.key, each.holder)
                for each in claims
                if each.is_held
                and service in each.waiters
                and each.holder != service
                and any(key == each.key and scopes_meet(scope, each.scope) for key, scope in wants)
            ]
            if why["reason"] == "claim-held" and _is_told(why["detail"], held):
                found[service] = frozenset(holder for _, holder in held)
        return found


def _is_told(detail: str, held: Sequence[tuple[str, str]]) -> bool:
    """Whether the words tell of keys that are held, and name nobody but who holds them."""
    notified = _HELD.findall(detail)
    return bool(notified) and all(
        any(key == its_key and name in ("", holder) for its_key, holder in held)
        for key, name in notified
    )


def _service_of(name: str) -> str:
    return name.partition("/")[0]


def _by_service(rows: Mapping[str, Sequence[_Row]]) -> dict[str, list[list[_Row]]]:
    """Service -> the rows of each of its devices that has any."""
    found: dict[str, list[list[_Row]]] = {}
    for name, of_device in rows.items():
        if of_device:
            found.setdefault(_service_of(name), []).append([*of_device])
    return found


def _waits_rightly(
    service: str,
    wants: Mapping[str, Sequence[Sequence[_Row]]],
    have: Mapping[str, Sequence[Sequence[_Row]]],
    holders: Mapping[str, frozenset[str]],
    asked: frozenset[str] = frozenset(),
) -> bool:
    """Whether a service waits for holders who want what it wants, and each of them has it.

    A holder that waits for another itself keeps the row that it has. One that has none yet keeps
    the claim that it was granted and still wants (`tests/store/claims_model.py`): then the chain
    goes on, and must end at services that have their rows.
    """
    asked |= {service}
    wanted = wants.get(service, ())
    return bool(holders.get(service)) and all(
        _meet(wanted, wants.get(each, ()))
        and (
            (_meet(wanted, rows := have.get(each, ())) and all(len(row) == 1 for row in rows))
            or (
                not have.get(each)
                and each not in asked
                and _waits_rightly(each, wants, have, holders, asked)
            )
        )
        for each in holders[service]
    )


def _meet(some: Sequence[Sequence[_Row]], others: Sequence[Sequence[_Row]]) -> bool:
    """Whether any device of one service wants or has what any of another does."""
    of_others = list(chain(*others))
    return any(_meets(one, other) for one in chain(*some) for other in of_others)


def _meets(one: _Row, other: _Row) -> bool:
    if not one or not other:
        return False
    same_device = device_of(one) == device_of(other)
    same_address = one["address"] == other["address"] and is_host_address(one["address"])
    return same_address or (same_device and scopes_meet(one["server"], other["server"]))
