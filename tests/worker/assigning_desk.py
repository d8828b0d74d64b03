"""A desk with pools: services whose addresses and prefixes Leasewire assigns."""

from tests import builders
from tests.worker.desk import POLICIES, SOURCES, Desk
from worker.core.entry.assignment import held_values
from worker.core.policy.address_pool import AddressPool, AddressPools, range_of
from worker.intake.accept import Accept


def pool(name="home", ranges="198.51.100.0/29", **more):
    kind = "prefix" if ":" in ranges else "address"
    return AddressPool(name, kind, (range_of(ranges, kind),), **more)


class AssigningDesk(Desk):
    """One worker's accept, with pools."""

    def __init__(self, store, *pools):
        super().__init__(store)
        self.pools = AddressPools({found.name: found for found in pools or (pool(),)})
        self.accept = Accept(store, SOURCES, POLICIES, pools=self.pools)
        self.revisions = {}

    def _revision(self, number):
        self.revisions[number] = self.revisions.get(number, 0) + 1
        return self.revisions[number]

    def event(self, name, number, **data):
        return builders.event(name, f"SVC-{number}", revision=self._revision(number), **data)

    def activated(self, number, pool="home", *, router="R1", wish=None, **block):
        address = {"mode": "assigned", "pool": pool} | ({"ipv4": wish} if wish else {})
        return builders.activated(
            f"SVC-{number}",
            mac=builders.mac(number),
            router=router,
            revision=self._revision(number),
            **({"address": address} | block),
        )

    def activate(self, *numbers, **more):
        self.send(*(self.activated(number, **more) for number in numbers))

    def tell(self, name, number, **data):
        event = self.event(name, number, **data)
        self.send(event)
        return event

    def address(self, number, kind="address"):
        has = self.record(f"SVC-{number}").assigned.get(kind)
        return has and has.value

    def addresses(self, *numbers):
        return [self.address(number) for number in numbers]

    def use(self, name="home"):
        return self.store.pools.use(self.pools, self.store.records.now_ms())[name]

    def end_quarantines(self, name="home"):
        """Let every quarantine of a pool that began be over."""
        for held in list(self.store.pools.values(name)):
            if held.until_ms > 0:
                self.store.client.hset(self.store.keys.assigned, held.value, f"1|{held.service}")
                self.store.client.zadd(self.store.keys.pool_values(name), {held.value: 1})

    def check(self, numbers=range(1, 20)):
        """What records say is what Redis guards, and no value is given twice."""
        stored = self.store.records.read([f"SVC-{number}" for number in numbers])
        given = {}
        for service, found in stored.items():
            for value in held_values(found.record, self.pools):
                assert value not in given, f"{value}: {service} and {given[value]}"
                given[value] = service
        for value, service in given.items():
            held = self.store.pools.holders([value])[value]
            assert (held.service, held.until_ms) == (service, 0)
        return given
