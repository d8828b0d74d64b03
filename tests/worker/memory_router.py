"""A router in memory, which can be stubborn: a session over the tables of `simulate.py`."""

from tests.core.simulate import OperationRefusedError, Tables
from worker.core.effect.facts import EffectFacts
from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.rows.operations import Add, Set
from worker.core.rows.rows import LEASES, Lease
from worker.ports import Refusal, Written


class MemoryRouter:
    """Sessions and session in one.

    Attributes:
        tables: its rows.
        stubborn: fields that it takes, and then holds as they were.
        refuses: menu -> words with which each addition there is refused.
        written: every operation it was sent.
    """

    identity, version, serial, entries = "R1", "7.18.2", "S", "lease"
    uptime_s = None

    def __init__(self, rows=()):
        self.tables = Tables(rows)
        self.stubborn = frozenset()
        self.refuses = {}
        self.written = []

    def open(self, router, turn=None):
        return self

    def give_back(self, router, session):
        pass

    def close(self):
        pass

    def lacking(self, menu, names):
        return ()

    def renewed(self, fields):
        return fields

    def wait_longer(self, doublings):
        pass

    def read_setup(self, *, fresh):
        return DhcpSetup()

    def read_ipv6_setup(self, *, fresh):
        del fresh
        return Ipv6Setup(servers=frozenset())

    def read_effect(self, suspend_list, servers, progress, *, ipv6_list=""):
        return EffectFacts()

    def read_leases(self, query, progress):
        rows = [row for row in self.tables.rows() if isinstance(row, Lease)]
        return [
            row
            for row in rows
            if query is None
            or row.device in query.devices
            or row.address in query.addresses
            or row.comment in query.comments
        ]

    def read_rows(self, menu, terms, progress):
        rows = (row for row in self.tables.rows() if row.menu == menu)
        return [
            row
            for row in rows
            if any({**row.fields, "comment": row.comment}.get(n) == v for n, v in terms)
        ]

    def write(self, operations, progress):
        self.written += operations
        return [Written(operation, self._apply(operation)) for operation in operations]

    def _apply(self, operation):
        if isinstance(operation, Add) and operation.menu in self.refuses:
            return Refusal("refused", self.refuses[operation.menu])
        if isinstance(operation, Add) and operation.menu == LEASES:
            defaults = {"client-id": "", "server": "all"}
            operation = Add(0, operation.service_id, {**defaults, **operation.fields})
        if isinstance(operation, Set):
            kept = {k: v for k, v in operation.fields.items() if k not in self.stubborn}
            operation = Set(0, "", operation.row_id, kept, {}, menu=operation.menu)
        try:
            self.tables.apply(operation)
        except OperationRefusedError as error:
            return Refusal("stale", str(error))
        return None
