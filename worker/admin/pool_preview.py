"""What a file of services would need of the pools of the inventory, before it is imported."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.core.entry.assignment import Need, need_of
from worker.core.policy.address_pool import KINDS, AddressPools, PoolKind
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Unassigned
from worker.core.texts import counted
from worker.store.store import Store


@dataclass(slots=True)
class PoolPreview:
    """Collects what services would need of the pools; the store is only read."""

    store: Store
    pools: AddressPools
    _needs: Counter[str] = field(default_factory=Counter)
    _without_pool: Counter[str] = field(default_factory=Counter)
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    _warnings: list[str] = field(default_factory=list)

    def note(self, record: ServiceRecord, before: ServiceRecord) -> None:
        """Note what a service would need, as the file would leave it; `before`: as stored."""
        if record.value("lifecycle") != "on":
            return
        for kind in KINDS:
            need = need_of(record, before, kind, self.pools)
            if isinstance(need, Unassigned):
                self._without_pool[need.detail] += 1
            elif isinstance(need, Need):
                has = record.assigned.get(kind)
                if has is None or has.pool != need.pool.name:
                    self._note_need(record, kind, need)

    def _note_need(self, record: ServiceRecord, kind: PoolKind, need: Need) -> None:
        service, pool = record.service_id, need.pool.name
        self._needs[pool] += 1
        value = record.asked(kind).get("ipv4" if kind == "address" else "ipv6")
        if not value:
            return
        first, _ = self._asked.setdefault(value, (service, pool))
        if value not in need.first:
            self._warnings.append(f"{service}: {value} is not in pool {pool}: it gets another one")
        elif first != service:
            self._warnings.append(f"{first} and {service} both ask for {value}: one gets another")

    def warnings(self) -> Iterator[str]:
        """Services that would wait, or would not get the value that the file names."""
        yield from self._warnings
        for detail, number in sorted(self._without_pool.items()):
            yield f"{detail}: {counted(number, 'service')} would wait for it"
        now_ms = self.store.records.now_ms()
        for value, held in self.store.pools.holders(list(self._asked)).items():
            service, pool = self._asked[value]
            if not held.is_free(service, now_ms):
                who = f"service {held.service}" if held.service else "a row that is not ours"
                yield f"{service}: {who} has {value} of pool {pool}: it gets another one"
        needed = {name: self.pools.pools[name] for name in sorted(self._needs)}
        for name, use in self.store.pools.use(AddressPools(needed), now_ms).items():
            if self._needs[name] > use.free:
                services = counted(self._needs[name], "service")
                late = counted(self._needs[name] - use.free, "service")
                free = f"{use.free:,} are free"
                yield f"pool {name}: {services} would need a value, {free}: {late} would wait"
