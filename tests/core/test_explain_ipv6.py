"""Why a service has no prefix: facts in, a code and what the sentence must say out."""

from dataclasses import replace

import pytest

from tests.bindings import PREFIX, binding, duid, learned, own_binding
from tests.builders import ipv4, mac
from worker.core.diagnosis.explain_ipv6 import explain_ipv6
from worker.core.diagnosis.facts import AtRouter, Facts, Why
from worker.core.diagnosis.verification import verify
from worker.core.rows.observed import Observation, SeenIpv6
from worker.core.service.event_ref import Version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement, Register, Unassigned

NOW = 1_000_000_000
V = Version(0, 1, 0, "")
ROW = {"mac-address": mac(1), "address": ipv4(10), "server": "dhcp1", "block-access": "no"}
ACTIVE = ServiceRecord(
    "SVC-1",
    registers={
        "lifecycle": Register("on", V, "a1"),
        "router": Register("R1", V, "a1"),
        "mac": Register(mac(1), V, "a1"),
        "address": Register({"mode": "static", "ipv4": ipv4(10)}, V, "a1"),
    },
    placements={"R1": Placement(ROW)},
)
STATED = own_binding(duid=duid(1), iaid="1")
OPEN = own_binding()
LEARNED = learned()
OWN = binding("*1", service_id="SVC-1")
LINK_LOCAL = "fe80::200:5eff:fe00:5301"
"""Made from `mac(1)`."""


def facts(wants=STATED, written=(), **at):
    router = AtRouter(
        name="R1", wants=ROW, written=ROW, bindings=(wants,), written_bindings=written, **at
    )
    workers = frozenset({"events", "routers"})
    return Facts(now_ms=NOW, installation="acme", record=ACTIVE, at=[router], workers=workers)


def seen(*rows, wants=STATED, written=(), servers=None, **at):
    ipv6 = SeenIpv6(rows, {"home6": ""} if servers is None else servers)
    return facts(wants, written, seen=Observation(ipv6=ipv6), **at)


def bound(row=OWN, **changes):
    return replace(row, **{"status": "bound", "expires_in_s": 60, **changes})


SITUATIONS = {
    "all well": (
        seen(bound(client_address=LINK_LOCAL)),
        "all-well",
        [
            f"SVC-1: all is well: its device (DUID {duid(1)}, IAID 1, asks from {LINK_LOCAL}",
            PREFIX,
            f"<{NOW + 60_000}>",
        ],
    ),
    "address all well": (
        seen(
            bound(binding("*1", service_id="SVC-1", address="2001:db8::5/128", ia_type="na")),
            wants=own_binding(ia="na", address="2001:db8::5/128"),
            written=(learned(ia="na", address="2001:db8::5/128"),),
        ),
        "all-well",
        ["has address 2001:db8::5 on router R1"],
    ),
    "not asked": (facts(written=(LEARNED,)), "all-well", ["was written and confirmed"]),
    "not asked, and never learned": (
        facts(OPEN),
        "ipv6-client-unknown",
        ["its device was not found"],
    ),
    "router silent": (
        facts(written=(LEARNED,), silence="timed out"),
        "router-silent",
        ["does not answer now: timed out"],
    ),
    "no IPv6 on the router": (
        facts(seen=Observation(ipv6=SeenIpv6(problem="no such command prefix"))),
        "ipv6-not-on-router",
        ["no such command prefix"],
    ),
    "no server": (seen(OWN, servers={}), "ipv6-no-server", ["R1 has no DHCPv6 server"]),
    "all servers are off": (
        seen(OWN, servers={"home6": "disabled"}),
        "ipv6-no-server",
        ["no enabled DHCPv6 server"],
    ),
    "its server is not there": (
        seen(OWN, wants=own_binding(server="other")),
        "ipv6-no-server",
        ["has no DHCPv6 server 'other'"],
    ),
    "its server is off": (
        seen(OWN, wants=own_binding(server="home6"), servers={"home6": "disabled"}),
        "ipv6-no-server",
        ["'home6' of router R1 is disabled"],
    ),
    "its device never asked": (
        seen(binding("*2", 2, dynamic=True, address="2001:db8:2::/56"), wants=OPEN),
        "ipv6-client-unknown",
        [f"its device {mac(1)}", PREFIX],
    ),
    "its device was found": (
        seen(binding("*2", dynamic=True, address="2001:db8:2::/56"), wants=OPEN),
        "ipv6-client-found",
        [f"DUID {duid(1)}, IAID 1", "with 2001:db8:2::/56 by a dynamic binding"],
    ),
    "found by the address it asks from": (
        seen(
            binding("*2", dynamic=True, duid="0x00020000ab11", client_address=LINK_LOCAL),
            wants=OPEN,
        ),
        "ipv6-client-found",
        ["DUID 0x00020000ab11, IAID 1"],
    ),
    "found by the router's neighbours": (
        seen(binding("*2", dynamic=True, duid="0x00020000ab11", client_mac=mac(1)), wants=OPEN),
        "ipv6-client-found",
        ["DUID 0x00020000ab11, IAID 1"],
    ),
    "two clients may be its device": (
        seen(
            binding("*2", dynamic=True),
            binding("*3", dynamic=True, iaid="2", address="2001:db8:2::/56"),
            wants=OPEN,
        ),
        "ipv6-client-ambiguous",
        ["cannot be told which DHCPv6 client", "IAID 1", "IAID 2"],
    ),
    "binding missing": (seen(), "binding-missing", [f"no binding for prefix {PREFIX} yet"]),
    "binding removed": (
        seen(written=(LEARNED,), wants=OPEN),
        "binding-missing",
        ["removed by hand or lost by the router"],
    ),
    "binding of another installation": (
        seen(binding("*1", comment="leasewire:other:SVC-1"), written=(LEARNED,)),
        "binding-missing",
        [],
    ),
    "switched off": (
        seen(replace(OWN, disabled=True)),
        "binding-disabled",
        ["was disabled by hand"],
    ),
    "changed by hand": (
        seen(binding("*1", service_id="SVC-1", address="2001:db8:9::/56")),
        "binding-differs",
        [f"address is 2001:db8:9::/56, not {PREFIX}"],
    ),
    "its learned client was changed by hand": (
        seen(binding("*1", service_id="SVC-1", iaid="7"), wants=OPEN, written=(LEARNED,)),
        "binding-differs",
        ["iaid is 7, not 1"],
    ),
    "its device asks with another IAID": (
        seen(
            OWN,
            bound(binding("*2", dynamic=True, iaid="2", address="2001:db8:2::/56")),
            wants=OPEN,
            written=(LEARNED,),
        ),
        "ipv6-client-changed",
        ["IAID 2", "instead of DUID", "when this is learned"],
    ),
    "its device asks with another IAID, and its own has not left": (
        seen(
            bound(last_seen_s=1),
            bound(binding("*2", dynamic=True, iaid="2", address="2001:db8:2::/56")),
            wants=OPEN,
            written=(LEARNED,),
        ),
        "ipv6-client-changed",
        ["asks as another client too", "IAID 2"],
    ),
    "a wrong client was stated": (
        seen(OWN, binding("*2", dynamic=True, iaid="2", address="2001:db8:2::/56")),
        "ipv6-client-silent",
        ["a device with its MAC asks as another client", "IAID 2"],
    ),
    "its prefix is used by another": (
        seen(OWN, bound(binding("*2", 2, dynamic=True))),
        "prefix-in-use",
        [f"prefix {PREFIX} is used by another client", f"until <{NOW + 60_000}> at the latest"],
    ),
    "silent": (seen(OWN), "ipv6-client-silent", ["has not asked for it yet"]),
    "seen before, gone now": (
        seen(replace(OWN, last_seen_s=90)),
        "ipv6-client-silent",
        [f"has not renewed it since <{NOW - 90_000}>"],
    ),
    "only observed, and not there": (
        seen(observed=True),
        "observed-differs",
        ["in observe mode", "no binding with its tag"],
    ),
    "only observed, and bound by a row of others": (
        seen(bound(binding("*1", comment="by hand")), observed=True),
        "all-well",
        [PREFIX, "in observe mode"],
    ),
}


def when(at_ms):
    return f"<{at_ms}>"


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_sentence_says_what_is_so(name):
    given, code, parts = SITUATIONS[name]
    found = explain_ipv6(given, when)
    assert found.code == code, found.sentence
    assert [part for part in parts if part not in found.sentence] == [], found.sentence
    assert bool(found.advice) == (code not in ("all-well", "prefix-in-use"))


def test_nothing_is_said_without_ipv6_and_where_nothing_is_written_at_all():
    assert explain_ipv6(replace(facts(), at=[AtRouter(name="R1", wants=ROW)]), when) is None
    waits = facts(why=Why("foreign-row", "in the way", NOW), queued=True)
    assert explain_ipv6(waits, when) is None


def test_a_service_that_waits_for_a_prefix_of_a_pool_says_for_which():
    why = Unassigned("home6", "pool-full", "pool home6 has no free value")
    given = facts()
    given = replace(
        given,
        record=ACTIVE._replace(unassigned={"prefix": why}),
        at=[replace(given.at[0], bindings=())],
    )
    found = explain_ipv6(given, when)
    assert (found.code, found.sentence) == (
        "pool-full",
        "SVC-1 waits for a prefix: pool home6 has no free value",
    )
    assert "ranges" in found.advice


def test_verification_has_a_line_for_the_prefix():
    def line(given):
        return next(line for line in verify(given, None, when) if line.what == "prefix")

    assert line(seen(bound())).level == "ok"
    assert line(seen(bound())).detail.startswith("its device (DUID")
    found = line(seen(binding("*2", dynamic=True), wants=OPEN))
    assert (found.level, "made static" in found.detail) == ("warn", True)
    assert line(seen(wants=OPEN)).level == "fail"
