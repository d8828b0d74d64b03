"""The key table: every key that workers keep in Redis, its kind and its lifetime.

The journal's keys, which publishers write too, are in `contracts/names.py`. Nothing else may
spell a key: scripts get theirs from here.
"""

from dataclasses import dataclass
from typing import NamedTuple

from contracts import names

SEEN_PERIOD_S = 8 * 86_400
"""Event ids are remembered by periods of eight days; five periods cover more than 31 days."""
SEEN_PERIODS = 5
LETTERS_MOST = 1000
"""Of one group of dead letters; `lua/_letters.lua` has it too."""


class RouterKeys(NamedTuple):
    """The keys of one router, in the order in which `lua/_router.lua` names them.

    Attributes:
        due: sorted set: service -> priority * 10^13 + due (ms): the marks in the order to take.
        marks: hash: service -> stamp; every marking renews it.
        lease: string with a time limit: token of the worker that holds the router.
        rung: string with a time limit: `1` a message is pending, `parked` must not be rung, `bulk`
            a bulk pass waits for its turn.
        inflight: hash: service -> `token|second look (ms)|leases added`: writes that may be under
            way, as `lua/_notes.lua` has it.
        claims: hash: claim key -> {scope: [service, strong]} as JSON.
        held: hash: service -> [[claim key, scope], …] as JSON: what it holds, strong or weak.
        waiters: sorted set by name: who waits for which claim (`lua/_claims.lua`); what it wants.
        services: set: services of which a row may exist here.
        waiting: hash: service -> {reason, detail, since} as JSON: why it is not in sync.
        state: string: {state, since, …} as JSON; absent while all is well.
        lost: sorted set: service -> when it lost its working entry (ms). Lives two hours.
        lost_by: hash: service -> source of the event that took its entry, while it may be held for
            it. Lives two hours.
        braked: of all routers: what the brake holds.
        queue: of all routers: Celery's messages.
    """

    due: str
    marks: str
    lease: str
    rung: str
    inflight: str
    claims: str
    held: str
    waiters: str
    services: str
    waiting: str
    state: str
    lost: str
    lost_by: str
    braked: str
    queue: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds keys under one prefix.

    Args:
        prefix: starts every key; one deployment, one prefix.
    """

    prefix: str = names.DEFAULT_PREFIX

    # One a deployment. Lifetime: none, each is bounded by what it lists.

    @property
    def installation(self) -> str:
        """String: the installation's id, which must agree with the inventory's."""
        return f"{self.prefix}installation"

    @property
    def routers_due(self) -> str:
        """Sorted set: router -> when the sweep must look at it next (ms)."""
        return f"{self.prefix}routers:due"

    @property
    def attempts(self) -> str:
        """Hash: event key -> how often its folding was begun; its commit deletes it."""
        return f"{self.prefix}attempts"

    @property
    def attempts_left(self) -> str:
        """Hash: event key -> since when (ms) it is in `attempts` and in no journal.

        A day later both go.
        """
        return f"{self.prefix}attempts:left"

    @property
    def counters(self) -> str:
        """Hash: what happened -> how often; never reset."""
        return f"{self.prefix}counters"

    @property
    def dead_letters(self) -> str:
        """Hash: id -> dead letter as JSON; lives until a person deals with it.

        Of events the newest of a source and reason are kept: see `letters_prefix`.
        """
        return f"{self.prefix}dead"

    @property
    def dead_letters_by_time(self) -> str:
        """Sorted set: id -> when (ms)."""
        return f"{self.prefix}dead:by-time"

    @property
    def letters_prefix(self) -> str:
        """What stands before a group's name in the key of its dead letters.

        Each a sorted set: id -> when (microseconds, or one more than the last): at most 1,000 and
        2 MB, or 4 MB of small ones, the newest. A group is `source|reason`; sources that nobody
        knows are one.
        """
        return f"{self.prefix}dead:of:"

    @property
    def letters_gone(self) -> str:
        """Hash: group -> how many letters went for newer ones, until all of it is dealt with."""
        return f"{self.prefix}dead:gone"

    def refused(self, source: str) -> str:
        """List: keys of the last 1,000 refused events of a source, newest first. Lives a day.

        Of sources that nobody knows (empty) there is one. An event that falls off takes its
        outcome with it.
        """
        return f"{self.prefix}refused:{source}"

    @property
    def actions(self) -> str:
        """List: the last 500 actions of people on dead letters and claims, newest first."""
        return f"{self.prefix}actions"

    @property
    def braked(self) -> str:
        """Hash: `service@router` -> {hold, source, at_ms, stamp, priority} as JSON.

        What the brake holds until a person decides, or nothing is to go away any more.
        """
        return f"{self.prefix}brake:held"

    @property
    def expected(self) -> str:
        """Hash: hold -> losses that a person announced, as JSON; each until its time is over."""
        return f"{self.prefix}brake:expected"

    @property
    def alerts(self) -> str:
        """Hash: `kind|subject` -> alert as JSON: what is wrong now; its end deletes it."""
        return f"{self.prefix}alerts"

    @property
    def alerts_untold(self) -> str:
        """Sorted set: `kind|subject` -> when the open alert is told (ms), if it lasts."""
        return f"{self.prefix}alerts:untold"

    @property
    def alert_changes(self) -> str:
        """Stream: what somebody is told of; about the last 10,000."""
        return f"{self.prefix}alerts:changes"

    @property
    def alert_look(self) -> str:
        """String with a time limit of a minute: somebody looked for what piles up."""
        return f"{self.prefix}alerts:look"

    @property
    def alert_mutes(self) -> str:
        """Hash: `kind|subject` -> who wants to hear nothing of it, and until when, as JSON."""
        return f"{self.prefix}alerts:mutes"

    @property
    def telling(self) -> str:
        """String with a time limit of a minute: who tells people of alerts."""
        return f"{self.prefix}alerts:telling"

    def watched(self, router: str) -> str:
        """String with a time limit: the dynamic leases of a router were looked at lately."""
        return f"{self.prefix}alerts:watched:{router}"

    def told(self, target: str) -> str:
        """Hash: `kind|subject` -> when a target was told of that alert, as JSON.

        `through|kind|subject`: it is told through its root, or waits for that.

        An entry goes when the alert is over, an hour after it was told at the earliest.
        """
        return f"{self.prefix}alerts:told:{target}"

    @property
    def canaries(self) -> str:
        """Hash: queue -> when a canary was put in that nobody took yet (ms); taking it deletes."""
        return f"{self.prefix}canaries"

    @property
    def canary_claim(self) -> str:
        """String with a time limit: one round of canaries at a time."""
        return f"{self.prefix}canaries:claim"

    def take(self, stamp: str) -> str:
        """String with a time limit: until when (ms) what one take of a journal took is its own."""
        return f"{self.prefix}take:{stamp}"

    @property
    def sweep(self) -> str:
        """String: when somebody swept last (ms): one sweep at a time, and Redis's clock goes on."""
        return f"{self.prefix}sweep"

    @property
    def schedule(self) -> str:
        """Sorted set: service -> when its next scheduled event takes effect (ms).

        The events themselves are in the records; each commit that changes them sets this too.
        """
        return f"{self.prefix}schedule"

    def reports_block(self) -> tuple[str, ...]:
        """What `lua/ask_reports.lua` needs to ask for the reports of routers."""
        base = f"{self.prefix}routers:reports"
        return (
            # string with a time limit of seconds: one look at a time
            base + ":look",
            # sorted set: router -> when its next report is due (ms)
            base,
            # set: routers of which a pass is to make a report
            base + ":asked",
        )

    @property
    def upkeep(self) -> str:
        """String with a time limit of a minute: one upkeep a minute."""
        return f"{self.prefix}upkeep"

    @property
    def samples(self) -> str:
        """List: the memory used in the last six hours, newest first, 72 samples as JSON."""
        return f"{self.prefix}samples"

    @property
    def tombstones(self) -> str:
        """Sorted set: cancelled service -> its last change (ms); 400 days later both go."""
        return f"{self.prefix}tombstones"

    @property
    def purged(self) -> str:
        """Sorted set: SHA-256 of a service's id -> when it was purged (ms); kept 400 days.

        So it can be said that a known id was erased, and nothing else.
        """
        return f"{self.prefix}purged"

    @property
    def workers(self) -> str:
        """Sorted set: worker -> its last sign of life (ms); a day later it is forgotten."""
        return f"{self.prefix}workers"

    def inventory_of(self, worker: str) -> str:
        """String: when a worker read the inventory that it has (ms). Lives a minute."""
        return f"{self.prefix}inventory:{worker}"

    def sign(self, worker: str) -> str:
        """String: number of the last sign of life that a worker's process gave. Lives a day."""
        return f"{self.prefix}sign:{worker}"

    @property
    def unacked(self) -> str:
        """Hash: Celery's messages that workers took and have not ended. Only its length is read."""
        return f"{self.prefix}unacked"

    def queue(self, name: str) -> str:
        """List: Celery's messages of a queue that nobody has taken yet."""
        return names.queue_key(self.prefix, name)

    def seen(self, now_s: int, periods_ago: int = 0) -> str:
        """Hash: short event key -> short content hash. Lives 40 days from its first entry."""
        return f"{self.prefix}seen:{now_s // SEEN_PERIOD_S - periods_ago}"

    def fleet_block(self) -> tuple[str, ...]:
        """What people said of routers, in the order in which `lua/_fleet.lua` names it.

        Lifetime: none but that of the routers; `routers retire` forgets one.
        """
        base = f"{self.prefix}routers:"
        return (
            # hash: router -> `digest|[policy, by, when (ms)]`: the policy that was applied
            base + "policies",
            # hash: router -> {by, reason, at_ms} as JSON: nothing is written to it
            base + "held",
            # hash: former name -> the router's name now: events may still say the former one
            base + "aliases",
            # hash: router -> serial number or system id that is bound to its name
            base + "serials",
            # hash: router -> the one that was seen last
            base + "serials-seen",
            # hash: serial -> [router, …] as JSON: where it is bound or was seen last
            base + "serial-names",
            # hash: router -> when (ms) its whole table was last looked through for orphans
            base + "surveyed",
            # list: the last 500 actions of people on routers, newest first, as JSON
            base + "actions",
        )

    @property
    def manifests(self) -> str:
        """Sorted set: manifest of which parts are missing -> until when they may come (ms).

        A name is `source|manifest id|hash`: of what all parts of one attempt have in common.
        """
        return f"{self.prefix}manifests"

    def manifest(self, name: str) -> str:
        """Hash: number of a part -> what it lists, as JSON. Lives three hours."""
        return f"{self.prefix}manifest:{name}"

    def imported(self, digest: str) -> str:
        """String: an imported file as JSON, by the SHA-256 of its content. Lives 40 days."""
        return f"{self.prefix}import:{digest}"

    # One a source.

    @property
    def sources_known(self) -> str:
        """Sorted set: source -> when a living worker last had it in its inventory (ms).

        Bounded by the inventories; what nobody says for 15 s goes.
        """
        return f"{self.prefix}sources:known"

    @property
    def conflict_sources(self) -> str:
        """Set: sources of which two events of one rank ever said different things."""
        return f"{self.prefix}conflicts"

    def conflicts(self, source: str) -> str:
        """Hash: a conflict as JSON -> when it was noted (ms).

        It goes when something newer was said of all that it is about, or a person dismisses it.
        """
        return f"{self.prefix}conflicts:{source}"

    def source(self, name: str) -> str:
        """Hash: what came of a source's events, and how many services it owns that live.

        No time limit: sources are few.
        """
        return f"{self.prefix}source:{name}"

    def losses(self, source: str) -> tuple[str, str]:
        """Sorted sets: `service@router` -> when its entry went (ms), and the same of suspensions.

        Live two hours from the last one.
        """
        base = f"{self.prefix}brake:source:{source}:"
        return base + "lost", base + "suspended"

    # One a service.

    @property
    def record_prefix(self) -> str:
        """What `record` puts before a service's id: some scripts find the services themselves."""
        return f"{self.prefix}record:"

    def record(self, service_id: str) -> str:
        """String `generation|JSON` (the first a random number): all we know of a service.

        No time limit: it is the record. A cancelled one goes 400 days after its last change, and
        its history with it.
        """
        return self.record_prefix + service_id

    def history(self, service_id: str) -> str:
        """List: the last 50 things that happened to a service, newest first, as JSON."""
        return f"{self.prefix}history:{service_id}"

    def recent(self, service_id: str) -> str:
        """List: keys of the last 20 events of a service, newest first. Lives 60 days."""
        return f"{self.prefix}recent:{service_id}"

    # One an event.

    @property
    def outcome_prefix(self) -> str:
        """What `outcome` puts before an event's key: a script finds those that are to go."""
        return f"{self.prefix}outcome:"

    def outcome(self, event_key: str) -> str:
        """String: the latest word on an event as JSON. Lives 30 days from its last change.

        Of a scheduled event 30 days from its time. An event that changed nothing has an hour, a
        refused one a day. The last word on an event that is no longer among the 20 recent ones of
        its service goes at once.
        """
        return self.outcome_prefix + event_key

    # The outcome feeds.

    @property
    def feed_last(self) -> str:
        """String: the last id in any feed, `ms-sequence`. No time limit: ids go up for ever."""
        return f"{self.prefix}feed:last"

    @property
    def feed_gone(self) -> str:
        """Hash: key of a feed -> the last id that was let go there; `0-0`: none yet.

        No time limit: a reader must be told what it missed, and sources are few.
        """
        return f"{self.prefix}feed:gone"

    def feed(self, source: str, *, bulk: bool) -> str:
        """Stream: what was said of the events of a source, each outcome as JSON.

        The last 50,000 items of 30 days. What came in by the lane `bulk`, and what changed
        nothing, has a feed of its own, so that an import pushes out no live event.
        """
        return f"{self.prefix}feed:{'bulk' if bulk else 'live'}:{source}"

    @property
    def feed_of_strangers(self) -> str:
        """Stream: the same of all sources that nobody knew: bad input must not make keys.

        The last 50,000 items of 30 days, of all of them together.
        """
        return f"{self.prefix}feed:strangers"

    # Services whose device is looked for.

    @property
    def unseen(self) -> str:
        """Sorted set: `service@router` -> when to look whether its device has its address (ms).

        A member goes when it was seen, when the service is gone, and after a week.
        """
        return f"{self.prefix}unseen"

    @property
    def unseen_events(self) -> str:
        """Hash: `service@router` -> key of the event that was applied there last; as above."""
        return f"{self.prefix}unseen:events"

    # Of one router.

    def router_block(self, router: str) -> RouterKeys:
        """The keys of a router."""
        base = f"{self.prefix}router:{router}:"
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
            braked=self.braked,
            queue=self.queue(names.QUEUE_ROUTERS),
        )

    def router_block_parts(self) -> list[list[str]]:
        """The same block where a script names the router: [before its name, after it], or [key]."""
        return [key.split("\0") for key in self.router_block("\0")]

    def router_troubles(self, router: str) -> str:
        """Hash: what passes remember of what a router lacks, and of services to suspect.

        Lives a week from its last change.
        """
        return f"{self.prefix}router:{router}:troubles"

    def router_full_read(self, router: str) -> str:
        """Hash: when it booted, an approved rebuild, the last report, its pools. Lives 40 days."""
        return f"{self.prefix}router:{router}:full-read"

    def router_state(self, router: str) -> str:
        """String: the router's state as JSON."""
        return self.router_block(router).state
