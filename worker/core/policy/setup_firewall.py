"""Firewall steps of `routers setup`: suspension rules come first, and what FastTrack may handle."""

from collections.abc import Iterator, Sequence

from worker.core.policy.setup_rows import Rows, SetupStep, WantedRow
from worker.core.policy.setup_spec import FastTrack, RouterAccess, SetupSpec
from worker.core.rows.filter_rules import (
    DIRECTIONS,
    FASTTRACK,
    FILTER6,
    FILTERS,
    SOURCE_LIST,
    TARGET_LIST,
    Rule,
    describe,
    is_active,
    more_matchers,
    rules_ahead,
)


def move_ahead(wanted: WantedRow, own: Rule, rules: Sequence[Rule]) -> Iterator[SetupStep]:
    """Yield the step that puts a suspension rule before all that let packets past it, if needed.

    Nothing can be placed before dynamic rules; `firewall_problems` names them.
    """
    static = (n for n in _ahead(wanted, own, rules) if rules[n].get("dynamic") != "true")
    number = next(static, None)
    if number is not None:
        name, row_id = own.get("comment", ""), own.get(".id", "")
        destination = {"destination": rules[number].get(".id", "")}
        note = f"before {describe(rules, number)}"
        yield SetupStep(wanted.menu, "move", name, destination, row_id, note=note)


def _ahead(wanted: WantedRow, own: Rule, rules: Sequence[Rule]) -> Iterator[int]:
    for direction in DIRECTIONS:
        name = wanted.fields[direction.customer]
        if name and not name.startswith("!"):
            return rules_ahead(rules, own, name, direction)
    return iter(())


def fasttrack_steps(mode: FastTrack, access: RouterAccess, found: Rows) -> Iterator[SetupStep]:
    """Yield the steps that change the enabled FastTrack rules of others, as the inventory says."""
    for menu, suspend_list in access.suspend_lists.items():
        rules = found.get(menu, ())
        for number, rule in enumerate(rules):
            fields: dict[str, str] = {}
            if rule.get("dynamic") == "true" or not _is_fasttrack(rule):
                continue
            if mode == "off":
                fields = {"disabled": "yes"}
            elif mode == "spare-suspended" and suspend_list:
                fields = _sparing(rule, suspend_list)
            if fields:
                before = {name: rule.get(name, "") for name in fields}
                name = describe(rules, number)
                yield SetupStep(menu, "set", name, fields, rule.get(".id", ""), before)


def _is_fasttrack(rule: Rule) -> bool:
    return rule.get("action") == FASTTRACK and is_active(rule)


def _sparing(rule: Rule, suspend_list: str) -> dict[str, str]:
    if _other_lists(rule, suspend_list):
        return {}
    return {name: f"!{suspend_list}" for name in (SOURCE_LIST, TARGET_LIST) if not rule.get(name)}


def _other_lists(rule: Rule, suspend_list: str) -> list[str]:
    lists = [rule.get(name, "") for name in (SOURCE_LIST, TARGET_LIST)]
    return [value for value in lists if value not in ("", f"!{suspend_list}")]


def firewall_problems(
    spec: SetupSpec, access: RouterAccess, wanted: Sequence[WantedRow], found: Rows
) -> Iterator[str]:
    """Yield what keeps the firewall from stopping suspended services, and no step mends."""
    for target in (row for row in wanted if row.menu in FILTERS):
        rules = found.get(target.menu, ())
        own = next((r for r in rules if r.get("comment") == target.key["comment"]), None)
        if own is None:
            continue
        if more := more_matchers(own):
            its = f"{_named(target.menu, rules, rules.index(own))} matches only {', '.join(more)}"
            yield f"{its}: it stops only some packets; unset that by hand"
        for number in _ahead(target, own, rules):
            if rules[number].get("dynamic") == "true":
                its = f"{_named(target.menu, rules, number)} is dynamic and lets packets of"
                yield f"{its} suspended services past: no rule can be placed before it"
    if spec.fasttrack == "spare-suspended":
        yield from _fasttrack_problems(access, found)


def _fasttrack_problems(access: RouterAccess, found: Rows) -> Iterator[str]:
    if not access.suspend_list:
        yield 'fasttrack = "spare-suspended" does nothing: the router has no suspend_list'
    for menu, name in access.suspend_lists.items():
        rules = found.get(menu, ()) if name else ()
        for number, rule in enumerate(rules):
            if _is_fasttrack(rule) and _other_lists(rule, name):
                its = f"{_named(menu, rules, number)} already matches address lists"
                yield f"{its}, so it cannot spare those of {name} too: change it by hand"


def _named(menu: str, rules: Sequence[Rule], number: int) -> str:
    return f"{'IPv6 ' if menu == FILTER6 else ''}{describe(rules, number)}"
