"""Devices and a person at random: what stands in other menus is what bound bindings make."""

import time
from ipaddress import IPv6Network
from itertools import combinations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simulator.dhcp6_server import Asked6, Client6, release6, renew6, request6
from simulator.errors import RouterError
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.binding_rows import BINDING, HELD
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import Caller
from simulator.values6 import duid_of, link_local_of

PERSON = Caller("t", "t", frozenset(POLICIES))
ROUTES, LISTS, QUEUES = "/ipv6/route", "/ipv6/firewall/address-list", "/queue/simple"
MACS = [f"00:00:5E:00:53:0{digit}" for digit in "ABC"]
PREFIXES = ["2001:db8:100:100::/56", "2001:db8:100:180::/57", "2001:db8:1::/56", ""]

who = st.tuples(st.sampled_from(MACS), st.integers(1, 2))
pick = st.integers(0, 9)


class BindingMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = time.monotonic()
        self.router = Router(RouterOptions(version="7.20.8"), MENUS, now=lambda: self.now)
        seed_guide(self.router)
        self.run("/ipv6/pool/add", name="p6", prefix="2001:db8:100::/53", prefix_length="56")
        server = {"name": "six", "interface": "vlan-32", "prefix_pool": "p6", "lease_time": "1h"}
        self.run("/ipv6/dhcp-server/add", **server)
        self.holds = {}

    def run(self, command, **values):
        arguments = {name.replace("_", "-"): value for name, value in values.items()}
        try:
            self.router.execute(command, arguments, PERSON)
        except RouterError as error:
            assert "static binding" in error.text or "dynamic binding" in error.text  # noqa: PT017

    def rows(self, path):
        return list(MENUS[path].rows(self.router).rows.values())

    def asked(self, device):
        mac, iaid = device
        held = self.holds.get(device)
        client = Client6(duid_of(mac), "six", link_local_of(mac), mac)
        return client, Asked6("pd", iaid, (held,) if held else ())

    def note(self, device, answer):
        self.holds.pop(device, None)
        if not answer.address:
            assert answer.status != "success"
            return
        self.holds[device] = answer.address
        row = self.router.table(BINDING).rows[answer.row_id]
        assert (row.values[HELD], row.values["status"]) == (answer.address, "bound")
        assert row.values["address"] in ("", answer.address)

    @rule(device=who)
    def ask(self, device):
        self.note(device, request6(self.router, *self.asked(device)))

    @rule(device=who)
    def see_what_there_is(self, device):
        request6(self.router, *self.asked(device), bind=False)

    @rule(device=who)
    def renew(self, device):
        if device in self.holds:
            self.note(device, renew6(self.router, *self.asked(device)))

    @rule(device=who)
    def release(self, device):
        release6(self.router, *self.asked(device))
        self.holds.pop(device, None)

    @rule(device=who, prefix=st.sampled_from(PREFIXES), lists=st.sampled_from(["", "a", "a,b"]))
    def add(self, device, prefix, lists):
        client, asked = self.asked(device)
        named = {"duid": client.duid, "iaid": str(asked.iaid)}
        self.run(f"{BINDING}/add", address=prefix, address_lists=lists, **named)

    @rule(number=pick)
    def make_static(self, number):
        for row in self.rows(BINDING)[number : number + 1]:
            self.run(f"{BINDING}/make-static", numbers=row.id)

    @rule(number=pick, prefix=st.sampled_from(PREFIXES), rate=st.sampled_from(["", "5M/20M"]))
    def change(self, number, prefix, rate):
        for row in self.rows(BINDING)[number : number + 1]:
            self.run(f"{BINDING}/set", numbers=row.id, address=prefix, rate_limit=rate)

    @rule(number=pick, device=who)
    def give_to_another(self, number, device):
        client, asked = self.asked(device)
        for row in self.rows(BINDING)[number : number + 1]:
            named = {"duid": client.duid, "iaid": str(asked.iaid)}
            self.run(f"{BINDING}/set", numbers=row.id, **named)

    @rule(number=pick, command=st.sampled_from(["remove", "disable", "enable"]))
    def switch(self, number, command):
        for row in self.rows(BINDING)[number : number + 1]:
            self.run(f"{BINDING}/{command}", numbers=row.id)

    @rule(seconds=st.sampled_from([60, 1800, 4000]))
    def wait(self, seconds):
        self.now += seconds
        self.router.end_leases()

    @rule()
    def restart(self):
        self.router.boot()

    @invariant()
    def other_menus_are_what_bindings_make(self):
        bound = [row.values for row in self.rows(BINDING) if HELD in row.values]
        routes = sorted((r.values["dst-address"], r.values["gateway"]) for r in self.rows(ROUTES))
        assert routes == sorted((v[HELD], f"{v['client-address']}%vlan-32") for v in bound)
        queues = sorted(row.values["target"] for row in self.rows(QUEUES))
        assert queues == sorted(v[HELD] for v in bound if v.get("rate-limit"))
        listed = {(row.values["list"], row.values["address"]) for row in self.rows(LISTS)}
        made = {(name, v[HELD]) for v in bound for name in v["address-lists"].split(",") if name}
        assert listed <= made

    @invariant()
    def no_dynamic_prefix_is_given_twice(self):
        nets = [IPv6Network(r.values["address"]) for r in self.rows(BINDING) if r.dynamic]
        assert not any(one.overlaps(other) for one, other in combinations(nets, 2))

    @invariant()
    def only_bound_rows_have_what_a_client_makes(self):
        for row in self.rows(BINDING):
            assert (HELD in row.values) is (row.values["status"] == "bound")
            assert ("expires-after" in row.times) or not (row.dynamic or HELD in row.values)


TestBindings = BindingMachine.TestCase
TestBindings.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
