"""The rounds of a pass over one batch: claim, read, close, plan, write, until nothing is left.

Called by `converge` for each batch of marks; `worker/core/planner.py` decides what to write.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from worker.core.entry import Entry, claims_of, placeholder_mac, wanted_entries
from worker.core.operations import Add, MakeStatic, Operation, Plan, Remove, Set, Waiting
from worker.core.ownership import tag_text
from worker.core.planner import Wanted, in_the_way, plan
from worker.core.policy import RouterPolicy
from worker.core.record import Placement
from worker.core.rows import Lease
from worker.endings import Look, confirmed, given_up, waiting
from worker.errors import LeaseLost, RouterBlocked
from worker.hold import Hold
from worker.ports import LeaseQuery, RouterSession, Written
from worker.store.records import ServiceCommit, Stored
from worker.store.routers import Conclusion, Mark
from worker.store.store import Store

log = structlog.get_logger()

MAX_STALE: Final = 3
"""Reads that were old when their write arrived, in a row: then the service waits."""
MAX_WRITES: Final = 2
"""Successful writes after which a field that still differs does not stick."""
MAX_UNKNOWN: Final = 3
"""Refusals in words that we do not know: then the service is given up."""
MAX_JOINED: Final = 1_000
"""Services brought into a batch because their rows stand in the way."""
CONCLUDED_A_CALL: Final = 128
"""Services of one script call: a larger one would hold up everybody's Redis."""


@dataclass(slots=True)
class Tally:
    """What a pass did, for its closing log line."""

    services: int = 0
    operations: int = 0
    applied: int = 0
    waiting: int = 0
    failed: int = 0
    refused: int = 0

    def fields(self) -> dict[str, int]:
        """As log fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Rounds:
    """Works through batches of one held router.

    Args:
        store: the store.
        session: to the router; whoever made it closes it when this raises.
        policy: of the router.
        hold: the lease.
        tally: counts what is done.
    """

    def __init__(
        self, store: Store, session: RouterSession, policy: RouterPolicy, hold: Hold, tally: Tally
    ) -> None:
        self._store = store
        self._session = session
        self._policy = policy
        self._hold = hold
        self._tally = tally
        self._router = hold.router
        self._now_ms = 0
        self._surplus: frozenset[str] = frozenset()

    def run(self, marks: Sequence[Mark], now_ms: int) -> None:
        """Look at the services of a batch until each is confirmed, waits or is given up.

        A service of which something is said meanwhile keeps its mark, and is looked at again.
        """
        self._now_ms = now_ms
        self._tally.services += len(marks)
        looks = self._claim([self._look(mark) for mark in marks])
        while looks:
            rows = self._read(looks.values())
            looks, closed = self._close(looks, rows)
            wanted = [self._wanted(look) for look in looks.values()]
            made = plan(wanted, closed, self._policy, self._surplus)
            self._surplus = made.surplus
            self._tell(made)
            looks = self._end_what_is_done(looks, made)
            looks = self._remember_made_static(looks, made)
            if looks:
                looks = self._write(looks, made)

    def _look(self, mark: Mark) -> Look:
        record = mark.stored.record
        entries = wanted_entries(record, {self._router: self._policy})
        entry = entries.get(self._router, Entry(mark.service_id, None))
        placement = record.placements.get(self._router)
        return Look(mark, self._router, entry, placement.written if placement else None)

    def _wanted(self, look: Look) -> Wanted:
        return Wanted(
            look.entry,
            written=look.written,
            granted=look.refused is None,
            refused_because=look.refused,
        )

    def _claim(self, looks: Sequence[Look]) -> dict[str, Look]:
        """Ask for all claims; leaves out services whose record has changed since it was read."""
        answers = self._store.routers.claim(
            self._router,
            [
                (look.mark.service_id, look.mark.stored.generation, claims_of(look.entry))
                for look in looks
            ],
        )
        claimed = {}
        for look, refused in zip(looks, answers, strict=True):
            if refused is None:
                continue
            if refused:
                look.refused = self._name_holders(refused)
            claimed[look.mark.service_id] = look
        return claimed

    def _name_holders(self, refused: Sequence[tuple[str, str]]) -> Waiting:
        holders = self._store.records.read(sorted({holder for _, holder in refused}))
        detail = "; ".join(
            f"{key} is held by service {holder} ({holders[holder].record.status})"
            for key, holder in refused
        )
        return Waiting("claim-held", detail)

    def _read(self, looks: Iterable[Look]) -> dict[str, Lease]:
        """The rows that the looks are about: what they want, what was last written, their tags."""
        macs: set[str] = set()
        addresses: set[str] = set()
        comments: set[str] = set()
        for look in looks:
            for fields in (look.entry.fields, look.written):
                if fields is not None:
                    macs.add(fields["mac-address"])
                    addresses.add(fields["address"])
            # A row that a crash left between two writes, should its comment have been edited.
            macs.add(placeholder_mac(look.mark.service_id))
            tag = tag_text(self._policy.installation, look.mark.service_id)
            comments.add(tag)
            if look.entry.label:
                comments.add(f"{tag} {look.entry.label}")
        query = LeaseQuery(frozenset(macs), frozenset(addresses), frozenset(comments))
        return {row.id: row for row in self._session.read_leases(query, self._hold.progress)}

    def _close(
        self, looks: dict[str, Look], rows: dict[str, Lease]
    ) -> tuple[dict[str, Look], list[Lease]]:
        """Bring in every service of ours whose row stands in the way, so that swaps resolve."""
        tried: set[str] = set(looks)
        while len(tried) < len(looks) + MAX_JOINED:
            wanted = [self._wanted(look) for look in looks.values()]
            others = in_the_way(wanted, list(rows.values()), self._policy) - tried
            if not others:
                break
            tried |= others
            joined = self._join(others)
            looks = looks | joined
            rows = rows | self._read(joined.values())
        return looks, list(rows.values())

    def _join(self, service_ids: Collection[str]) -> dict[str, Look]:
        known = {
            service_id
            for service_id, stored in self._store.records.read(sorted(service_ids)).items()
            if stored.generation
        }
        if not known:
            return {}
        marks = self._store.routers.join(self._router, sorted(known))
        self._tally.services += len(marks)
        return self._claim([self._look(mark) for mark in marks])

    def _end_what_is_done(self, looks: dict[str, Look], made: Plan) -> dict[str, Look]:
        """Confirm what needs no write, postpone what waits; returns those to be written."""
        busy = {operation.service_id for operation in made.operations()}
        before = self._store.routers.waiting(self._router, sorted(made.waiting))
        ends: list[Conclusion] = []
        left: dict[str, Look] = {}
        for service_id, look in looks.items():
            why = made.waiting.get(service_id)
            if why is not None and service_id not in busy:
                ends.append(self._wait(look, why, before.get(service_id)))
            elif service_id not in busy:
                ends.append(confirmed(look, self._now_ms))
            elif why is None and look.writes >= MAX_WRITES:
                ends.append(self._does_not_stick(look, made))
            else:
                left[service_id] = look
        self._conclude(ends)
        return left

    def _remember_made_static(self, looks: dict[str, Look], made: Plan) -> dict[str, Look]:
        """Note which dynamic rows become ours before they do: they get their tag only after.

        Without it a crash in between would leave a static row that nobody knows for ours.
        """
        fields = {o.service_id: o.was for o in made.operations() if isinstance(o, MakeStatic)}
        commits = []
        for service_id in fields.keys() & looks.keys():
            stored = looks[service_id].mark.stored
            placements = {**stored.record.placements, self._router: Placement(fields[service_id])}
            record = replace(stored.record, placements=placements)
            commits.append(ServiceCommit(service_id, stored.generation, record))
        done = self._store.records.commit(commits, self._now_ms).done
        left = dict(looks)
        for commit, through in zip(commits, done, strict=True):
            look = left.pop(commit.service_id)
            if through and commit.record is not None:
                stored = Stored(commit.generation + 1, commit.record)
                look.mark = look.mark._replace(stored=stored)
                look.written = fields[commit.service_id]
                left[commit.service_id] = look
            # else something was said of it meanwhile: its mark stands, and is taken again
        return left

    def _write(self, looks: dict[str, Look], made: Plan) -> dict[str, Look]:
        """Write phase by phase; returns those that are to be read back."""
        self._hold.renew(in_flight=looks.keys())
        failed: set[int] = set()
        refused: dict[str, Written] = {}
        for phase in made.phases:
            ready = [
                operation
                for operation in phase
                if operation.service_id in looks
                and operation.service_id not in refused
                and not (operation.needs & failed)
            ]
            failed |= {each.number for each in phase} - {each.number for each in ready}
            if not ready:
                continue
            self._hold.progress()
            for result in self._session.write(ready, self._hold.progress):
                self._tally.operations += 1
                if result.refusal is None:
                    looks[result.operation.service_id].wrote.append(_words(result.operation))
                else:
                    self._tally.refused += 1
                    failed.add(result.operation.number)
                    refused.setdefault(result.operation.service_id, result)
        written = {o.service_id for o in made.operations() if o.number not in failed}
        return self._after_writing(looks, refused, written)

    def _after_writing(
        self, looks: dict[str, Look], refused: Mapping[str, Written], written: set[str]
    ) -> dict[str, Look]:
        before = self._store.routers.waiting(self._router, sorted(refused))
        ends: list[Conclusion] = []
        left: dict[str, Look] = {}
        for service_id, look in looks.items():
            result = refused.get(service_id)
            if result is None:
                # An operation that was not sent for another's sake counts as an old read.
                look.writes += service_id in written
                look.stale += service_id not in written
            else:
                end = self._after_refusal(look, result, before.get(service_id))
                if end is not None:
                    ends.append(end)
                    continue
            if look.stale >= MAX_STALE:
                words = result.refusal.words if result and result.refusal else "a row in the way"
                why = Waiting("row-in-the-way", f"three reads in a row were old: {words}")
                ends.append(self._wait(look, why, before.get(service_id)))
            else:
                left[service_id] = look
        self._conclude(ends)
        return left

    def _after_refusal(
        self, look: Look, result: Written, before: Mapping[str, Any] | None
    ) -> Conclusion | None:
        """What a refusal means for the service; None: read and plan again."""
        refusal = result.refusal
        if refusal is None:
            return None
        log.warning(
            "operation.refused",
            router=self._router,
            service_id=look.mark.service_id,
            operation=_words(result.operation),
            kind=refusal.kind,
            reason=refusal.words,
        )
        match refusal.kind:
            case "stale":
                look.stale += 1
                return None
            case "waiting":
                return self._wait(look, Waiting("waiting-for-router", refusal.words), before)
            case "refused":
                return self._give_up(look, "operation-refused", refusal.words)
            case "not-permitted":
                raise RouterBlocked(
                    self._router,
                    "not-permitted",
                    refusal.words,
                    "give our user's group the policies read, write and api",
                )
            case "unknown-words":
                tries = int(before["tries"]) + 1 if before and "tries" in before else 1
                if tries >= MAX_UNKNOWN:
                    return self._give_up(look, "operation-refused", refusal.words)
                why = Waiting("router-says", refusal.words)
                return self._wait(look, why, before, tries=tries)

    def _wait(
        self, look: Look, why: Waiting, before: Mapping[str, Any] | None, tries: int = 0
    ) -> Conclusion:
        self._tally.waiting += 1
        return waiting(look, why, self._now_ms, before, tries)

    def _give_up(self, look: Look, reason: str, detail: str) -> Conclusion:
        self._tally.failed += 1
        return given_up(look, reason, detail, self._now_ms)

    def _does_not_stick(self, look: Look, made: Plan) -> Conclusion:
        mine = [o for o in made.operations() if o.service_id == look.mark.service_id]
        detail = "written twice and still not so: " + "; ".join(_words(each) for each in mine)
        return self._give_up(look, "does-not-stick", detail)

    def _conclude(self, ends: Sequence[Conclusion]) -> None:
        for start in range(0, len(ends), CONCLUDED_A_CALL):
            self._hold.progress()
            chunk = ends[start : start + CONCLUDED_A_CALL]
            if self._store.routers.conclude(self._router, self._hold.token, chunk) is None:
                raise LeaseLost(self._router)

    def _tell(self, made: Plan) -> None:
        for note in made.notes:
            log.warning(
                "plan.note",
                router=self._router,
                service_id=note.service_id,
                kind=note.kind,
                detail=note.detail,
            )
        operations = sum(len(phase) for phase in made.phases)
        log.debug(
            "plan.computed" if operations else "plan.empty",
            router=self._router,
            reason=made.reason,
            operations=operations,
            phases=len(made.phases),
            waiting=len(made.waiting),
        )


def _words(operation: Operation) -> str:
    """An operation in a few words, for history and log."""
    match operation:
        case Add(fields=fields):
            return f"add {_pairs(fields)}"
        case Set(row_id=row_id, fields=fields, was=was):
            changes = (f"{name}: {was.get(name, '')} -> {value}" for name, value in fields.items())
            return f"set {row_id} {', '.join(changes)}"
        case MakeStatic(row_id=row_id):
            return f"make-static {row_id}"
        case Remove(row_id=row_id, was=was):
            return f"remove {row_id} {_pairs(was)}"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items())
