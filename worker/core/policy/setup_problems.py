"""What a person must do before `routers setup`, or should know of it."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NamedTuple

from worker.core.policy.setup_firewall import firewall_problems
from worker.core.policy.setup_rows import (
    ADDRESS,
    INTERFACE,
    SERVER,
    SERVICE,
    Rows,
    SetupStep,
    WantedRow,
    covered,
    list_of,
)
from worker.core.policy.setup_spec import DhcpSpec, RouterAccess, SetupSpec, lacking
from worker.core.rows.filter_rules import FILTER6
from worker.core.rows.normal import YES


class SetupProblem(NamedTuple):
    """What stops a set-up (`hinders`), or what a person should know."""

    message: str
    hinders: bool


def problems_of(  # noqa: PLR0913 - all that a plan is made of
    spec: SetupSpec,
    access: RouterAccess,
    wanted: Sequence[WantedRow],
    found: Rows,
    steps: Sequence[SetupStep],
    *,
    seen_from: str,
) -> list[SetupProblem]:
    """Return what a person must do first, or should know.

    `seen_from` is our address as the router sees it; empty: not known.
    """
    problems = [problem for dhcp in spec.dhcp for problem in _problems_of_server(dhcp, found)]
    problems += _problems_of_service(spec, access, found, steps)
    warnings = list(firewall_problems(spec, access, wanted, found))
    if access.ipv6_list and FILTER6 not in found:
        message = f"the router has no menu {FILTER6}: suspended services keep their IPv6, if any"
        warnings.append(message)
    for menu, names in access.named.items():
        if missing := lacking(names, found.get(menu)):
            warnings.append(
                f"{menu} lacks {', '.join(missing)}: services that need it wait; add it"
            )
    if spec.use_reconfigure and not any("use-reconfigure" in row.fields for row in wanted):
        warnings.append("use_reconfigure is left out: DHCP servers have it from RouterOS 7.19 on")
    problems += [SetupProblem(message, hinders=False) for message in warnings]
    if seen_from and not _within(seen_from, spec.manage_from):
        message = f"the router sees us as {seen_from}, which is not in manage_from"
        problems.append(SetupProblem(f"{message}: it would lock us out", hinders=True))
    return problems


def _problems_of_server(spec: DhcpSpec, found: Rows) -> Iterator[SetupProblem]:
    if all(row.get("name") != spec.interface for row in found.get(INTERFACE, ())):
        message = f"there is no interface {spec.interface} for {spec.server}: create it first"
        yield SetupProblem(message, hinders=True)
        return
    for row in found.get(SERVER, ()):
        name = row.get("name", "")
        same = row.get("interface") == spec.interface and row.get("disabled") != "true"
        if same and name != spec.server:
            message = f"interface {spec.interface} already has the DHCP server {name}"
            yield SetupProblem(f"{message}: use that name in the inventory", hinders=True)
    own = [row["address"] for row in found.get(ADDRESS, ()) if row.get("address")]
    if not any(IPv4Interface(address).network.overlaps(spec.network) for address in own):
        message = f"the router has no address in {spec.network}: {spec.server} needs {spec.gateway}"
        yield SetupProblem(f"{message} on {spec.interface}", hinders=False)


def _problems_of_service(
    spec: SetupSpec, access: RouterAccess, found: Rows, steps: Sequence[SetupStep]
) -> Iterator[SetupProblem]:
    """What the set-up means for others who use the service."""
    name, ours = access.service, ",".join(spec.manage_from)
    step = next((step for step in steps if step.menu == SERVICE), None)
    for row in found.get(SERVICE, ()):
        if row.get("name") != name or row.get("dynamic") == "true" or row.get("disabled") in YES:
            continue
        there = list_of(row.get("address", "") or row.get("available-from", ""))
        if not spec.manage_only:
            if not there:
                message = f"{name} stays open to every address; manage_only = true in the inventory"
                yield SetupProblem(f"{message} restricts it to {ours}", hinders=False)
        elif step is not None and {"address", "available-from"} & step.fields.keys():
            others = ", ".join(prefix for prefix in there if not covered(prefix, spec.manage_from))
            if others or not there:
                message = f"{name} will be restricted to {ours}: {others or 'every other address'}"
                yield SetupProblem(f"{message} loses access", hinders=False)
        before = step.before.get("certificate", "none") if step is not None else "none"
        if before not in ("", "none"):
            message = f"{name} gets a new certificate: clients that pin {before} will refuse it"
            yield SetupProblem(message, hinders=False)


def _within(address: str, prefixes: Sequence[str]) -> bool:
    try:
        here = IPv4Address(address)
    except ValueError:
        return True  # IPv6: not judged
    return any(here in IPv4Network(prefix) for prefix in prefixes)
