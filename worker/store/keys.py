"""The key table: every key that workers keep in Redis, its kind and its lifetime.

The journal's keys, which publishers write too, are in `contracts/names.py`. Nothing else may
spell a key: scripts get theirs from here by the same names (`lua_keys.py`).
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from contracts import names

# A key, by its kind as Redis's TYPE says it.
String = Annotated[str, "string"]
Hash = Annotated[str, "hash"]
List = Annotated[str, "list"]
Set = Annotated[str, "set"]
SortedSet = Annotated[str, "zset"]
Stream = Annotated[str, "stream"]

SEEN_PERIOD_S = 8 * 86_400
"""Event ids are remembered by periods of eight days; five periods cover more than 31 days.

`lua/_services.lua` has it too.
"""
SEEN_PERIODS = 5
STRANGERS = "strangers"
"""The feed of all sources that nobody knows."""
LETTERS_MOST = 1000
"""Of one group of dead letters; `lua/_letters.lua` has it too."""


class RouterKeys(NamedTuple):
    """The keys of one router.

    Attributes:
        due: service -> priority * 10^13 + due (ms): the marks in the order to take.
        marks: service -> stamp; every marking renews it.
        lease: with a time limit: token of the worker that holds the router.
        rung: with a time limit: `1` a message is pending, `parked` must not be rung, `bulk` a bulk
            pass waits for its turn.
        inflight: service -> `token|second look (ms)|leases added`: writes that may be under way,
            as `lua/_notes.lua` has it.
        claims: claim key -> {scope: [service, strong]} as JSON.
        held: service -> [[claim key, scope], …] as JSON: what it holds, strong or weak.
        waiters: by name: who waits for which claim (`lua/_claims.lua`); what it wants.
        services: services of which a row may exist here.
        waiting: service -> {reason, detail, since} as JSON: why it is not in sync.
        state: {state, since, …} as JSON; absent while all is well.
        lost: service -> when it lost its working entry (ms). Lives two hours.
        lost_by: service -> source of the event that took its entry, while it may be held for it.
            Lives two hours.
        troubles: what passes remember of what a router lacks, and of services to suspect. Lives a
            week from its last change.
        full_read: when it booted, an approved rebuild, the last report, its pools. Lives 40 days.
    """

    due: SortedSet
    marks: Hash
    lease: String
    rung: String
    inflight: Hash
    claims: Hash
    held: Hash
    waiters: SortedSet
    services: Set
    waiting: Hash
    state: String
    lost: SortedSet
    lost_by: Hash
    troubles: Hash
    full_read: Hash


class FleetKeys(NamedTuple):
    """What people said of routers. Lifetime: none but that of the routers; `retire` forgets one.

    Attributes:
        policies: router -> `digest|[policy, by, when (ms)]`: the policy that was applied.
        held: router -> {by, reason, at_ms} as JSON: nothing is written to it.
        aliases: former name -> the router's name now: events may still say the former one.
        bound: router -> serial number or system id that is bound to its name.
        seen: router -> the one that was seen last.
        names: serial -> [router, …] as JSON: where it is bound or was seen last.
        surveyed: router -> when (ms) its whole table was last looked through for orphans.
        actions: the last 500 actions of people on routers, newest first, as JSON.
    """

    policies: Hash
    held: Hash
    aliases: Hash
    bound: Hash
    seen: Hash
    names: Hash
    surveyed: Hash
    actions: List


class ReportKeys(NamedTuple):
    """Whose reports are to be made.

    Attributes:
        look: with a time limit of seconds: one look at a time.
        due: router -> when its next report is due (ms).
        asked: routers of which a pass is to make a report.
    """

    look: String
    due: SortedSet
    asked: Set


class JournalKeys(NamedTuple):
    """A lane's journal, as `contracts/names.py` tells it, and its Celery queue."""

    body: Hash
    due: SortedSet
    rung: String
    queue: List


class LossKeys(NamedTuple):
    """What a source took away: `service@router` -> when (ms). Live two hours from the last one.

    Attributes:
        lost: entries that went.
        suspended: those that were suspended.
    """

    lost: SortedSet
    suspended: SortedSet


def feed_name(source: str, *, bulk: bool) -> str:
    """The feed of a source: of its live events, or of those in bulk."""
    return f"{'bulk' if bulk else 'live'}:{source}"


def periods(now_ms: int) -> range:
    """Those in which event ids of the last 31 days may be, the present one first."""
    now = now_ms // 1000 // SEEN_PERIOD_S
    return range(now, now - SEEN_PERIODS, -1)


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds keys under one prefix.

    Args:
        prefix: starts every key; one deployment, one prefix.
    """

    prefix: str = names.DEFAULT_PREFIX

    # One a deployment. Lifetime: none, each is bounded by what it lists.

    @property
    def installation(self) -> String:
        """String: the installation's id, which must agree with the inventory's."""
        return f"{self.prefix}installation"

    @property
    def routers_due(self) -> SortedSet:
        """Sorted set: router -> when the sweep must look at it next (ms)."""
        return f"{self.prefix}routers:due"

    @property
    def attempts(self) -> Hash:
        """Hash: event key -> how often its folding was begun; its commit deletes it."""
        return f"{self.prefix}attempts"

    @property
    def attempts_left(self) -> Hash:
        """Hash: event key -> since when (ms) it is in `attempts` and in no journal.

        A day later both go.
        """
        return f"{self.prefix}attempts:left"

    @property
    def counters(self) -> Hash:
        """Hash: what happened -> how often; never reset."""
        return f"{self.prefix}counters"

    @property
    def dead_letters(self) -> Hash:
        """Hash: id -> dead letter as JSON; lives until a person deals with it.

        Of events the newest of a source and reason are kept: see `letters`.
        """
        return f"{self.prefix}dead"

    @property
    def dead_letters_by_time(self) -> SortedSet:
        """Sorted set: id -> when (ms)."""
        return f"{self.prefix}dead:by-time"

    def letters(self, group: str) -> SortedSet:
        """Sorted set: id -> when (microseconds, or one more than the last), of a group's letters.

        At most 1,000 and 2 MB, or 4 MB of small ones, the newest. A group is `source|reason`;
        sources that nobody knows are one.
        """
        return f"{self.prefix}dead:of:{group}"

    @property
    def letters_gone(self) -> Hash:
        """Hash: group -> how many letters went for newer ones, until all of it is dealt with."""
        return f"{self.prefix}dead:gone"

    def refused(self, source: str) -> Hash:
        """Hash: event key -> the word on a refused event of a source: the newest 1,000 or so.

        Lives a day from the last one. Of sources that nobody knows (empty) there is one.
        """
        return f"{self.prefix}refused:{source}"

    @property
    def refused_sources(self) -> Set:
        """Set: sources of which events were refused. Lives a day from the last one."""
        return f"{self.prefix}refused"

    @property
    def actions(self) -> List:
        """List: the last 500 actions of people on dead letters and claims, newest first."""
        return f"{self.prefix}actions"

    @property
    def braked(self) -> Hash:
        """Hash: `service@router` -> {hold, source, at_ms, stamp, priority} as JSON.

        What the brake holds until a person decides, or nothing is to go away any more.
        """
        return f"{self.prefix}brake:held"

    @property
    def expected(self) -> Hash:
        """Hash: hold -> losses that a person announced, as JSON; each until its time is over."""
        return f"{self.prefix}brake:expected"

    @property
    def alerts(self) -> Hash:
        """Hash: `kind|subject` -> alert as JSON: what is wrong now; its end deletes it."""
        return f"{self.prefix}alerts"

    @property
    def alerts_untold(self) -> SortedSet:
        """Sorted set: `kind|subject` -> when the open alert is told (ms), if it lasts."""
        return f"{self.prefix}alerts:untold"

    @property
    def alert_changes(self) -> Stream:
        """Stream: what somebody is told of; about the last 10,000."""
        return f"{self.prefix}alerts:changes"

    @property
    def alert_look(self) -> String:
        """String with a time limit of a minute: somebody looked for what piles up."""
        return f"{self.prefix}alerts:look"

    @property
    def alert_mutes(self) -> Hash:
        """Hash: `kind|subject` -> who wants to hear nothing of it, and until when, as JSON."""
        return f"{self.prefix}alerts:mutes"

    @property
    def telling(self) -> String:
        """String with a time limit of a minute: who tells people of alerts."""
        return f"{self.prefix}alerts:telling"

    def watched(self, router: str) -> String:
        """String with a time limit: the dynamic leases of a router were looked at lately."""
        return f"{self.prefix}alerts:watched:{router}"

    def told(self, target: str) -> Hash:
        """Hash: `kind|subject` -> when a target was told of that alert, as JSON.

        `through|kind|subject`: it is told through its root, or waits for that.

        An entry goes when the alert is over, an hour after it was told at the earliest.
        """
        return f"{self.prefix}alerts:told:{target}"

    @property
    def canaries(self) -> Hash:
        """Hash: queue -> when a canary was put in that nobody took yet (ms); taking it deletes."""
        return f"{self.prefix}canaries"

    @property
    def canary_claim(self) -> String:
        """String with a time limit: one round of canaries at a time."""
        return f"{self.prefix}canaries:claim"

    def take(self, stamp: str) -> String:
        """String with a time limit: until when (ms) what one take of a journal took is its own."""
        return f"{self.prefix}take:{stamp}"

    @property
    def sweep(self) -> String:
        """String: when somebody swept last (ms): one sweep at a time, and Redis's clock goes on."""
        return f"{self.prefix}sweep"

    @property
    def schedule(self) -> SortedSet:
        """Sorted set: service -> when its next scheduled event takes effect (ms).

        The events themselves are in the records; each commit that changes them sets this too.
        """
        return f"{self.prefix}schedule"

    @property
    def reports(self) -> ReportKeys:
        """Whose reports are to be made."""
        base = f"{self.prefix}routers:reports"
        return ReportKeys(look=base + ":look", due=base, asked=base + ":asked")

    @property
    def upkeep(self) -> String:
        """String with a time limit of a minute: one upkeep a minute."""
        return f"{self.prefix}upkeep"

    @property
    def samples(self) -> List:
        """List: the memory used in the last six hours, newest first, 72 samples as JSON."""
        return f"{self.prefix}samples"

    @property
    def tombstones(self) -> SortedSet:
        """Sorted set: cancelled service -> its last change (ms); 400 days later both go."""
        return f"{self.prefix}tombstones"

    @property
    def purged(self) -> SortedSet:
        """Sorted set: SHA-256 of a service's id -> when it was purged (ms); kept 400 days.

        So it can be said that a known id was erased, and nothing else.
        """
        return f"{self.prefix}purged"

    @property
    def workers(self) -> SortedSet:
        """Sorted set: worker -> its last sign of life (ms); a day later it is forgotten."""
        return f"{self.prefix}workers"

    def inventory_of(self, worker: str) -> String:
        """String: when a worker read the inventory that it has (ms). Lives a minute."""
        return f"{self.prefix}inventory:{worker}"

    def sign(self, worker: str) -> String:
        """String: number of the last sign of life that a worker's process gave. Lives a day."""
        return f"{self.prefix}sign:{worker}"

    @property
    def unacked(self) -> Hash:
        """Hash: Celery's messages that workers took and have not ended. Only its length is read."""
        return f"{self.prefix}unacked"

    def queue(self, name: str) -> List:
        """List: Celery's messages of a queue that nobody has taken yet."""
        return names.queue_key(self.prefix, name)

    def journal(self, lane: names.Lane) -> JournalKeys:
        """The keys of a lane's journal."""
        return JournalKeys(
            body=names.journal_body(self.prefix, lane),
            due=names.journal_due(self.prefix, lane),
            rung=names.journal_rung(self.prefix, lane),
            queue=self.queue(lane),
        )

    def seen(self, period: int) -> Hash:
        """Hash: short event key -> `short content hash|service`: where the word on it is.

        Lives 40 days from its first entry.
        """
        return f"{self.prefix}seen:{period}"

    @property
    def scheduled(self) -> Hash:
        """Hash: key of an event that waits for its time -> its service."""
        return f"{self.prefix}scheduled"

    def beside(self, period: int) -> Hash:
        """Hash: event key -> the word on an event of no service that is kept: parts of manifests.

        Lives 40 days from its first entry.
        """
        return f"{self.prefix}beside:{period}"

    def brief(self, hour: int) -> Hash:
        """Hash: event key -> the word on an event that is none of the last of its service.

        It changed nothing, or many came after it. Lives three hours.

        Args:
            hour: since 1970.
        """
        return f"{self.prefix}brief:{hour}"

    def seen_at(self, now_s: int) -> Hash:
        """`seen` of the period of a moment."""
        return self.seen(now_s // SEEN_PERIOD_S)

    @property
    def fleet(self) -> FleetKeys:
        """What people said of routers."""
        base = f"{self.prefix}routers:"
        return FleetKeys(
            policies=base + "policies",
            held=base + "held",
            aliases=base + "aliases",
            bound=base + "serials",
            seen=base + "serials-seen",
            names=base + "serial-names",
            surveyed=base + "surveyed",
            actions=base + "actions",
        )

    @property
    def manifests(self) -> SortedSet:
        """Sorted set: manifest of which parts are missing -> until when they may come (ms).

        A name is `source|manifest id|hash`: of what all parts of one attempt have in common.
        """
        return f"{self.prefix}manifests"

    def manifest(self, name: str) -> Hash:
        """Hash: number of a part -> what it lists, as JSON. Lives three hours."""
        return f"{self.prefix}manifest:{name}"

    def imported(self, digest: str) -> String:
        """String: an imported file as JSON, by the SHA-256 of its content. Lives 40 days."""
        return f"{self.prefix}import:{digest}"

    # One a source.

    @property
    def sources_known(self) -> SortedSet:
        """Sorted set: source -> when a living worker last had it in its inventory (ms).

        Bounded by the inventories; what nobody says for 15 s goes.
        """
        return f"{self.prefix}sources:known"

    @property
    def conflict_sources(self) -> Set:
        """Set: sources of which two events of one rank ever said different things."""
        return f"{self.prefix}conflicts"

    def conflicts(self, source: str) -> Hash:
        """Hash: a conflict as JSON -> when it was noted (ms).

        It goes when something newer was said of all that it is about, or a person dismisses it.
        """
        return f"{self.prefix}conflicts:{source}"

    def source(self, name: str) -> Hash:
        """Hash: what came of a source's events, and how many services it owns that live.

        No time limit: sources are few.
        """
        return f"{self.prefix}source:{name}"

    def losses(self, source: str) -> LossKeys:
        """What a source took away."""
        base = f"{self.prefix}brake:source:{source}:"
        return LossKeys(lost=base + "lost", suspended=base + "suspended")

    # One a service.

    def record(self, service_id: str) -> String:
        """String: all we know of a service, and a line for each of its last events, newest first.

        `generation|JSON` (the first a random number), then lines of an event's key and the word on
        it: 20, and those of which the last word is not said yet (`lua/_services.lua`). No time
        limit: a cancelled service goes 400 days after its last change, and its history with it.
        """
        return f"{self.prefix}record:{service_id}"

    def history(self, service_id: str) -> List:
        """List: the last 50 things that happened to a service, newest first, as JSON."""
        return f"{self.prefix}history:{service_id}"

    # The outcome feeds.

    @property
    def feed_last(self) -> String:
        """String: the last id in any feed, `ms-sequence`. No time limit: ids go up for ever."""
        return f"{self.prefix}feed:last"

    @property
    def feed_gone(self) -> Hash:
        """Hash: key of a feed -> the last id that was let go there; `0-0`: none yet.

        No time limit: a reader must be told what it missed, and sources are few.
        """
        return f"{self.prefix}feed:gone"

    def feed(self, name: str) -> Stream:
        """Stream: what was said of events, each outcome as JSON: the last 50,000 of 30 days.

        Args:
            name: `live:` or `bulk:` and a source, whose events they are. What came in by the lane
                `bulk`, and what changed nothing, has a feed of its own, so that an import pushes
                out no live event. `strangers`: of all sources that nobody knew, as bad input must
                not make keys.
        """
        return f"{self.prefix}feed:{name}"

    # Services whose device is looked for.

    @property
    def unseen(self) -> SortedSet:
        """Sorted set: `service@router` -> when to look whether its device has its address (ms).

        A member goes when it was seen, when the service is gone, and after a week.
        """
        return f"{self.prefix}unseen"

    @property
    def unseen_events(self) -> Hash:
        """Hash: `service@router` -> key of the event that was applied there last; as above."""
        return f"{self.prefix}unseen:events"

    # Of one router.

    def router(self, name: str) -> RouterKeys:
        """The keys of a router."""
        base = f"{self.prefix}router:{name}:"
        return RouterKeys(
            due=base + "due",
            marks=base + "marks",
            lease=base + "lease",
            rung=base + "rung",
            inflight=base + "inflight",
            claims=base + "claims",
            held=base + "held",
            waiters=base + "waiters",
            services=base + "services",
            waiting=base + "waiting",
            state=base + "state",
            lost=base + "lost",
            lost_by=base + "lost-by",
            troubles=base + "troubles",
            full_read=base + "full-read",
        )
