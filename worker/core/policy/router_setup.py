"""Plans `routers setup`: the steps from what a router has to what it should have."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from worker.core.policy.setup_firewall import move_ahead
from worker.core.policy.setup_rows import (
    CERTIFICATE,
    SECRETS,
    Rows,
    SetupStep,
    WantedRow,
    covered,
    list_of,
)
from worker.core.rows import normal
from worker.core.rows.filter_rules import FILTERS


def plan_setup(wanted: Sequence[WantedRow], found: Rows) -> list[SetupStep]:
    """Return the steps that make a router's rows as wanted; none when they are."""
    steps = []
    for target in wanted:
        if target.optional and target.menu not in found:
            continue
        here = [row for row in found.get(target.menu, ()) if row.get("dynamic") != "true"]
        row = next((row for row in here if _is(target.key, row)), None)
        name = " ".join(target.key.values())
        if row is None and not target.fixed:
            given = {k: v for k, v in {**target.key, **target.fields}.items() if v}
            steps.append(_adding(target, name, given, here))
        elif row is not None:
            now = {k: row.get(k, "") for k in target.fields}
            fields = _joined(target, row)
            differing = {k: v for k, v in fields.items() if _normal(k, v) != _normal(k, now[k])}
            if differing:
                before = {k: now[k] for k in differing}
                fields = {k: _revoking(k, v, before[k]) for k, v in differing.items()}
                steps.append(
                    SetupStep(target.menu, "set", name, fields, row.get(".id", ""), before)
                )
            if target.menu in FILTERS:
                steps += move_ahead(target, row, found[target.menu])
        if target.menu == CERTIFICATE and (row is None or not row.get("fingerprint")):
            steps.append(SetupStep(CERTIFICATE, "sign", name, row_id=(row or {}).get(".id", "")))
    return steps


def _joined(wanted: WantedRow, row: Mapping[str, str]) -> Mapping[str, str]:
    """The fields, with our prefixes added to those of the row; an empty list admits everybody."""
    if not wanted.joins:
        return wanted.fields
    there = list_of(row.get(wanted.joins, ""))
    if not there and row.get("disabled") not in normal.YES:
        return {k: v for k, v in wanted.fields.items() if k != wanted.joins}
    ours = list_of(wanted.fields[wanted.joins])
    missing = [prefix for prefix in ours if not covered(prefix, there)]
    return {**wanted.fields, wanted.joins: ",".join([*there, *missing])}


def _adding(
    wanted: WantedRow, name: str, given: dict[str, str], here: Sequence[Mapping[str, str]]
) -> SetupStep:
    if wanted.menu in FILTERS and here:
        given["place-before"] = here[0].get(".id", "")  # after an `accept` it would do nothing
    shown = {k: v for k, v in wanted.once.items() if k not in SECRETS}
    secret = {k: v for k, v in wanted.once.items() if k in SECRETS}
    return SetupStep(wanted.menu, "add", name, given | shown, secret=secret)


def _is(key: Mapping[str, str], row: Mapping[str, str]) -> bool:
    return all(_normal(k, v) == _normal(k, row.get(k, "")) for k, v in key.items())


def _without_lengths(value: str) -> str:
    """Single addresses, several with commas, as some versions show them."""
    return normal.comma_list(value.replace("/32", "").replace("/128", ""))


_NORMAL: Final[Mapping[str, Callable[[str], str]]] = {
    "ranges": normal.comma_list,
    "address": _without_lengths,
    "available-from": _without_lengths,
    "dhcp-option": normal.comma_list,
    "lease-time": normal.duration,
    "disabled": lambda value: normal.boolean(value) or "no",
    "enabled": normal.boolean,
    "use-reconfigure": normal.boolean,
    "value": normal.hexadecimal,
    "policy": lambda value: normal.comma_list(
        ",".join(word for word in value.split(",") if not word.startswith("!"))
    ),
}


def _normal(name: str, value: str) -> str:
    return _NORMAL.get(name, str)(value)


def _revoking(name: str, wanted: str, before: str) -> str:
    """A value as `set` takes it: it only adds policies to a group unless they are revoked."""
    if name != "policy":
        return wanted
    extra = set(_normal(name, before).split(",")) - set(wanted.split(",")) - {""}
    return ",".join([wanted, *(f"!{policy}" for policy in sorted(extra))])
