"""What decides whether changes act, as words of the API: queues, lists, ARP entries, pools."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from worker.core.effect.reading import EffectReading, SeenQueue, networks_of
from worker.core.rows.normal import host, mac, rate_limit
from worker.core.rows.rows import ListPlace
from worker.ports import EffectQuery
from worker.routeros.connection import Command, Reply
from worker.routeros.rows import any_of

_YES: Final = frozenset({"true", "yes"})
_ARP: Final = "address,mac-address,status,disabled"
_INCOMPLETE: Final = frozenset({"incomplete", "failed"})


_LISTS: Final = "/ip/firewall/address-list"


def effect_prints(query: EffectQuery) -> dict[str, Command]:
    """Return the prints of what a query asks for, by what they read."""
    queues = [f"?=target={address}{end}" for address in query.queues for end in ("/32", "")]
    prints = {
        "queues": _print("/queue/simple", "name,target,max-limit,dynamic,disabled", queues),
        "listed": _print(_LISTS, "list,address,disabled", _terms("address", query.listed)),
        "garden": _print(_LISTS, "list,address,disabled", _terms("list", query.gardens)),
        "arp": _print("/ip/arp", _ARP, _terms("mac-address", query.arp)),
        "pools": _print("/ip/pool", "name,ranges", _terms("name", query.pools)),
    }
    return {name: command for name, command in prints.items() if command}


def _terms(field: str, values: Collection[str]) -> list[str]:
    return [f"?={field}={value}" for value in values]


def _print(menu: str, fields: str, terms: Sequence[str]) -> Command:
    if not terms:
        return ()
    return (f"{menu}/print", f"=.proplist=.id,{fields}", *any_of(list(terms)))


def effect_reading(answers: Mapping[str, Reply]) -> EffectReading:
    """Understand the answers to those prints, by what they read; what was refused is None."""
    queues, listed, garden, arp, pools = (
        _rows(answers.get(name)) for name in ("queues", "listed", "garden", "arp", "pools")
    )
    return EffectReading(
        queues=None if queues is None else [_queue(row) for row in queues],
        listed=None if listed is None else frozenset(map(_place, listed)),
        garden=[net for row in garden or () for net in networks_of(row.get("address", ""))],
        arp=None if arp is None else _macs(arp),
        pools={row.get("name", ""): networks_of(row.get("ranges", "")) for row in pools or ()},
    )


def _rows(reply: Reply | None) -> list[Mapping[str, str]] | None:
    """The enabled rows; None: not asked for, or refused."""
    if reply is None or reply.traps:
        return None
    return [row for row in reply.rows if row.get("disabled") not in _YES]


def _queue(row: Mapping[str, str]) -> SeenQueue:
    limit = rate_limit(row.get("max-limit", ""))
    name, target = row.get("name", ""), host(row.get("target", ""))
    return SeenQueue(name, target, limit, row.get("dynamic") in _YES)


def _place(row: Mapping[str, str]) -> ListPlace:
    return ListPlace(row.get("list", ""), host(row.get("address", "")))


def _macs(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Address -> MAC of each complete ARP entry."""
    return {
        row.get("address", ""): mac(row["mac-address"])
        for row in rows
        if row.get("mac-address") and row.get("status") not in _INCOMPLETE
    }
