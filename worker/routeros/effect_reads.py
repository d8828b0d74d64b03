"""What decides whether changes act, as words of the API: queues, lists, ARP entries, pools."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from worker.core.effect.reading import EffectReading, SeenBinding, SeenQueue, networks_of
from worker.core.rows.normal import YES, host, mac, prefix6, rate_limit, seconds
from worker.core.rows.rows import ADDRESS_LISTS, ADDRESS_LISTS6, BINDINGS, ListPlace
from worker.ports import EffectQuery
from worker.routeros.commands import Command, Reply
from worker.routeros.rows import any_of

_ARP: Final = "address,mac-address,status,disabled"
_LISTED: Final = "list,address,disabled"
_BINDING: Final = "address,status,last-seen,expires-after,disabled"
_INCOMPLETE: Final = frozenset({"incomplete", "failed"})


def effect_prints(query: EffectQuery) -> dict[str, Command]:
    """Return the prints of what a query asks for, by what they read."""
    queues = [f"?=target={address}{end}" for address in query.queues for end in ("/32", "")]
    queues += _terms("target", query.targets)
    listed = [address for address in query.listed if ":" not in address]
    listed6 = _spelled("address", [address for address in query.listed if ":" in address])
    bindings = _spelled("address", query.bindings)
    arp = [f"?={'mac-address' if ':' in value else 'address'}={value}" for value in query.arp]
    prints = {
        "queues": _print("/queue/simple", "name,target,max-limit,dynamic,disabled", queues),
        "listed": _print(ADDRESS_LISTS, _LISTED, _terms("address", listed)),
        "listed6": _print(ADDRESS_LISTS6, _LISTED, listed6),
        "garden": _print(ADDRESS_LISTS, _LISTED, _terms("list", query.gardens)),
        "garden6": _print(ADDRESS_LISTS6, _LISTED, _terms("list", query.gardens6)),
        "arp": _print("/ip/arp", _ARP, arp),
        "pools": _print("/ip/pool", "name,ranges", _terms("name", query.pools)),
        "bindings": _print(BINDINGS, _BINDING, bindings),
    }
    return {name: command for name, command in prints.items() if command}


def _terms(field: str, values: Collection[str]) -> list[str]:
    return [f"?={field}={value}" for value in values]


def _spelled(field: str, prefixes: Collection[str]) -> list[str]:
    """The terms for IPv6 prefixes; some versions show a single address without its length."""
    bare = [prefix.removesuffix("/128") for prefix in prefixes if prefix.endswith("/128")]
    return _terms(field, [*prefixes, *bare])


def _print(menu: str, fields: str, terms: Sequence[str]) -> Command:
    if not terms:
        return ()
    return (f"{menu}/print", f"=.proplist=.id,{fields}", *any_of(list(terms)))


def effect_reading(answers: Mapping[str, Reply]) -> EffectReading:
    """Understand the answers to those prints, by what they read; what was refused is None."""
    queues, garden, garden6, arp, pools, bindings = (
        _rows(answers.get(name))
        for name in ("queues", "garden", "garden6", "arp", "pools", "bindings")
    )
    lists = [_rows(answers[name]) for name in ("listed", "listed6") if name in answers]
    listed = [row for rows in lists for row in rows or ()]
    gardens = [*(garden or ()), *(garden6 or ())]
    return EffectReading(
        queues=None if queues is None else [queue for row in queues for queue in _queues(row)],
        listed=frozenset(map(_place, listed)) if lists and None not in lists else None,
        garden=[net for row in gardens for net in networks_of(row.get("address", ""))],
        arp=None if arp is None else _macs(arp),
        pools={row.get("name", ""): networks_of(row.get("ranges", "")) for row in pools or ()},
        bindings=None if bindings is None else [_binding(row) for row in bindings],
    )


def _rows(reply: Reply | None) -> list[Mapping[str, str]] | None:
    """The enabled rows; None: not asked for, or refused."""
    if reply is None or reply.traps:
        return None
    return [row for row in reply.rows if row.get("disabled") not in YES]


def _queues(row: Mapping[str, str]) -> Iterator[SeenQueue]:
    limit, name = rate_limit(row.get("max-limit", "")), row.get("name", "")
    for target in row.get("target", "").split(","):
        yield SeenQueue(name, prefix6(host(target)), limit, row.get("dynamic") in YES)


def _place(row: Mapping[str, str]) -> ListPlace:
    return ListPlace(row.get("list", ""), prefix6(host(row.get("address", ""))))


def _binding(row: Mapping[str, str]) -> SeenBinding:
    return SeenBinding(
        prefix6(row.get("address", "")),
        row.get("status", ""),
        seconds(row.get("last-seen", "")),
        seconds(row.get("expires-after", "")),
    )


def _macs(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Address -> MAC of each complete ARP entry."""
    return {
        row.get("address", ""): mac(row["mac-address"])
        for row in rows
        if row.get("mac-address") and row.get("status") not in _INCOMPLETE
    }
