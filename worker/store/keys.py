"""The key table: every key that workers keep in Redis, its kind and its lifetime.

The journal's keys, which publishers write too, are in `contracts/names.py`. Nothing else may
spell a key: scripts get theirs from here by the same names (`lua_keys.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from contracts import names

# A key, by its kind as Redis's TYPE says it.
String = Annotated[str, "string"]
Hash = Annotated[str, "hash"]
List = Annotated[str, "list"]
Set = Annotated[str, "set"]
SortedSet = Annotated[str, "zset"]
Stream = Annotated[str, "stream"]

_T = TypeVar("_T")

SEEN_PERIOD_S = 8 * 86_400
"""Event ids are remembered by periods of eight days; five periods cover more than 31 days.

`lua/_services.lua` has it too.
"""
SEEN_PERIODS = 5
UNKNOWN_SOURCES = "unknown_sources"
"""The feed of all sources that nobody knows."""
DEAD_LETTERS_MOST = 1000
"""Of one group of dead letters; `lua/_dead_letters.lua` has it too."""


class RouterKeys(NamedTuple):
    """The keys of one router.

    Attributes:
        due: service -> priority * 10^13 + due (ms): the work items in the order to take.
        work_items: service -> work version; each new reason to check the service renews it.
        lock: with a time limit: id of the pass that has the router.
        notified: with a time limit: `1` a message is pending, `circuit_open` must not be notified,
            `bulk` a bulk pass waits for its turn.
        inflight: service -> `lock id|second check (ms)|leases added`: writes that may be under way,
            as `lua/_in_flight.lua` has it.
        claims: claim key -> {scope: [service, held]} as JSON.
        held: service -> [[claim key, scope], …] as JSON: its claims, held or vacating.
        waiters: by name: who waits for which claim (`lua/_claims.lua`); what it wants.
        services: services of which a row may exist here.
        waiting: service -> {reason, detail, since} as JSON: why it is not in sync.
        state: {state, since, …} as JSON; absent while all is well.
        lost: service -> when it lost its working entry (ms). Lives two hours.
        lost_by: service -> source of the event that took its entry, while it may be held for it.
            Lives two hours.
        memory: what passes remember of what a router lacks, and of services to suspect. Lives a
            week from its last change.
        full_read: when it booted, an approved rebuild, the last report, its pools. Lives 40 days.
    """

    due: SortedSet
    work_items: Hash
    lock: String
    notified: String
    inflight: Hash
    claims: Hash
    held: Hash
    waiters: SortedSet
    services: Set
    waiting: Hash
    state: String
    lost: SortedSet
    lost_by: Hash
    memory: Hash
    full_read: Hash


class FleetKeys(NamedTuple):
    """What people said of routers. Lifetime: none but that of the routers; `retire` forgets one.

    Attributes:
        policies: router -> `digest|[policy, by, when (ms)]`: the policy that was applied.
        paused: router -> {by, reason, at_ms} as JSON: nothing is written to it.
        aliases: former name -> the router's name now: events may still say the former one.
        serials: router -> serial number or system id that is bound to its name.
        serials_seen: router -> the one that was seen last.
        serial_names: serial -> [router, …] as JSON: where it is bound or was seen last.
        full_reads: router -> when (ms) its whole table was last looked through for orphans.
        actions: the last 500 actions of people on routers, newest first, as JSON.
    """

    policies: Hash
    paused: Hash
    aliases: Hash
    serials: Hash
    serials_seen: Hash
    serial_names: Hash
    full_reads: Hash
    actions: List


class ReportKeys(NamedTuple):
    """Whose reports are to be made.

    Attributes:
        check: with a time limit of seconds: one check at a time.
        due: router -> when its next report is due (ms).
        asked: routers of which a pass is to make a report.
    """

    check: String
    due: SortedSet
    asked: Set


class JournalKeys(NamedTuple):
    """A lane's journal, as `contracts/names.py` tells it, and its Celery queue."""

    body: Hash
    due: SortedSet
    notified: String
    queue: List


class LossKeys(NamedTuple):
    """What a source took away: `service@router` -> when (ms). Live two hours from the last one.

    Attributes:
        lost: entries that went.
        suspended: those that were suspended.
    """

    lost: SortedSet
    suspended: SortedSet


def _named(kind: type[_T], base: str) -> _T:
    """A tuple of keys that are called as its fields are."""
    return kind(*(base + field.replace("_", "-") for field in kind._fields))  # type: ignore[attr-defined]


def feed_name(source: str, *, bulk: bool) -> str:
    """The feed of a source: of its live events, or of those in bulk."""
    return f"{'bulk' if bulk else 'live'}:{source}"


def periods(now_ms: int) -> range:
    """Those in which event ids of the last 31 days may be, the latest first.

    The first is yet to come: Redis's clock may have been set back.
    """
    now = now_ms // 1000 // SEEN_PERIOD_S
    return range(now + 1, now - SEEN_PERIODS, -1)


class Key:
    """One key of a deployment, as an attribute of `Keys`.

    Args:
        kind: as Redis's TYPE says it.
        name: behind the prefix.
    """

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self._name = name

    def __get__(self, keys: "Keys", owner: type["Keys"]) -> str:
        return keys.prefix + self._name


class KeyByName(Key):
    """Keys that end with a name, as a method of `Keys`."""

    def __get__(self, keys: "Keys", owner: type["Keys"]) -> Callable[[object], str]:  # type: ignore[override]
        start = keys.prefix + self._name
        return lambda name: f"{start}{name}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds keys under one prefix.

    Args:
        prefix: starts every key; one deployment, one prefix.
    """

    prefix: str = names.DEFAULT_PREFIX

    # One a deployment. Lifetime: none, each is bounded by what it lists.

    installation = Key("string", "installation")
    """The installation's id, which must agree with the inventory's."""
    routers_due = Key("zset", "routers:due")
    """Router -> when the sweep must look at it next (ms)."""
    attempts = Key("hash", "attempts")
    """Event key -> how often its folding was begun; its commit deletes it."""
    attempts_left = Key("hash", "attempts:left")
    """Event key -> since when (ms) it is in `attempts` and in no journal.

    A day later both go.
    """
    counters = Key("hash", "counters")
    """What happened -> how often; never reset."""
    dead_letters = Key("hash", "dead")
    """Id -> dead letter as JSON; lives until a person deals with it.

    Of events the newest of a source and reason are kept: see `dead_letters`.
    """
    dead_letters_by_time = Key("zset", "dead:by-time")
    """Id -> when (ms)."""
    dead_letters_of = KeyByName("zset", "dead:of:")
    """Id -> when (microseconds, or one more than the last), of a group's letters.

    At most 1,000 and 2 MB, or 4 MB of small ones, the newest. A group is `source|reason`;
    sources that nobody knows are one.
    """
    dead_letters_gone = Key("hash", "dead:gone")
    """Group -> how many letters went for newer ones, until all of it is dealt with."""
    refused = KeyByName("hash", "refused:")
    """Event key -> the word on a refused event of a source: the newest 1,000 or so.

    Lives a day from the last one. Of sources that nobody knows (empty) there is one.
    """
    refused_sources = Key("set", "refused")
    """Sources of which events were refused. Lives a day from the last one."""
    actions = Key("list", "actions")
    """The last 500 actions of people on dead letters and claims, newest first."""
    braked = Key("hash", "brake:held")
    """`service@router` -> {hold, source, at_ms, stamp, priority} as JSON.

    What the brake holds until a person decides, or nothing is to go away any more.
    """
    announced = Key("hash", "brake:announced")
    """Hold -> losses that a person announced, as JSON; each until its time is over."""
    alerts = Key("hash", "alerts")
    """`kind|subject` -> alert as JSON: what is wrong now; its end deletes it."""
    alerts_not_notified = Key("zset", "alerts:not-notified")
    """`kind|subject` -> when the open alert is told (ms), if it lasts."""
    alert_changes = Key("stream", "alerts:changes")
    """What somebody is told of; about the last 10,000."""
    alert_check = Key("string", "alerts:check")
    """With a time limit of a minute: somebody looked for what piles up."""
    alert_mutes = Key("hash", "alerts:mutes")
    """`kind|subject` -> who wants to hear nothing of it, and until when, as JSON."""
    notifications = Key("string", "alerts:notifier")
    """With a time limit of a minute: who tells people of alerts."""
    watched = KeyByName("string", "alerts:watched:")
    """With a time limit: the dynamic leases of a router were looked at lately."""
    notified = KeyByName("hash", "alerts:notified:")
    """`kind|subject` -> when a target was told of that alert, as JSON.

    `through|kind|subject`: it is told through its root, or waits for that.

    An entry goes when the alert is over, an hour after it was told at the earliest.
    """
    canaries = Key("hash", "canaries")
    """Queue -> when a canary was put in that nobody took yet (ms); taking it deletes."""
    canary_claim = Key("string", "canaries:claim")
    """With a time limit: one round of canaries at a time."""
    take = KeyByName("string", "take:")
    """With a time limit: until when (ms) what one take of a journal took is its own."""
    sweep = Key("string", "sweep")
    """When somebody swept last (ms): one sweep at a time, and Redis's clock goes on."""
    schedule = Key("zset", "schedule")
    """Service -> when its next scheduled event takes effect (ms).

    The events themselves are in the records; each commit that changes them sets this too.
    """

    @property
    def reports(self) -> ReportKeys:
        """Whose reports are to be made."""
        base = f"{self.prefix}routers:reports"
        return ReportKeys(check=base + ":check", due=base, asked=base + ":asked")

    maintenance = Key("string", "maintenance")
    """With a time limit of a minute: one upkeep a minute."""
    samples = Key("list", "samples")
    """The memory used in the last six hours, newest first, 72 samples as JSON."""
    tombstones = Key("zset", "tombstones")
    """Cancelled service -> its last change (ms); 400 days later both go."""
    purged = Key("zset", "purged")
    """SHA-256 of a service's id -> when it was purged (ms); kept 400 days.

    So it can be said that a known id was erased, and nothing else.
    """
    workers = Key("zset", "workers")
    """Worker -> its last sign of life (ms); a day later it is forgotten."""
    inventory_of = KeyByName("string", "inventory:")
    """When a worker read the inventory that it has (ms). Lives a minute."""
    sign = KeyByName("string", "sign:")
    """Number of the last sign of life that a worker's process gave. Lives a day."""
    unacked = Key("hash", "unacked")
    """Celery's messages that workers took and have not ended. Only its length is read."""

    def queue(self, name: str) -> List:
        """List: Celery's messages of a queue that nobody has taken yet."""
        return names.queue_key(self.prefix, name)

    def journal(self, lane: names.Lane) -> JournalKeys:
        """The keys of a lane's journal."""
        return JournalKeys(
            body=names.journal_body(self.prefix, lane),
            due=names.journal_due(self.prefix, lane),
            notified=names.journal_notified(self.prefix, lane),
            queue=self.queue(lane),
        )

    seen = KeyByName("hash", "seen:")
    """Short event key -> `short content hash|service`: where the word on it is.

    Lives 40 days from its first entry.
    """
    scheduled = Key("hash", "scheduled")
    """Key of an event that waits for its time -> its service."""
    beside = KeyByName("hash", "beside:")
    """Event key -> the word on an event of no service that is kept: parts of manifests.

    Lives 40 days from its first entry.
    """
    brief = KeyByName("hash", "brief:")
    """Event key -> the word on an event that is none of the last of its service.

    It changed nothing, or many came after it. Lives three hours.
    """

    def seen_at(self, now_s: int) -> Hash:
        """`seen` of the period of a moment."""
        return self.seen(now_s // SEEN_PERIOD_S)

    @property
    def fleet(self) -> FleetKeys:
        """What people said of routers."""
        return _named(FleetKeys, f"{self.prefix}routers:")

    manifests = Key("zset", "manifests")
    """Manifest of which parts are missing -> until when they may come (ms).

    A name is `source|manifest id|hash`: of what all parts of one attempt have in common.
    """
    manifest = KeyByName("hash", "manifest:")
    """Number of a part -> what it lists, as JSON. Lives three hours."""
    imported = KeyByName("string", "import:")
    """An imported file as JSON, by the SHA-256 of its content. Lives 40 days."""

    # One a source.

    sources_known = Key("zset", "sources:known")
    """Source -> when a living worker last had it in its inventory (ms).

    Bounded by the inventories; what nobody says for 15 s goes.
    """
    conflict_sources = Key("set", "conflicts")
    """Sources of which two events of one rank ever said different things."""
    conflicts = KeyByName("hash", "conflicts:")
    """A conflict as JSON -> when it was noted (ms).

    It goes when something newer was said of all that it is about, or a person dismisses it.
    """
    source = KeyByName("hash", "source:")
    """What came of a source's events, and how many services it owns that live.

    No time limit: sources are few.
    """

    def losses(self, source: str) -> LossKeys:
        """What a source took away."""
        return _named(LossKeys, f"{self.prefix}brake:source:{source}:")

    # One a service.

    record = KeyByName("string", "record:")
    """All we know of a service, and a line for each of its last events, newest first.

    `generation|JSON` (the first a random number), then lines of an event's key and the word on
    it: 20, and those of which the last word is not said yet (`lua/_services.lua`). No time
    limit: a cancelled service goes 400 days after its last change, and its history with it.
    """
    history = KeyByName("list", "history:")
    """The last 50 things that happened to a service, newest first, as JSON."""

    # The outcome feeds.

    feed_last = Key("string", "feed:last")
    """The last id in any feed, `ms-sequence`. No time limit: ids go up for ever."""
    feed_gone = Key("hash", "feed:gone")
    """Key of a feed -> the last id that was let go there; `0-0`: none yet.

    No time limit: a reader must be told what it missed, and sources are few.
    """
    feed = KeyByName("stream", "feed:")
    """What was said of events, each outcome as JSON: the last 50,000 of 30 days.

    Args:
        name: `live:` or `bulk:` and a source, whose events they are. What came in by the lane
            `bulk`, and what changed nothing, has a feed of its own, so that an import pushes
            out no live event. `unknown_sources`: of all sources that nobody knew, as bad input must
            not make keys.
    """

    # Services whose device is looked for.

    awaiting_device = Key("zset", "awaiting_device")
    """`service@router` -> when to look whether its device has its address (ms).

    A member goes when it was seen, when the service is gone, and after a week.
    """
    awaiting_events = Key("hash", "awaiting_device:events")
    """`service@router` -> key of the event that was applied there last; as above."""

    # Of one router.

    def router(self, name: str) -> RouterKeys:
        """The keys of a router."""
        return _named(RouterKeys, f"{self.prefix}router:{name}:")
