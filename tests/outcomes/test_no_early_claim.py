"""No change is said to act while the customer's traffic still shows the opposite.

Scenarios are drawn: the firewall, how a service is stopped, when this router lets changes act (no
source decides it), and what happens afterwards. Whenever `acting` is said, packets are sent through
the simulated router. `FASTTRACK_IGNORED` is a broken build that looks at lists alone.
"""

from contextlib import ExitStack
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.outcomes.test_effects import ADDRESS, MAC, POLICY, SERVER, Watched, change, plan
from worker.core.effect import acting_rows
from worker.core.effect.applied_change import acts

pytestmark = [pytest.mark.redis, pytest.mark.router]

FILTER, OURS = "/ip/firewall/filter", "suspended"
ESTABLISHED = {"chain": "forward", "connection-state": "established,related"}
MOMENTS = st.sampled_from(["at-once", "at-renewal", "kept-until-expiry"])
SWITCHES = ("rate_change", "rate_clear", "lists_change", "block_access", "removal")

LIMITS = {"throttle": (64_000, 64_000), "slower": (1_000_000, 2_000_000)}
"""Of changes of the rate: up and down, in bits a second."""

FIREWALLS = st.sampled_from(["none", "ours", "ours, fasttrack", "fasttrack, ours", "fasttrack"])
STEPS = st.sampled_from(["renew", "packets", "10 s", "600 s", "1900 s"])
SCENARIOS = st.fixed_dictionaries(
    {
        "firewall": FIREWALLS,
        "cut": st.sampled_from(["auto", "always", "never"]),
        "reply_only": st.booleans(),
        "opened_by": st.sampled_from(["customer", "world"]),
        "change": st.sampled_from(["walled_garden", "block", "throttle", "cancelled", "slower"]),
        "switches": st.fixed_dictionaries(dict.fromkeys(SWITCHES, MOMENTS)),
        "steps": st.lists(STEPS, max_size=5),
    }
)


def fasttrack_ignored():
    """The broken build: a suspension acts with its row in the list, whatever flows."""
    return patch.object(acting_rows, "_no_flow_passes", lambda *_, **__: acts())


def set_up(router, scenario):
    """The router as its owner has it."""
    for part in scenario["firewall"].split(", "):
        if part == "ours":
            for end in ("src", "dst"):
                rule = {"chain": "forward", "action": "drop", f"{end}-address-list": OURS}
                router.add_row(FILTER, rule)
        elif part == "fasttrack":
            router.add_row(FILTER, {**ESTABLISHED, "action": "fasttrack-connection"})
            router.add_row(FILTER, {**ESTABLISHED, "action": "accept"})
    if scenario["reply_only"]:
        for menu, name, values in (
            ("/ip/dhcp-server", SERVER, {"add-arp": "yes"}),
            ("/interface/vlan", "vlan-32", {"arp": "reply-only"}),
        ):
            row = next(row for row in router.rows(menu) if row["name"] == name)
            router.set_row(menu, row[".id"], values)


def event_of(name):
    if name == "cancelled":
        return builders.cancelled(revision=2)
    if name == "slower":
        return change("plan_changed", 2, plan=plan(1_000, 2_000))
    return builders.suspended(mode=name, revision=2)


class Customer:
    """A device that sends while it has a lease, as DHCP demands, and its connection."""

    def __init__(self, here, opened_by):
        self.here, self.router = here, here.r["R1"]
        self.left_s = here.device()["lease_s"]
        ends = (ADDRESS, "198.51.100.80")
        self.flow = self.router.flow(*(ends if opened_by == "customer" else ends[::-1]))

    def do(self, step):
        match step:
            case "renew":
                answer = self.here.device(requested=ADDRESS)
                self.left_s = answer["lease_s"] if answer["address"] == ADDRESS else 0
            case "packets":
                if self.left_s > 0:
                    self.flow.exchange()
            case _:
                seconds = int(step.split()[0])
                self.here.pass_time(seconds)
                self.left_s -= seconds


def contradiction(customer, name):
    """What the customer's traffic says against `acting`; empty: nothing.

    At layer 2 only packets to the customer stop: what its device sends still leaves the router.
    """
    if customer.left_s <= 0:
        return ""
    for flow in (customer.flow, customer.flow.again()):
        for back in (False, True):
            to_customer = (flow.src if back else flow.dst) == ADDRESS
            sent = flow.send(back=back)
            if name in LIMITS:
                if sent.passed and (sent.fasttrack or sent.limit not in LIMITS[name]):
                    return f"{name}, and a packet passes without its limit: {sent}"
            elif sent.passed and (to_customer or name == "walled_garden"):
                return f"{name}, and a packet passes: {sent}"
    return ""


def early_claim(scenario):
    """What contradicts an `acting` that was said; empty: nothing does, or it was not said."""
    defaults = f'{POLICY}\ncut_connections = "{scenario["cut"]}"'
    with Watched(routers=1, defaults=defaults) as here:
        router = here.r["R1"]
        set_up(router, scenario)
        router.set_switches(**scenario["switches"])
        here.apply(
            builders.activated(
                mac=MAC, ipv4=ADDRESS, server=SERVER, revision=1, plan=plan(10_000, 50_000)
            )
        )
        customer = Customer(here, scenario["opened_by"])
        assert here.read() == ["acting"]
        customer.flow.establish()
        here.apply(event_of(scenario["change"]))
        for step in ["", *scenario["steps"]]:
            if step:
                customer.do(step)
            if "acting" in [said.partition(":")[0] for said in here.read()]:
                return contradiction(customer, scenario["change"])
    return ""


SCENARIO = {
    "firewall": "fasttrack, ours",
    "cut": "never",
    "reply_only": False,
    "opened_by": "customer",
    "change": "walled_garden",
    "switches": dict.fromkeys(SWITCHES, "at-once"),
    "steps": [],
}


@given(SCENARIOS)
@example(SCENARIO)
@example(SCENARIO | {"change": "block"})  # its device does not know yet that it has no lease
@example(SCENARIO | {"change": "cancelled", "reply_only": True})
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nothing_is_said_to_act_while_packets_say_otherwise(scenario):
    assert early_claim(scenario) == ""


@pytest.mark.parametrize("broken", [False, True])
def test_a_build_that_ignores_fasttrack_is_caught(broken):
    with ExitStack() as stack:
        if broken:
            stack.enter_context(fasttrack_ignored())
        assert ("a packet passes" in early_claim(SCENARIO)) is broken
