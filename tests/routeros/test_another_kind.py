"""A kind of entry that only this test knows is planned, written and read back like a lease."""

import re
from pathlib import Path

import pytest

from contracts.parse import parse_event
from simulator.testing import running
from tests.builders import activated, cancelled, ipv4, mac, mac_changed, suspended, version_of
from tests.routeros.peers import config_for, nothing
from worker.core.entry.entry import Claim, Entry, EntryKind
from worker.core.entry.wanted import KINDS, placed, wanted_entries
from worker.core.full_read.drift import differences
from worker.core.plan.member import Wanted, wanted_at
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows import normal
from worker.core.rows.menus import Field, Menu
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import NO_ADDRESS, NO_MAC
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.errors import RouterBlocked
from worker.inventory.policy_keys import PolicyKeys

pytestmark = pytest.mark.router

ARP = "/ip/arp"
INTERFACE = "vlan-32"
NAMES = {"server": "interface", "block-access": "published"}
OWN_NAMES = {own: name for name, own in NAMES.items()}


class ArpEntry(EntryKind):
    """Static ARP: the interface stands for the DHCP server, `published` for a block."""

    name = "arp"
    menu = Menu.of(
        ARP,
        "test",
        Field("mac-address", normal.mac, NO_MAC),
        Field("address", default=NO_ADDRESS),
        Field("interface"),
        Field("published", normal.boolean, "no"),
        Field("comment"),
    )

    def wanted(self, record, policy):
        blocked = isinstance(record.value("suspension"), dict)
        fields = {
            "mac-address": str(record.value("mac")),
            "address": record.address,
            "server": policy.default_server,
            "block-access": "yes" if blocked else "no",
        }
        return Entry(record.service_id, fields)

    def as_lease(self, values):
        return {OWN_NAMES.get(name, name): value for name, value in values.items()}

    def own_fields(self, fields):
        return {NAMES.get(name, name): value for name, value in fields.items()}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(KINDS, "arp", ArpEntry())


@pytest.fixture
def router():
    with running(seed_guide=True, rest_port=0) as sim:
        yield sim.router


def record_of(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    return placed(record, {})


class Life:
    """One service on one router: each `becomes` plans, writes and reads back."""

    def __init__(self, session, policy):
        self.session, self.policy, self.written = session, policy.held_in(session.entries), None

    def plan(self, record):
        wanted = wanted_at("R1", record, self.policy)
        wanted = Wanted(wanted.entry, written=self.written)
        index = RowIndex(self.session.read_leases(None, nothing), "acme")
        return wanted, plan([wanted], index, self.policy)

    def becomes(self, *raws):
        wanted, made = self.plan(record_of(*raws))
        for phase in made.phases:
            assert all(answer.refusal is None for answer in self.session.write(phase, nothing))
        self.written = wanted.entry.fields
        assert self.plan(record_of(*raws))[1].phases == ()
        return made


def policy_of():
    return PolicyKeys(entries="arp", dhcp_server=INTERFACE).policy("acme", {})


def test_a_service_lives_in_the_menu_of_a_kind_that_nothing_else_knows(router, log_into, transport):
    policy = policy_of()
    session = log_into(config_for(router, transport, policy=policy))
    assert session.entries == "arp"
    life = Life(session, policy)

    def held():
        return [
            (row["mac-address"], row["address"], row["interface"], row["published"])
            for row in router.rows(ARP)
            if "leasewire:acme:SVC-1" in row["comment"]
        ]

    life.becomes(activated())
    assert held() == [(mac(1), ipv4(10), INTERFACE, "false")]
    life.becomes(activated(), mac_changed(mac(2)))
    assert held() == [(mac(2), ipv4(10), INTERFACE, "false")]
    life.becomes(activated(), mac_changed(mac(2)), suspended())
    assert held() == [(mac(2), ipv4(10), INTERFACE, "true")]
    life.becomes(activated(), cancelled())
    assert held() == []
    assert router.rows("/ip/dhcp-server/lease") == []


def test_claims_foreign_rows_and_drift_work_as_for_leases(router, log_into, transport):
    policy = policy_of()
    record = record_of(activated())
    entry = wanted_entries(record, {"R1": policy})["R1"]
    assert entry.claims == {
        Claim(f"mac:{mac(1)}", INTERFACE),
        Claim(f"address:{ipv4(10)}", "all"),
    }
    life = Life(log_into(config_for(router, transport, policy=policy)), policy)
    foreign = {"address": ipv4(10), "mac-address": mac(9), "interface": INTERFACE}
    row_id = router.add_row(ARP, foreign)
    _, made = life.plan(record)
    assert made.waiting["SVC-1"].reason == "foreign-row"
    router.remove_row(ARP, row_id)
    life.becomes(activated())
    (row,) = router.rows(ARP)
    router.set_row(ARP, row[".id"], {"address": ipv4(11)})
    (difference,) = differences(life.plan(record)[1])
    assert (difference.field, difference.wanted, difference.found) == (
        "address",
        ipv4(10),
        ipv4(11),
    )


def test_a_router_without_the_menu_is_refused_and_auto_does_not_take_the_kind(
    router, log_into, transport, monkeypatch
):
    session = log_into(config_for(router, transport, policy=RouterPolicy("acme")))
    assert session.entries == "lease"
    monkeypatch.setattr(
        ArpEntry, "menu", Menu.of("/ip/nothing", "test", *ArpEntry.menu.fields.values())
    )
    with pytest.raises(RouterBlocked, match="does not answer /ip/nothing") as raised:
        log_into(config_for(router, transport, policy=policy_of()))
    assert raised.value.cause == "no-entry-menu"


def test_nothing_but_its_own_module_and_the_list_of_kinds_names_a_kind():
    root = Path(__file__).parents[2]
    own = {"worker/core/entry/kinds/mac_server.py", "worker/core/entry/wanted.py"}
    naming = {
        file.relative_to(root).as_posix()
        for package in ("contracts", "producers", "worker", "gateway", "leasewire")
        for file in (root / package).rglob("*.py")
        if re.search("mac.server", file.read_text(), re.IGNORECASE)
    }
    assert naming == own
