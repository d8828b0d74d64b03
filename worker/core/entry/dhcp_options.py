"""DHCP options of services as rows that services share: one row per value, named after it.

A row is never changed: another value is another row.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import OptionRow

DNS_CODE: Final = 6
"""DHCP option 6: domain name servers (RFC 2132, 3.8)."""

OptionFields = Mapping[str, str]

OPTIONS_LEFT_TO_OTHERS = ("options-not-managed", "the router's policy leaves dhcp-option to others")
"""Note of a service whose DHCP options are not written."""


def option_rows(
    dns_servers: JsonValue, options: JsonValue, policy: RouterPolicy
) -> dict[str, OptionFields]:
    """Return the option rows that a service needs, by name; DNS servers win over an option 6."""
    servers: Any = dns_servers or []
    given: Any = options or []
    digits = {int(option["code"]): str(option["hex"]) for option in given}
    if servers:
        digits[DNS_CODE] = "".join(f"{int(IPv4Address(server)):08x}" for server in servers)
    rows: dict[str, OptionFields] = {}
    for code, value in sorted(digits.items()):
        is_dns = code == DNS_CODE and bool(servers)
        fields = _fields(policy, f"{'dns' if is_dns else f'opt{code}'}", code, value)
        rows[fields["name"]] = fields
    return rows


def _fields(policy: RouterPolicy, kind: str, code: int, digits: str) -> dict[str, str]:
    fields = {"code": str(code), "value": f"0x{digits.lower()}"}
    if policy.force_options:
        fields["force"] = "yes"
    digest = hashlib.sha256("|".join(fields.values()).encode()).hexdigest()[:10]
    return {"name": f"{_prefix_of(policy.installation)}{kind}-{digest}", **fields}


def _prefix_of(installation: str) -> str:
    return f"lw-{installation}-"


def is_ours(name: str, installation: str) -> bool:
    """Return whether an option row has a name that this installation gives."""
    rest = re.escape(_prefix_of(installation))
    return re.fullmatch(rf"{rest}(dns|opt\d{{1,3}})-[0-9a-f]{{10}}", name) is not None


class UnusedOptions(NamedTuple):
    """The option rows of ours that nothing on a router names.

    Attributes:
        collect: rows that were unused at the check before too: to be removed.
        unnamed: names that are unused now: to be remembered for the next check.
    """

    collect: Sequence[OptionRow]
    unnamed: frozenset[str]


def collectable(
    options: Iterable[OptionRow],
    named: Collection[str],
    seen_before: Collection[str],
    installation: str,
) -> UnusedOptions:
    """Return our option rows that nothing named at two checks in a row.

    `named` are those in any lease, option set or network, ours or not; `seen_before` were unused at
    the last check.
    """
    ours = [row for row in options if is_ours(row.option, installation)]
    unnamed = {row.option: row for row in ours if row.option not in named}
    collect = [unnamed[name] for name in sorted(unnamed) if name in seen_before]
    return UnusedOptions(collect, frozenset(unnamed))
