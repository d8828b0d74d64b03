"""What on a router keeps changes from acting at the customer, and what a person can do."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.entry.wanted import kind_of
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.router_check import CheckLine
from worker.core.rows.filter_rules import FILTER, FILTER6
from worker.core.rows.rows import ADDRESS_LISTS, ADDRESS_LISTS6

FindingKind = Literal[
    "suspension-rule",
    "fasttrack-defeats-suspension",
    "fasttrack-defeats-rates",
    "queue-shadowed",
    "ipv6-not-covered",
]


class EffectFinding(NamedTuple):
    """One of them; the runbook has the name of its kind."""

    kind: FindingKind
    detail: str


ENDS: Final[dict[FindingKind, str]] = {
    "suspension-rule": "firewall rules stop suspended customers, before others let them past",
    "fasttrack-defeats-suspension": "FastTrack does not keep suspended customers online any more",
    "fasttrack-defeats-rates": "no enabled firewall rule uses FastTrack",
    "queue-shadowed": "no queue of others takes packets before a queue of ours",
    "ipv6-not-covered": "services have `ipv6`, or its DHCP servers give out no IPv6 addresses",
}
"""Kind -> how it is when it is not found any more."""


def findings(facts: EffectFacts, policy: RouterPolicy) -> list[EffectFinding]:
    """Return what was found at the last full read; nothing before the first.

    `policy` is as held in the router's kind of entry.
    """
    if not facts.read_at_ms:
        return []
    details: dict[FindingKind, list[str]] = {}
    for kind, detail in (
        *_of_suspension(facts, policy),
        *_of_rates(facts, policy),
        *_of_ipv6(facts),
    ):
        details.setdefault(kind, []).append(detail)
    return [EffectFinding(kind, "; ".join(of_kind)) for kind, of_kind in details.items()]


def check_lines(facts: EffectFacts, policy: RouterPolicy) -> Iterator[CheckLine]:
    """Yield what `routers check` says: each finding, what is not known, and else what was found."""
    found = findings(facts, policy)
    for kind, detail in found:
        yield CheckLine("warn", kind, detail, f"See `leasewire runbook {kind}`")
    if facts.unread:
        menus = ", ".join(sorted(facts.unread))
        detail = f"our user may not read {menus}: when changes act is not known"
        yield CheckLine("warn", "effect", detail, "Give its group the policy read")
    elif not found:
        yield CheckLine("ok", "effect", "; ".join(_in_order(facts, policy)))


def _in_order(facts: EffectFacts, policy: RouterPolicy) -> Iterator[str]:
    yield "FastTrack is on" if facts.fasttrack else "no FastTrack"
    if policy.suspend_list and facts.suspension == "first":
        yield f"new packets from and to address list {policy.suspend_list} are dropped first"
    if facts.ipv6_filter is not None and facts.ipv6_filter.suspension == "first":
        yield f"new IPv6 packets from and to address list {policy.ipv6_list} are dropped first"
    if facts.layer2:
        yield f"without a lease a device is cut off by ARP: {', '.join(sorted(facts.layer2))}"
    if facts.reconfigure:
        yield f"devices may be asked to renew: {', '.join(sorted(facts.reconfigure))}"


def _of_suspension(facts: EffectFacts, policy: RouterPolicy) -> Iterator[EffectFinding]:
    uses = kind_of(policy).uses
    if policy.suspend_list and ADDRESS_LISTS in uses and FILTER not in facts.unread:
        yield from _of_rules(facts, policy.suspend_list, policy, "")
    if facts.ipv6_filter is not None and ADDRESS_LISTS6 in uses and FILTER6 not in facts.unread:
        yield from _of_rules(facts.ipv6_filter, policy.ipv6_list, policy, "IPv6 ")


def _of_rules(
    rules: EffectFacts | Ipv6Filter, name: str, policy: RouterPolicy, family: str
) -> Iterator[EffectFinding]:
    if rules.suspension == "none":
        detail = (
            f"no {family}firewall rules drop all packets from and to address list {name}: a "
            "suspended customer may stay online"
        )
        yield EffectFinding("suspension-rule", detail)
    elif rules.suspension == "after-fasttrack":
        detail = f"{family}{rules.ahead} comes before the rules that drop packets of address list"
        detail = f"{detail} {name}"
        if rules.ahead_is_fasttrack:
            detail += ": open connections of a suspended customer go on"
            yield EffectFinding("fasttrack-defeats-suspension", detail)
        else:
            yield EffectFinding("suspension-rule", f"{detail}, and lets some of them past")
    elif rules.fasttrack and policy.cut_connections == "never":
        detail = (
            f'{family}FastTrack is on and cut_connections is "never": connections that were open '
            "before a suspension go on until they end"
        )
        yield EffectFinding("fasttrack-defeats-suspension", detail)


def _of_rates(facts: EffectFacts, policy: RouterPolicy) -> Iterator[EffectFinding]:
    if facts.fasttrack and "rate-limit" in policy.managed:
        detail = "FastTrack is on: connections that it handles meet no queue, so no rate limit"
        yield EffectFinding("fasttrack-defeats-rates", detail)
    if facts.shadows:
        detail = (
            f"{'; '.join(map(str, facts.shadows))} of others stand before queues of ours and take "
            "packets of their customers: their rates are not in force"
        )
        yield EffectFinding("queue-shadowed", detail)


def _of_ipv6(facts: EffectFacts) -> Iterator[EffectFinding]:
    if facts.ipv6 and facts.ipv6_filter is None:
        detail = (
            f"devices get IPv6 addresses on {', '.join(sorted(facts.ipv6))}, and no service there "
            "has `ipv6`: a suspension covers IPv4 alone, and so does a rate limit"
        )
        yield EffectFinding("ipv6-not-covered", detail)
