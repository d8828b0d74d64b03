"""The key table: every key that workers keep in Redis, its kind and its lifetime.

The journal's keys, which publishers write too, are in `contracts/names.py`. Nothing else may
spell a key: scripts get theirs from here by the same names (`scripts.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from contracts import names
from contracts.operator_proof import OPERATOR_SECRET
from worker.store.key_groups import (
    FleetKeys,
    JournalKeys,
    List,
    LossKeys,
    ReportKeys,
    RouterKeys,
    keys_of,
    router_keys,
)

UNKNOWN_SOURCES = "unknown_sources"
"""The feed of all unknown sources."""
DEAD_LETTERS_MOST = 1000
"""Limit of one group of dead letters (as in `lua/_dead_letters.lua`)."""


class Key:
    """One key of a deployment, as an attribute of `Keys`: its kind as TYPE says it, its name."""

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


@dataclass(frozen=True)
class Keys:
    """Builds keys under one prefix: one deployment, one prefix."""

    prefix: str = names.DEFAULT_PREFIX

    def __post_init__(self) -> None:
        """Make the keys once: each command asks for some."""
        for name, key in vars(Keys).items():
            if isinstance(key, Key):
                object.__setattr__(self, name, key.__get__(self, Keys))

    # One a deployment. Lifetime: none, each is bounded by what it lists.

    installation = Key("string", "installation")
    """The installation's id, which must agree with the inventory's."""
    store_format = Key("string", "store-format")
    """The store format that is written now (`worker/store/store_format.py`). No time limit."""
    operators_secret = Key("string", OPERATOR_SECRET)
    """64 hex characters, which prove events of operators (`contracts/operator_proof.py`). No time
    limit."""
    routers_due = Key("zset", "routers:due")
    """Router -> when the sweep checks it next (ms)."""
    attempts = Key("hash", "attempts")
    """Event key -> attempts to fold it; its commit deletes it."""
    attempts_left = Key("hash", "attempts:left")
    """Event key -> since when (ms) it is in `attempts` but in no journal; a day later both go."""
    counters = Key("hash", "counters")
    """What happened -> how often; never reset."""
    dead_letters = Key("hash", "dead")
    """Id -> dead letter as JSON; until a person settles it, of each group the newest."""
    dead_letters_by_time = Key("zset", "dead:by-time")
    """Id -> when (ms)."""
    dead_letters_of = KeyByName("zset", "dead:of:")
    """Id -> when (microseconds, or one more than the last) of the dead letters of a group.

    The newest 1,000, of at most 2 MB, or 4 MB of small ones. A group is `source|reason`; unknown
    sources are one source.
    """
    dead_letters_gone = Key("hash", "dead:gone")
    """Group -> how many dead letters were dropped for newer ones, until the group is settled."""
    refused = KeyByName("hash", names.REFUSED)
    """Event key -> outcome of a refused event of a source (empty: unknown). A day, the newest."""
    refused_sources = Key("set", "refused")
    """Sources of which events were refused. A day from the last one."""
    audit = Key("stream", "audit")
    """What people did: the newest 10,000 entries as JSON (`worker/store/audit.py`)."""
    braked = Key("hash", "brake:held")
    """`service@router` -> {scope, source, at_ms, work_version, priority} as JSON: held work."""
    announced = Key("hash", "brake:announced")
    """Scope -> losses that a person announced, as JSON; each until its time is over."""
    alerts = Key("hash", "alerts")
    """`kind|subject` -> open alert as JSON."""
    alerts_not_notified = Key("zset", "alerts:not-notified")
    """`kind|subject` -> when the open alert is notified (ms), if it lasts."""
    alert_changes = Key("stream", "alerts:changes")
    """Begun and ended alerts for targets; about the last 10,000."""
    alert_check = Key("string", "alerts:check")
    """A minute: one worker checks for what piles up."""
    alert_mutes = Key("hash", "alerts:mutes")
    """`kind|subject` -> who muted it, and until when, as JSON."""
    notifications = Key("string", "alerts:notifier")
    """A minute: the worker that notifies people of alerts."""
    watched = KeyByName("string", "alerts:watched:")
    """With a time limit: the dynamic leases of a router were checked lately."""
    notified = KeyByName("hash", "alerts:notified:")
    """`kind|subject` -> when a target was notified of it, `through|…`: by its root; as JSON."""
    canaries = Key("hash", "canaries")
    """Queue -> when a canary was put in (ms); the worker that takes it deletes it."""
    canary_claim = Key("string", "canaries:claim")
    """With a time limit: one round of canaries at a time."""
    take = KeyByName("string", "take:")
    """With a time limit: until when (ms) the events of one take belong to it."""
    sweep = Key("string", "sweep")
    """Time of the last sweep (ms): one sweep at a time, and a check that the clock goes on."""
    schedule = Key("zset", "schedule")
    """Service -> when a scheduled event takes effect, or its lease time changes (ms)."""

    calendar = KeyByName("zset", "calendar:")
    """`service|event key` -> when a scheduled event takes effect (ms), by `CalendarList`.

    The list `ended` keeps events that were superseded or withdrawn until their time.
    """

    @property
    def reports(self) -> ReportKeys:
        """Whose reports are to be made."""
        return ReportKeys(
            *(f"{self.prefix}routers:reports{end}" for end in (":check", "", ":asked"))
        )

    redis_run = Key("string", "redis-run")
    """`run id|since when (ms)` of the Redis that work was taken from last; 0: of the first one. No
    time limit."""
    maintenance = Key("string", "maintenance")
    """One round of maintenance a minute."""
    samples = Key("list", "samples")
    """The memory used in the last six hours, newest first, 72 samples as JSON."""
    minutes = Key("list", "minutes")
    """Backlog and counters of the last twelve hours, newest first, 720 rows as JSON."""
    tombstones = Key("zset", "tombstones")
    """Cancelled service -> its last change (ms); 400 days later both go."""
    purged = Key("zset", "purged")
    """SHA-256 of a service's id -> when it was purged (ms); 400 days. It tells nothing else."""
    processes = Key("zset", "processes")
    """`kind@host:pid` -> last sign of life (ms) of a process; a day later it is forgotten."""
    process_info = Key("hash", "processes:info")
    """`kind@host:pid` -> what the process says of itself, as JSON; as above."""
    inventory_of = KeyByName("string", "inventory:")
    """When a worker read its inventory (ms). A minute."""
    sign = KeyByName("string", "sign:")
    """Number of the last sign that a worker left for itself. A day."""
    unacked = Key("hash", "unacked")
    """Celery's messages that workers took and have not finished. Only its length is read."""

    def queue(self, name: str) -> List:
        """List: Celery's messages of a queue that no worker has taken yet."""
        return names.queue_key(self.prefix, name)

    def journal(self, lane: names.Lane) -> JournalKeys:
        """The keys of a lane's journal."""
        return JournalKeys(
            body=names.journal_body(self.prefix, lane),
            due=names.journal_due(self.prefix, lane),
            notified=names.journal_notified(self.prefix, lane),
            queue=self.queue(lane),
        )

    seen = KeyByName("hash", names.SEEN)
    """Short event key -> `short content hash|service`. 40 days from its first entry."""
    scheduled = Key("hash", "scheduled")
    """Key of a scheduled event -> its service."""
    beside = KeyByName("hash", "beside:")
    """Event key -> outcome of an event without a service: manifests. 40 days from the first."""
    brief = KeyByName("hash", names.BRIEF)
    """Event key -> outcome of an event that its service does not list. Three hours."""

    @property
    def fleet(self) -> FleetKeys:
        """What people set for routers."""
        return keys_of(FleetKeys, f"{self.prefix}routers:")

    manifests = Key("zset", "manifests")
    """`source|manifest id|hash of one attempt` -> until when its missing parts may come (ms)."""
    manifest = KeyByName("hash", "manifest:")
    """Number of a part -> its services, as JSON. Three hours."""
    imported = KeyByName("string", "import:")
    """An imported file as JSON, by the SHA-256 of its content. 40 days."""

    sources_known = Key("zset", "sources:known")
    """Source -> when a living worker last had it in its inventory (ms); 15 s later it goes."""
    owners = Key("set", "sources:owners")
    """Sources that own services, or did. As many as the inventory ever had."""
    conflict_sources = Key("set", "conflicts")
    """Sources with revision conflicts, now or earlier."""
    conflicts = KeyByName("hash", "conflicts:")
    """A conflict as JSON -> when it was noted (ms), until newer events or a person settle it."""
    source = KeyByName("hash", "source:")
    """Counters of a source's events, and of the living services that it owns. No time limit."""

    def losses(self, source: str) -> LossKeys:
        """The losses by a source."""
        return keys_of(LossKeys, f"{self.prefix}brake:source:{source}:")

    assigned = Key("hash", "pools:assigned")
    """Address or prefix of a pool of ours -> `until (ms)|service` (`lua/_pools.lua`)."""
    pools = Key("hash", "pools")
    """`cursor:POOL` -> where the search for free values goes on; `prepared`: of which pools."""
    pool_values = KeyByName("zset", "pools:values:")
    """Value of a pool -> 0 given | until when (ms) it is in quarantine, as `assigned` says it."""
    pool_waiting = KeyByName("zset", "pools:waiting:")
    """Service that waits for a value of a pool -> since when (ms). Empty name: of no known pool."""
    pool_samples = KeyByName("list", "pools:samples:")
    """How much of a pool was used, newest first: 840 samples as JSON, one an hour. 40 days."""
    pools_unread = Key("set", "pools:unread")
    """Routers to be read before pools of theirs give values: Redis may have lost some; `*`: all."""

    # One a service.

    record = KeyByName("string", "record:")
    """A service: `generation|JSON`, then an event's key and outcome a line (`lua/_services.lua`).

    A cancelled service goes 400 days after its last change, and its history with it.
    """
    history = KeyByName("list", "history:")
    """The last 50 lines of a service's history, newest first, as JSON."""

    # The outcome feeds.

    feed_last = Key("string", "feed:last")
    """The last id in any feed, `ms-sequence`. No time limit."""
    feed_gone = Key("hash", "feed:gone")
    """Key of a feed -> the last id that was dropped; `0-0`: none yet. Readers learn of gaps."""
    feed = KeyByName("stream", "feed:")
    """Outcomes as JSON of `live:SOURCE`, `bulk:SOURCE` or `unknown_sources`: 50,000 of 30 days."""

    # Changes whose effect is awaited.

    watches_due = Key("zset", "watches:due")
    """`service@router` -> when to read whether its last change acts (ms); at most a week."""
    watches = Key("hash", "watches")
    """`service@router` -> the change as JSON (`worker/core/effect/watch.py`); as above."""
    acted = Key("hash", "acted")
    """`kind|rung|bucket` -> changes that acted within that time; `…|sum` (ms). Never reset."""
    acted_in = KeyByName("hash", "acted:")
    """The same of one hour since 1970. 26 hours."""

    def router(self, name: str) -> RouterKeys:
        """The keys of a router."""
        return router_keys(f"{self.prefix}router:{name}:")
