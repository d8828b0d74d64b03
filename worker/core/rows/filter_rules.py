"""Judges the order of firewall rules: which of them let packets of suspended customers past.

Cautious: a rule with matchers that are not evaluated here may match any packet, and matches none
for sure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from worker.core.rows.normal import YES

FILTER: Final = "/ip/firewall/filter"
FILTER6: Final = "/ipv6/firewall/filter"
FILTERS: Final = (FILTER, FILTER6)
FASTTRACK: Final = "fasttrack-connection"
CHAIN: Final = "forward"
"""Packets between customers and the rest of the world go through this chain."""
SOURCE_LIST, TARGET_LIST = "src-address-list", "dst-address-list"

_STOP: Final = ("drop", "reject")
_CONTINUE: Final = (
    *("passthrough", "log", "tarpit"),
    *("add-src-to-address-list", "add-dst-to-address-list"),
)
_NO_MATCHERS: Final = frozenset(
    {
        *(".id", ".nextid", ".about", "chain", "action", "comment", "disabled", "dynamic"),
        *("invalid", "bytes", "packets", "log", "log-prefix", "jump-target", "reject-with"),
        *("address-list", "address-list-timeout", "hw-offload", "creation-time"),
    }
)

Rule = Mapping[str, str]
"""One rule, as read: all its fields."""

Place = Literal["none", "after-fasttrack", "first"]
"""Our suspension rules: missing; behind a rule that lets packets past; before all of those."""


class Direction(NamedTuple):
    """One direction of a customer's packets: which fields match the customer and the other end."""

    customer: str
    peer: str


DIRECTIONS: Final = (Direction(SOURCE_LIST, TARGET_LIST), Direction(TARGET_LIST, SOURCE_LIST))


class Judgement(NamedTuple):
    """The suspension rules of a router.

    Attributes:
        place: of the worse direction.
        ahead: the rule that lets packets past before them, for people; empty: none.
    """

    place: Place
    ahead: str = ""
    by_fasttrack: bool = False


def is_active(rule: Rule) -> bool:
    """Return whether a rule is enabled and valid."""
    return all(rule.get(name) not in YES for name in ("disabled", "invalid"))


def walled_garden_list(suspend_list: str, rules: Sequence[Rule] = ()) -> str:
    """Return the address list that suspended customers may reach: as a rule has it, else ours."""
    for rule in rules:
        for customer, peer in DIRECTIONS:
            if rule.get(customer) == suspend_list and rule.get("action") in _STOP:
                other = rule.get(peer, "")
                if other.startswith("!") and is_active(rule):
                    return other[1:]
    return f"{suspend_list}-garden"


def judge_suspension(rules: Sequence[Rule], suspend_list: str) -> Judgement:
    """Judge whether rules stop every new packet of suspended customers, in both directions.

    Packets from and to the walled garden are left out.

    `rules` are all of the filter, in their order.
    """
    garden = walled_garden_list(suspend_list, rules)
    stopped, ahead = True, list[int]()
    for direction in DIRECTIONS:
        way = _Walk(rules, suspend_list, garden, direction).through(CHAIN, ())
        stopped &= way.stopped
        ahead += way.ahead
    if not stopped:
        return Judgement("none")
    if not ahead:
        return Judgement("first")
    fasttrack = [n for n in ahead if rules[n].get("action") == FASTTRACK]
    return Judgement("after-fasttrack", describe(rules, min(fasttrack or ahead)), bool(fasttrack))


def rules_ahead(
    rules: Sequence[Rule], own: Rule, suspend_list: str, direction: Direction
) -> Iterator[int]:
    """Yield the numbers of the rules before one of ours by which packets get past it.

    It is one of the filter's rules, a suspension rule, which stops packets of one direction.
    """
    walk = _Walk(rules, suspend_list, walled_garden_list(suspend_list, rules), direction)
    for number, rule in enumerate(rules):
        if rule is own:
            return
        if rule.get("chain") == CHAIN and walk.passes(number):
            yield number


def more_matchers(rule: Rule) -> list[str]:
    """Return the matchers of a suspension rule besides its lists: it stops only some packets."""
    known = (*_NO_MATCHERS, SOURCE_LIST, TARGET_LIST)
    return [f"{name}={value}" for name, value in rule.items() if value and name not in known]


def describe(rules: Sequence[Rule], number: int) -> str:
    """Return how people find a rule: its number, action, chain and comment."""
    rule = rules[number]
    comment = f", comment {rule['comment']!r}" if rule.get("comment") else ""
    return f"rule {number} (chain={rule.get('chain')} action={_action(rule)}{comment})"


def _action(rule: Rule) -> str:
    return rule.get("action") or "accept"


class _Way(NamedTuple):
    """What a chain does to packets.

    Attributes:
        stopped: none leaves it, but by the rules of `ahead`.
        ahead: numbers of the rules by which some may get past.
    """

    stopped: bool
    ahead: Sequence[int]


class _Walk:
    """Follows the packets of suspended customers in one direction, outside the walled garden."""

    def __init__(
        self, rules: Sequence[Rule], suspend_list: str, garden: str, direction: Direction
    ) -> None:
        self._rules = rules
        self._customer, self._peer = direction
        self._suspended, self._garden = suspend_list, garden
        self._known: dict[str, _Way] = {}

    def through(self, chain: str, callers: Sequence[str]) -> _Way:
        ahead, returned = list[int](), False
        for number, rule in enumerate(self._rules):
            if rule.get("chain") != chain or not self._may_match(rule):
                continue
            action, surely = _action(rule), self._surely_matches(rule)
            if action in _STOP and surely:
                return _Way(not returned, ahead)
            if action == "return" and callers:
                if surely:
                    return _Way(stopped=False, ahead=ahead)
                returned = True
            elif action == "jump":
                way = self._jump(number, (*callers, chain))
                ahead += way.ahead
                if way.stopped and surely:
                    return _Way(not returned, ahead)
            elif action not in (*_STOP, *_CONTINUE):
                ahead.append(number)
        return _Way(stopped=False, ahead=ahead)

    def passes(self, number: int, chain: str = CHAIN) -> bool:
        """Return whether some packets get past by a rule of a chain."""
        rule = self._rules[number]
        if not self._may_match(rule):
            return False
        if _action(rule) == "jump":
            return bool(self._jump(number, (chain,)).ahead)
        return _action(rule) not in (*_STOP, *_CONTINUE)

    def _jump(self, number: int, callers: Sequence[str]) -> _Way:
        target = self._rules[number].get("jump-target", "")
        if target in callers:  # a ring of jumps is not followed
            return _Way(stopped=False, ahead=[number])
        if target not in self._known:  # a chain with many jumps to it is followed once
            self._known[target] = self.through(target, callers)
        return self._known[target]

    def _may_match(self, rule: Rule) -> bool:
        return (
            is_active(rule)
            and rule.get(self._customer) != f"!{self._suspended}"
            and rule.get(self._peer) != self._garden
        )

    def _surely_matches(self, rule: Rule) -> bool:
        return all(
            not value
            or name in _NO_MATCHERS
            or (name, value) == (self._customer, self._suspended)
            or (name, value) == (self._peer, f"!{self._garden}")
            for name, value in rule.items()
        )
