"""Keys of Redis that belong together: those of a router, of a lane, and others."""

from functools import cache, lru_cache
from typing import Annotated, NamedTuple, TypeVar

# A key, by its kind as Redis's TYPE says it.
String = Annotated[str, "string"]
Hash = Annotated[str, "hash"]
List = Annotated[str, "list"]
Set = Annotated[str, "set"]
SortedSet = Annotated[str, "zset"]

_T = TypeVar("_T")


class RouterKeys(NamedTuple):
    """The keys of one router.

    Attributes:
        due: service -> priority * 10^13 + due (ms): the work items in their order.
        work_items: service -> work version; each new reason to check the service renews it.
        lock: with a time limit: lock id of the pass that works on the router.
        notified: with a time limit: `1` a message is pending, `circuit_open` nobody is notified,
            `bulk` a bulk pass waits for its turn.
        inflight: service -> `lock id|second check (ms)|leases added` (`lua/_in_flight.lua`).
        claims: claim key -> {scope: [service, 1 held | 0 vacating]} as JSON.
        held: service -> [[claim key, scope], …] as JSON: its claims, held or vacating.
        prefixes: by name: the claim keys of prefixes, and `/length` of each length that one had.
        waiters: by name: who waits for which claim, and what a service waits for
            (`lua/_claims.lua`).
        services: services that may have a row here.
        waiting: service -> {reason, detail, since_ms} as JSON: why it is not in sync.
        state: {state, since_ms, …} as JSON; absent while all is well.
        lost: service -> when it lost its working entry (ms). Two hours.
        lost_by: service -> source of the event that took its entry, while it may be held for that.
            Two hours.
        memory: missing prerequisites, suspects, facts, kept a week from the last change.
        reconfigured: service -> when its device was told to renew, and the router's refusal; how
            many this minute. A day from the last message.
        full_read: time of boot, an approved rebuild, the last report, its pools. 40 days.
        answers: five minutes -> `answers sum longest` (ms): how long they took. Twelve hours.
    """

    due: SortedSet
    work_items: Hash
    lock: String
    notified: String
    inflight: Hash
    claims: Hash
    held: Hash
    prefixes: SortedSet
    waiters: SortedSet
    services: Set
    waiting: Hash
    state: String
    lost: SortedSet
    lost_by: Hash
    memory: Hash
    reconfigured: Hash
    full_read: Hash
    answers: Hash


class FleetKeys(NamedTuple):
    """What people set for routers. No time limit; retiring a router removes it.

    Attributes:
        policies: router -> `digest|[policy, by, when (ms)]`: the applied policy.
        paused: router -> {by, reason, at_ms} as JSON.
        aliases: former name -> the router's name now: events may still use the former one.
        serials: router -> serial number or system id that is bound to its name.
        serials_seen: router -> the serial that was seen last.
        serial_names: serial -> [router, …] as JSON: where it is bound or was seen last.
        full_reads: router -> when its last full read was made (ms).
    """

    policies: Hash
    paused: Hash
    aliases: Hash
    serials: Hash
    serials_seen: Hash
    serial_names: Hash
    full_reads: Hash


class ReportKeys(NamedTuple):
    """Drift reports: the lock of a check, router -> when it is due (ms), routers asked for."""

    check: String
    due: SortedSet
    asked: Set


class JournalKeys(NamedTuple):
    """A lane's journal (see `contracts/names.py`) and its Celery queue."""

    body: Hash
    due: SortedSet
    notified: String
    queue: List


class LossKeys(NamedTuple):
    """Losses by a source, `service@router` -> when (ms): entries lost, and suspended. Two hours."""

    lost: SortedSet
    suspended: SortedSet


def keys_of(kind: type[_T], base: str) -> _T:
    """The keys of a group: `base`, and the name of each."""
    return kind(*[base + end for end in _ends(kind._fields)])  # type: ignore[attr-defined]


@cache
def _ends(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.replace("_", "-") for name in names)


@lru_cache(maxsize=2_000)
def router_keys(base: str) -> RouterKeys:
    """The keys of a router: made once, as pages for people ask for a thousand routers at a time."""
    return keys_of(RouterKeys, base)
