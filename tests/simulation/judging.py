"""Compares what routers hold at the end with what the oracle wants, and asks for each last word."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from contracts.identity import event_key
from tests.simulation.bss import BY_TIMES
from tests.simulation.bss_service import POOL
from tests.simulation.forms import ROWS, TAG, in_one_form, service_of
from tests.simulation.invariants import FINAL
from tests.simulation.inventory_side import POOL_RANGE
from tests.simulation.oracle import Wanted, wanted_rows
from tests.simulation.router_side import SimulatedRouter
from worker.store.store import Store


def is_refused(event: Mapping[str, Any]) -> bool:
    """Whether it is of a source to which the operator gave other services."""
    if "service_id" not in event["data"]:
        return False
    by_times: bool = event["source"] == BY_TIMES
    return by_times != event["data"]["service_id"].startswith("T-")


class Excepted(NamedTuple):
    """What need not be as events ask for it.

    Attributes:
        never: an address that routers refuse: whoever should have it may have what he had.
        left_alone: a list of an earlier policy, of which rows landed late, or Redis may have lost
            whose they are.
        unknown: services of whose rows nobody knows the last write.
        leaves_profiles: Redis lost its end, and a worker died: of a secret that is to have no
            profile nobody knows that it got one.
    """

    never: str
    left_alone: str
    unknown: Collection[str]
    leaves_profiles: bool


def differences(
    routers: Mapping[str, SimulatedRouter],
    events: Sequence[Mapping[str, Any]],
    features: Collection[str],
    excepted: Excepted,
) -> Iterator[str]:
    """What routers hold for services that is not what the events ask for.

    Args:
        routers: by name.
        events: that were said.
        features: of the history.
        excepted: what need not be so.
    """
    never, left_alone, unknown, leaves_profiles = excepted
    wanted = wanted_rows([each for each in events if not is_refused(each)], features)
    holders: dict[str, str] = {}
    for name, router in routers.items():
        want, have = wanted.get(name, {}), _found(router, never)
        for service in sorted(have.keys() | want.keys()):
            if service.partition("/")[0] in unknown:
                continue
            found = [_without(row, left_alone) for row in have.get(service, [])]
            found = [row for row in found if row != _NO_ROW]
            for row in found:
                if holders.setdefault(row.address, service) != service and _in_pool(row.address):
                    yield f"{name}: {service} and {holders[row.address]} have {row.address}"
            asked = [want[service]] if service in want else []
            if leaves_profiles and asked and _PLAIN in asked[0].login:
                found = [row._replace(login=_without_profile(row.login)) for row in found]
            if never and asked and asked[0].address == never:
                if len(found) > 1 or never in {row.address for row in found}:
                    yield f"{name} {service}: {never} is refused, found {found}"
                continue
            if [_by_pool(row) for row in found] != asked:
                yield f"{name} {service}: wanted {asked}, found {found}"


def without_last_word(store: Store, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Events of which nothing final was said; refused ones must be said to be so."""
    keys = {event_key(event["source"], event["id"]): event for event in events}
    said = {found.key: found.state for found in store.views.outcomes(list(keys))}
    committed = store.records.seen(list(keys), store.records.now_ms())
    for key, event in keys.items():
        if is_refused(event):
            if said.get(key) != "rejected":
                yield f"event {event['id']} is of a source that may not, and is {said.get(key)}"
        elif said.get(key) not in FINAL and not (key not in said and key in committed):
            yield f"event {event['id']} has no final outcome: {said.get(key)}"


def adopted(routers: Iterable[SimulatedRouter]) -> set[str]:
    """Services of rows with a text of a person behind the tag."""
    rows = [row for router in routers for row in router.rows(router.menu)]
    return {service_of(row) for row in rows if " " in row.get("comment", "").partition(TAG)[2]}


def rows_and_wishes(
    routers: Mapping[str, SimulatedRouter],
    events: Sequence[Mapping[str, Any]],
    features: Collection[str],
) -> Iterator[str]:
    """What routers hold, and what they should, to be told."""
    wanted = wanted_rows([each for each in events if not is_refused(each)], features)
    for name, router in routers.items():
        for service, rows in sorted(_found(router).items()):
            yield from (f"{name} has {service}: {row}" for row in rows)
        for service, row in sorted(wanted.get(name, {}).items()):
            yield f"{name} should have {service}: {row}"


def words(store: Store, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The outcomes of each service's events, to be told."""
    keys = {event_key(event["source"], event["id"]): event for event in events}
    said: dict[str, list[str]] = {}
    for found in store.views.outcomes(list(keys)):
        data, kind = keys[found.key]["data"], keys[found.key]["type"].split(".")[-2]
        outcome = f"{kind} {data.get('revision', '')} {found.state}"
        said.setdefault(data.get("service_id", "all"), []).append(outcome)
    yield from (f"{service}: {', '.join(each)}" for service, each in sorted(said.items()))


def written(routers: Mapping[str, SimulatedRouter]) -> Counter[str]:
    """How often each menu was written by the program: what a history reached."""
    return Counter(
        entry["command"].rpartition("/")[0]
        for router in routers.values()
        for entry in router.router.journal
        if entry["session"].startswith("api") and entry["error"] is None
    )


_NO_ROW: Final = Wanted("", "", "", blocked=False)
_PLAIN: Final = "default"
"""The profile of secrets that are to have none."""
_LOGIN: Final = ("password", "profile", "remote-ipv6-prefix")
"""What only secrets have."""


def _in_pool(address: str) -> bool:
    """Whether it is one that is assigned; a service that has a list row and no lease has none."""
    return bool(address) and ip_address(address) in ip_network(POOL_RANGE)


def _without(row: Wanted, left_alone: str) -> Wanted:
    """A row without what is in a list; `(IPv6)` or an address may be behind the name."""
    return row._replace(lists=tuple(n for n in row.lists if n.split(" ")[0] != left_alone))


def _without_profile(login: tuple[str, ...]) -> tuple[str, ...]:
    return (login[0], _PLAIN, login[2]) if login else ()


def _by_pool(row: Wanted) -> Wanted:
    return row._replace(address=POOL) if _in_pool(row.address) else row


def _found(router: SimulatedRouter, never: str = "") -> dict[str, list[Wanted]]:
    """Service, or `S/2` -> its rows as the oracle says them; each lease is one.

    The rest is of the first. A queue is of all devices of a service, also of one whose row is
    refused for its address.
    """
    leases: dict[str, list[Any]] = {}
    for menu in ROWS:
        for service, rows in _of_ours(router, menu).items():
            leases.setdefault(service, []).extend(in_one_form(menu, row) for row in rows)
    lists = _of_ours(router, "/ip/firewall/address-list")
    lists6 = _of_ours(router, "/ipv6/firewall/address-list")
    queues = _of_ours(router, "/queue/simple", by="name")
    bindings = _of_ours(router, "/ipv6/dhcp-server/binding")
    found: dict[str, list[Wanted]] = {}
    for service in leases.keys() | lists.keys() | lists6.keys() | queues.keys() | bindings.keys():
        rows = leases.get(service) or [{}]
        address = rows[0].get("address", "")
        named = [
            *(_place(row["list"], row["address"], address) for row in lists.get(service, [])),
            *(f"{row['list']} (IPv6)" for row in lists6.get(service, [])),
            *(row["listed"] for row in rows if row.get("listed")),
        ]
        one = service.partition("/")[0]
        its = {row["address"] for name in _devices(one, leases) for row in leases[name]} | {never}
        limits = [_limit(row, address, its) for row in queues.get(one, [])]
        bound = sorted((b["address"], b["duid"], b["iaid"]) for b in bindings.get(service, []))
        found[service] = [
            Wanted(
                row.get("device", ""),
                row.get("address", ""),
                row.get("server", ""),
                row.get("block-access") in ("true", "yes"),
                row.get("rate-limit", ""),
                tuple(named),
                ", ".join(limits),
                tuple(bound),
                tuple(row.get(name, "") for name in _LOGIN) if "password" in row else (),
            )
            for row in rows
        ]
    return found


def _of_ours(router: SimulatedRouter, menu: str, by: str = "comment") -> dict[str, list[Any]]:
    """Service -> its rows in a menu, by our tag."""
    found: dict[str, list[Any]] = {}
    for row in router.rows(menu):
        _, tag, service = row.get(by, "").partition(TAG)
        if tag and row.get("dynamic") != "true":
            found.setdefault(service.split()[0], []).append(row)
    return found


def _place(name: str, listed: str, address: str) -> str:
    """A row of a list that has another address than the lease is wrong."""
    return name if listed == address else f"{name} with {listed}"


def _devices(service: str, leases: Mapping[str, object]) -> Iterator[str]:
    """The service and its further devices, of those that have rows."""
    yield from (each for each in leases if each.partition("/")[0] == service)


def _limit(row: Mapping[str, str], address: str, addresses: Collection[str]) -> str:
    """The rate of an address; a queue that has others than the service is wrong."""
    targets = row["target"].split(",")
    rate = "/".join(map(_in_short, row["max-limit"].split("/")))
    others = {each.removesuffix("/32") for each in targets if ":" not in each} - {*addresses}
    return rate if f"{address}/32" in targets and not others else f"{rate} of {targets}"


def _in_short(bits: str) -> str:
    """A queue shows single bits."""
    number, mega = int(bits), 1_000_000
    return f"{number // mega}M" if number % mega == 0 else f"{number // 1_000}k"
