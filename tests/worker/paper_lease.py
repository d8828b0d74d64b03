"""A paper desk with a router: passes that may be killed, and a sweep that looks when it is due."""

from tests.core.simulate import Tables
from tests.worker.paper_desk import PaperDesk
from worker.convergence.batch_item import BatchItem
from worker.convergence.confirm import confirmed
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.plan.in_flight import placements_to_note
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import Lease
from worker.intake.folding import Folding
from worker.store.batches import WorkItem
from worker.store.records import Stored

HOUR_S = 3_600
SHORT_MS = 120_000


class PaperLease(PaperDesk):
    """One service on the router R1, whose lease is one hour.

    `usual` is the lease time that its row has without us.

    Args:
        lease_time: of the policy; empty: the field is left to others.
        shorten_leases: of the policy.
    """

    def __init__(self, lease_time="", shorten_leases="2m", mode="manage"):
        super().__init__()
        self.policies = {
            "R1": RouterPolicy(
                "acme", "dhcp1", lease_time=lease_time, shorten_leases=shorten_leases, mode=mode
            )
        }
        self.usual = lease_time
        self.router = Tables([])
        self.writes = 0
        self.due_ms = 0

    def _fold(self):
        times = {"dhcp1": HOUR_S}
        return Folding(self.stored, self.policies, self.now_ms, lambda _: 0, lambda _: times)

    def send(self, *raws):
        self._commit(self._fold().fold(self.checked(raws), self.seen))

    def release(self, now_ms=None):
        self.now_ms = now_ms or self.now_ms
        self._commit(self._fold().release())

    def _commit(self, draft):
        super()._commit(draft)
        if self.commits[-1].due_ms is not None:
            self.due_ms = self.commits[-1].due_ms

    @property
    def row(self):
        """The service's row; None: it has none."""
        return next((row for row in self.router.rows() if isinstance(row, Lease)), None)

    @property
    def lease_time(self):
        return self.row.fields["lease-time"]

    def set_by_hand(self, lease_time):
        self.usual = lease_time
        fields = {**self.row.fields, "lease-time": lease_time, "comment": self.row.comment}
        self.router = Tables([Lease(self.row.id, fields, self.row.comment)])

    def until(self, now_ms, alive=lambda: True):
        """Let time pass: the sweep decides when it is due, and a pass follows if one is alive."""
        while 0 < self.due_ms <= now_ms:
            self.release(max(self.due_ms, self.now_ms))
            if alive():
                self.converge()
        self.now_ms = max(now_ms, self.now_ms)

    def converge(self, killed_after=None):
        """A pass, killed `noting` or `writing` where that is given."""
        wrote = []
        for _ in range(4):
            record = self.record
            entry = wanted_entries(record, self.policies).get("R1", Entry("SVC-1", None))
            at = record.placements.get("R1")
            if at is None:
                return
            item = BatchItem(WorkItem("SVC-1", "v", 0, self.stored), "R1", entry, at)
            made = plan([item.wanted()], RowIndex(self.router.rows(), "acme"), self.policies["R1"])
            if not made.phases:
                self._confirm(item, wrote)
                return
            noted = placements_to_note(made, {"SVC-1": at})
            if noted:
                self._store({**record.placements, "R1": noted["SVC-1"]})
            if killed_after == "noting":
                return
            for operation in made.operations:
                self._apply(operation)
                wrote.append("a row")
            if killed_after == "writing":
                return
        raise AssertionError("four rounds, and still something to write")

    def _apply(self, operation):
        self.writes += 1
        if isinstance(operation, Add) and operation.menu == Lease.menu:
            self.usual = self.policies["R1"].lease_time
            defaults = {"client-id": "", "lease-time": ""}
            operation = Add(0, operation.service_id, {**defaults, **operation.fields})
        self.router.apply(operation)

    def _store(self, placements):
        record = self.record._replace(placements=placements)
        self.stored = Stored(self.stored.generation + 1, record)

    def _confirm(self, item, wrote):
        end = confirmed(item, self.now_ms, wrote=wrote, touched=[Lease.menu] if wrote else [])
        if end.record is not None:
            self.stored = Stored(self.stored.generation + 1, end.record)
        self.outcomes |= {outcome.key: outcome for outcome in end.outcomes}
