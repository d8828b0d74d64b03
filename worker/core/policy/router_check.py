"""Judges a router's own settings: one line for each thing that matters to Leasewire."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Final, Literal, NamedTuple

from worker.core.policy.policy import RouterPolicy
from worker.core.policy.setup_spec import lacking
from worker.core.rows.normal import duration, seconds
from worker.core.texts import counted

Row = Mapping[str, str]
Rows = Sequence[Row] | None
"""The rows of a menu; None: the router refuses to show them."""

NEEDED: Final = frozenset({"read", "write", "api"})
HARMLESS: Final = frozenset({"test"})
"""Lets `services verify` ping and does no harm."""
CLOCK_OFF_S: Final = 300
LEASE_TIME_WARNS_S: Final = 3_600
SESSIONS_LEFT: Final = 3
"""With fewer free sessions a second worker or a person may not get in."""

CERTIFICATE_WARNS_MS: Final = 21 * 86_400_000
"""A certificate that expires sooner is a warning: three weeks outlast a holiday."""


class CheckLine(NamedTuple):
    """The result of one check.

    Attributes:
        level: `fail` keeps Leasewire from working with this router.
        what: `connection`, `certificate`, `login`, `router`, `policies`, `sessions`, `clock`,
            `dhcp-server`, `networks`, `overlaps`, `lease-time`, `leases`, `rows`, `named`,
            `dhcpv6-server`, `bindings`, `connections`; `effect` or what keeps changes from acting
            (`EffectFinding`); `secret-file`; the cause of a `RouterBlocked` where it is one.
        advice: what to do; empty when all is well.
    """

    level: Literal["ok", "warn", "fail"]
    what: str
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """The settings of a router, as read.

    Attributes:
        service: that we use: `api`, `api-ssl` or `www-ssl`.
        now: our time, aware.
        users: rows of `/user` with our name.
        groups, active, services, clock, servers, networks, pools: all rows of their menus.
        more_policies: what the kind of entry needs beside what every kind needs.
        has_leases: devices get their addresses by DHCP; else they log in.
        named: menu -> names of rows there that services need.
        there: the rows of these menus.
    """

    username: str
    service: str
    policy: RouterPolicy
    now: datetime
    users: Rows
    groups: Rows
    active: Rows
    services: Rows
    clock: Rows
    servers: Rows
    networks: Rows
    pools: Rows
    more_policies: frozenset[str] = frozenset()
    has_leases: bool = True
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    there: Mapping[str, Rows] = field(default_factory=dict)


def judge(seen: RouterSettings) -> list[CheckLine]:
    """Return all lines, in the order in which a person would check."""
    judges = (*_JUDGES, *_OF_DHCP) if seen.has_leases else _JUDGES
    return [line for judge_one in judges for line in judge_one(seen)]


def group_of(user: Row, groups: Iterable[Row]) -> tuple[str, set[str]]:
    """Return the group of a user, and the policies that it has."""
    name = user.get("group", "")
    group: Row = next((row for row in groups if row.get("name") == name), {})
    return name, {word for word in group.get("policy", "").split(",") if word and word[0] != "!"}


def _policies(seen: RouterSettings) -> Iterator[CheckLine]:
    if seen.users is None or seen.groups is None:
        detail = "the router does not show the policies of our user"
        yield CheckLine("warn", "policies", detail, "Check its group in /user/group")
        return
    if not seen.users:
        detail = f"{seen.username} is no local user: RADIUS gives it policies that we cannot read"
        yield CheckLine("warn", "policies", detail, "Add it in /user")
        return
    name, has = group_of(seen.users[0], seen.groups)
    needs = set(NEEDED | seen.more_policies)
    needs |= {"rest-api"} if seen.service.startswith("www") else set()
    if seen.policy.mode == "observe":
        needs.discard("write")
    allowed = ",".join(sorted(needs))
    group_name = f"group {name} of {seen.username}"
    if needs - has:
        yield CheckLine(
            "fail",
            "policies",
            f"{group_name} lacks {', '.join(sorted(needs - has))}",
            f"/user/group/set {name} policy={','.join(sorted(needs - has))}",
        )
    if more := has - needs - HARMLESS:
        yield CheckLine(
            "warn",
            "policies",
            f"{group_name} has more policies than needed: {', '.join(sorted(more))}",
            f"Give it a group of its own: /user/group/add name=leasewire policy={allowed}",
        )
    if not needs - has and not more:
        yield CheckLine("ok", "policies", f"{group_name} has just the policies that it needs")


def _sessions(seen: RouterSettings) -> Iterator[CheckLine]:
    fixed = [row for row in seen.services or () if row.get("dynamic") != "true"]
    row = next((row for row in fixed if row.get("name") == seen.service), {})
    if not row.get("max-sessions", "").isdecimal():
        return  # before 7.16 there is no such limit to read
    most = int(row["max-sessions"])
    used = sum(user.get("via") in ("api", "rest-api") for user in seen.active or ())
    detail = f"{counted(used, 'API session')} open, {seen.service} allows {most}"
    if most - used < SESSIONS_LEFT:
        advice = f"/ip/service/set {seen.service} max-sessions={max(20, 2 * most)}"
        yield CheckLine("warn", "sessions", detail, advice)
    else:
        yield CheckLine("ok", "sessions", detail)


def _clock(seen: RouterSettings) -> Iterator[CheckLine]:
    row = seen.clock[0] if seen.clock else {}
    time = clock_of(row)
    if time is None:
        return
    off_s = round((time - seen.now).total_seconds())
    if abs(off_s) > CLOCK_OFF_S:
        message = f"its clock is {duration(str(abs(off_s)))} {'ahead' if off_s > 0 else 'behind'}"
        advice = "Set up /system/ntp/client: its log and its certificates depend on the clock"
        yield CheckLine("warn", "clock", message, advice)
    else:
        yield CheckLine("ok", "clock", f"within {abs(off_s)} s of ours")


def clock_of(row: Row) -> datetime | None:
    """Return the time of `/system/clock`; None where its form is not known.

    RouterOS writes `2026-11-24` from 7.10 on and `nov/24/2026` before, the offset as `+01:00`.
    """
    for form in ("%Y-%m-%d %H:%M:%S", "%b/%d/%Y %H:%M:%S"):
        try:
            local = datetime.strptime(f"{row.get('date')} {row.get('time')}", form)  # noqa: DTZ007 - its offset stands beside it
            sign, offset = row.get("gmt-offset", "+00:00")[:1], row.get("gmt-offset", "+00:00")[1:]
            hours, minutes = (int(part) for part in offset.split(":")[:2])
        except ValueError:
            continue
        ahead = timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)
        return (local - ahead).replace(tzinfo=UTC)
    return None


def _named(seen: RouterSettings) -> Iterator[CheckLine]:
    """What services need that others make: such as the profiles of plans."""
    for menu, names in seen.named.items():
        if missing := lacking(names, seen.there.get(menu)):
            detail = f"{menu} lacks {', '.join(missing)}: services that need it wait"
            yield CheckLine("warn", "named", detail, "Add it there, or correct the inventory")
        elif names and seen.there.get(menu) is not None:
            yield CheckLine("ok", "named", f"{menu} has {', '.join(sorted(names))}")


def _servers(seen: RouterSettings) -> Iterator[CheckLine]:
    if seen.servers is None:
        yield CheckLine("warn", "dhcp-server", "the router does not show its DHCP servers")
        return
    usable = [row.get("name", "") for row in _enabled(seen.servers)]
    wanted = seen.policy.default_server
    if wanted == "all" and usable:
        yield CheckLine("ok", "dhcp-server", f"found {', '.join(usable)}")
    elif wanted == "all":
        yield CheckLine(
            "warn", "dhcp-server", "no DHCP server is enabled", "Set one up on this router"
        )
    elif wanted in usable:
        yield CheckLine("ok", "dhcp-server", f"{wanted} is enabled")
    else:
        yield CheckLine(
            "fail",
            "dhcp-server",
            f"{wanted} is not enabled; enabled are: {', '.join(usable) or 'none'}",
            "Correct dhcp_server in the inventory, or enable that server",
        )
    for row in _enabled(seen.servers):
        if row.get("invalid") == "true":
            name = row.get("name", "")
            detail = f"{name} is invalid: it answers no device"
            yield CheckLine("warn", "dhcp-server", detail, f"Check the interface of {name}")


def _networks(seen: RouterSettings) -> Iterator[CheckLine]:
    if seen.networks is None:
        return
    known = [(row, network) for row in seen.networks if (network := _network(row)) is not None]
    if not known:
        if seen.servers:
            detail = "there is no DHCP network: devices get neither gateway nor DNS servers"
            yield CheckLine("warn", "networks", detail, "Add one in /ip/dhcp-server/network")
        return
    bare = [str(network) for row, network in known if not row.get("gateway")]
    if bare:
        detail = f"without a gateway: {', '.join(bare)}"
        yield CheckLine("warn", "networks", detail, "Set gateway of /ip/dhcp-server/network")
    outside = [
        f"{name} ({first}-{last})"
        for name, first, last in _ranges(seen.pools or ())
        if name in {row.get("address-pool") for row in _enabled(seen.servers or ())}
        and not any(first in network and last in network for _, network in known)
    ]
    if outside:
        detail = f"pools of DHCP servers outside every network: {', '.join(outside)}"
        yield CheckLine("warn", "networks", detail, "Correct ranges of /ip/pool, or add a network")
    if not bare and not outside:
        networks = (f"{network} by {row['gateway']}" for row, network in known)
        yield CheckLine("ok", "networks", ", ".join(networks))


def _overlaps(seen: RouterSettings) -> Iterator[CheckLine]:
    found = []
    networks = [network for row in seen.networks or () if (network := _network(row)) is not None]
    found += [f"networks {a} and {b}" for a, b in combinations(networks, 2) if a.overlaps(b)]
    found += [
        f"pools {a[0]} and {b[0]}"
        for a, b in combinations(_ranges(seen.pools or ()), 2)
        if a[1] <= b[2] and b[1] <= a[2]
    ]
    at: dict[tuple[str, str], list[str]] = {}
    for row in _enabled(seen.servers or ()):
        place = (row.get("interface", ""), row.get("relay", ""))
        at.setdefault(place, []).append(row.get("name", ""))
    found += [
        f"DHCP servers {' and '.join(names)} on {place[0]}"
        for place, names in at.items()
        if len(names) > 1
    ]
    if found:
        advice = "A device gets any of them by chance: keep one"
        yield CheckLine("warn", "overlaps", "; ".join(found), advice)
    elif networks:
        yield CheckLine("ok", "overlaps", "no networks, pools or DHCP servers overlap")


def _lease_time(seen: RouterSettings) -> Iterator[CheckLine]:
    if "lease-time" in seen.policy.managed and seen.policy.lease_time:
        times = {"our leases": seconds(seen.policy.lease_time)}
    else:
        times = {
            row.get("name", ""): seconds(row.get("lease-time", ""))
            for row in _enabled(seen.servers or ())
        }
    long = [
        f"{name} {duration(str(time_s))}"
        for name, time_s in times.items()
        if time_s and time_s > LEASE_TIME_WARNS_S
    ]
    if long:
        yield CheckLine(
            "warn",
            "lease-time",
            "a change of MAC or address, and a suspension by block-access, may reach a device only "
            f"after its lease time: {', '.join(long)}",
            "Set lease_time in the inventory, or lease-time of the DHCP server: 10m to 30m",
        )
    elif shown := [f"{name} {duration(str(time_s))}" for name, time_s in times.items() if time_s]:
        yield CheckLine("ok", "lease-time", ", ".join(shown))


def _enabled(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.get("disabled") != "true"]


def _network(row: Row) -> IPv4Network | None:
    try:
        return IPv4Network(row.get("address", ""), strict=False)
    except ValueError:
        return None


def _ranges(pools: Sequence[Row]) -> list[tuple[str, IPv4Address, IPv4Address]]:
    """Name, first and last address of each range, where its form is known."""
    found = []
    for row in pools:
        for part in row.get("ranges", "").split(","):
            first, _, last = part.partition("-")
            try:
                ends = IPv4Address(first.strip()), IPv4Address((last or first).strip())
            except ValueError:
                continue
            found.append((row.get("name", ""), *ends))
    return found


_Judges = tuple[Callable[[RouterSettings], Iterator[CheckLine]], ...]
_JUDGES: Final[_Judges] = (_policies, _sessions, _clock, _named)
_OF_DHCP: Final[_Judges] = (_servers, _networks, _overlaps, _lease_time)
