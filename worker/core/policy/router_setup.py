"""Plans `routers setup`: the rows that a router should have, and the steps towards them.

Nothing that the spec does not name is ever in a step.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network, ip_network
from typing import Final, Literal, NamedTuple

from worker.core.policy.setup_spec import DhcpSpec, RouterAccess, SetupSpec
from worker.core.rows import normal

POOL: Final = "/ip/pool"
OPTION: Final = "/ip/dhcp-server/option"
NETWORK: Final = "/ip/dhcp-server/network"
SERVER: Final = "/ip/dhcp-server"
ADDRESS_LIST: Final = "/ip/firewall/address-list"
FILTER: Final = "/ip/firewall/filter"
GROUP: Final = "/user/group"
USER: Final = "/user"
CERTIFICATE: Final = "/certificate"
SERVICE: Final = "/ip/service"
INTERFACE: Final = "/interface"
ADDRESS: Final = "/ip/address"

MENUS: Final = (
    *(POOL, OPTION, NETWORK, SERVER, ADDRESS_LIST, FILTER, GROUP, USER, CERTIFICATE, SERVICE),
    *(INTERFACE, ADDRESS),
)
"""All menus that are read; the last two are never written."""

Rows = Mapping[str, Sequence[Mapping[str, str]]]
"""A router's rows by menu, as read; without the menus that it does not have."""


class WantedRow(NamedTuple):
    """One row that the router should have.

    Attributes:
        menu: of the row.
        key: fields by which it is found.
        fields: the values that it should have; all other fields are left alone.
        once: fields that are written when it is added, and never compared.
        fixed: the router always has it: it is never added.
        optional: it is left out where the router does not have the menu.
        joins: field of prefixes to which ours are added, so that nobody is locked out; "": none.
    """

    menu: str
    key: Mapping[str, str]
    fields: Mapping[str, str]
    once: Mapping[str, str] = {}
    fixed: bool = False
    optional: bool = False
    joins: str = ""


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One command of a set-up.

    Attributes:
        menu: of the command.
        verb: `sign` is for certificates.
        name: of the row, for people.
        fields: what is written.
        row_id: of the row that is set; empty for `add`.
        before: what the fields have now.
        secret: fields that are written too, and never shown.
    """

    menu: str
    verb: Literal["add", "set", "sign"]
    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    row_id: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)


def wanted_rows(
    spec: SetupSpec, access: RouterAccess, *, version: tuple[int, ...], certificate: bool
) -> list[WantedRow]:
    """Return all rows that the router should have; each may name those before it.

    Args:
        spec: of the inventory.
        access: likewise.
        version: of RouterOS, which renamed a field in 7.24; () counts as newer.
        certificate: the service has none and needs one of ours.
    """
    rows = [row for dhcp in spec.dhcp for row in _of_dhcp(dhcp)]
    if access.suspend_list:
        rows += _of_walled_garden(spec, access)
    by = _available_from(version)
    sources = ",".join(spec.manage_from)
    service = {"disabled": "no", by: sources}
    if certificate and access.service != "api":
        name = f"leasewire-{access.service}"
        usage = "key-cert-sign,crl-sign,digital-signature,key-encipherment,tls-server"
        made = {"common-name": access.host, "key-usage": usage, "days-valid": "3650"}
        rows.append(WantedRow(CERTIFICATE, {"name": name}, {}, made))
        service["certificate"] = name
        # Without a certificate nobody used it, so nobody needs an older version of TLS.
        service["tls-version"] = "only-1.2"
    policies = "read,write,api" + (",rest-api" if access.service == "www-ssl" else "")
    policies += ",test" if spec.ping else ""
    own = {"name": access.username}
    joins = "" if spec.manage_only else by
    rows.append(WantedRow(SERVICE, {"name": access.service}, service, fixed=True, joins=joins))
    rows.append(WantedRow(GROUP, own, {"policy": policies}))
    login = {"group": access.username, "address": sources, "disabled": "no"}
    rows.append(WantedRow(USER, own, login, {"password": ""}))
    rows += [
        WantedRow(menu, {}, fields, fixed=True, optional=True)
        for menu, fields in access.enable.items()
    ]
    return rows


def _available_from(version: tuple[int, ...]) -> str:
    # Renamed in RouterOS 7.24 (RR).
    return "address" if version and version < (7, 24) else "available-from"


def _of_dhcp(spec: DhcpSpec) -> list[WantedRow]:
    rows = []
    if spec.ranges:
        rows.append(WantedRow(POOL, {"name": spec.pool}, {"ranges": ",".join(spec.ranges)}))
    for code, value in spec.options:
        name = spec.option_name(code)
        rows.append(WantedRow(OPTION, {"name": name}, {"code": str(code), "value": value}))
    network = {
        "gateway": spec.gateway,
        "dns-server": ",".join(spec.dns_servers),
        "ntp-server": ",".join(spec.ntp_servers),
        "domain": spec.domain,
        "dhcp-option": ",".join(spec.option_name(code) for code, _ in spec.options),
    }
    rows.append(WantedRow(NETWORK, {"address": str(spec.network)}, network))
    server = {
        "interface": spec.interface,
        "address-pool": spec.pool if spec.ranges else "static-only",
        "lease-time": spec.lease_time,
        "disabled": "no",
    }
    rows.append(WantedRow(SERVER, {"name": spec.server}, server))
    return rows


def _of_walled_garden(spec: SetupSpec, access: RouterAccess) -> list[WantedRow]:
    """The rule that lets suspended services reach the walled garden alone."""
    walled_garden = f"{access.suspend_list}-garden"
    open_to = [*spec.walled_garden, *(dns for dhcp in spec.dhcp for dns in dhcp.dns_servers)]
    rows = [
        WantedRow(ADDRESS_LIST, {"list": walled_garden, "address": address}, {"disabled": "no"})
        for address in dict.fromkeys(open_to)
    ]
    rule = {
        "chain": "forward",
        "action": "drop",
        "src-address-list": access.suspend_list,
        "dst-address-list": f"!{walled_garden}" if open_to else "",
        "disabled": "no",
    }
    comment = f"Leasewire {access.installation}: suspended services"
    return [*rows, WantedRow(FILTER, {"comment": comment}, rule)]


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
        if target.menu == CERTIFICATE and (row is None or not row.get("fingerprint")):
            steps.append(SetupStep(CERTIFICATE, "sign", name, row_id=(row or {}).get(".id", "")))
    return steps


def _joined(wanted: WantedRow, row: Mapping[str, str]) -> Mapping[str, str]:
    """The fields, with our prefixes added to those of the row; an empty list admits everybody."""
    if not wanted.joins:
        return wanted.fields
    there = _list_of(row.get(wanted.joins, ""))
    if not there and normal.boolean(row.get("disabled", "")) != "yes":
        return {k: v for k, v in wanted.fields.items() if k != wanted.joins}
    ours = _list_of(wanted.fields[wanted.joins])
    missing = [prefix for prefix in ours if not _covered(prefix, there)]
    return {**wanted.fields, wanted.joins: ",".join([*there, *missing])}


def _list_of(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _covered(prefix: str, prefixes: Iterable[str]) -> bool:
    return any(
        ours.version == other.version
        and int(other.network_address) <= int(ours.network_address)
        and int(ours.broadcast_address) <= int(other.broadcast_address)
        for ours in _networks([prefix])
        for other in _networks(prefixes)
    )


def _networks(prefixes: Iterable[str]) -> Iterator[IPv4Network | IPv6Network]:
    """Those of the prefixes that are valid."""
    for prefix in prefixes:
        with suppress(ValueError):
            yield ip_network(prefix, strict=False)


def _adding(
    wanted: WantedRow, name: str, given: dict[str, str], here: Sequence[Mapping[str, str]]
) -> SetupStep:
    if wanted.menu == FILTER and here:
        given["place-before"] = here[0].get(".id", "")  # after an `accept` it would do nothing
    shown = {k: v for k, v in wanted.once.items() if k != "password"}
    secret = {k: v for k, v in wanted.once.items() if k == "password"}
    return SetupStep(wanted.menu, "add", name, given | shown, secret=secret)


def _is(key: Mapping[str, str], row: Mapping[str, str]) -> bool:
    return all(_normal(k, v) == _normal(k, row.get(k, "")) for k, v in key.items())


_NORMAL: Final[Mapping[str, Callable[[str], str]]] = {
    "ranges": normal.comma_list,
    "address": lambda value: normal.comma_list(value.replace("/32", "")),
    "available-from": lambda value: normal.comma_list(value.replace("/32", "")),
    "dhcp-option": normal.comma_list,
    "lease-time": normal.duration,
    "disabled": lambda value: normal.boolean(value) or "no",
    "enabled": normal.boolean,
    "value": normal.hexadecimal,
    "policy": lambda value: normal.comma_list(
        ",".join(word for word in value.split(",") if not word.startswith("!"))
    ),
}


def _normal(name: str, value: str) -> str:
    return _NORMAL.get(name, normal.text)(value)


def _revoking(name: str, wanted: str, before: str) -> str:
    """A value as `set` takes it: it only adds policies to a group unless they are revoked."""
    if name != "policy":
        return wanted
    extra = set(_normal(name, before).split(",")) - set(wanted.split(",")) - {""}
    return ",".join([wanted, *(f"!{policy}" for policy in sorted(extra))])


class SetupProblem(NamedTuple):
    """What stops a set-up (`hinders`), or what a person should know."""

    message: str
    hinders: bool


def problems_of(
    spec: SetupSpec, access: RouterAccess, found: Rows, steps: Sequence[SetupStep], seen_from: str
) -> list[SetupProblem]:
    """Return what a person must do first, or should know.

    Args:
        spec: of the inventory.
        access: likewise.
        found: of the router.
        steps: of the plan for it.
        seen_from: our address as the router sees it; empty: not known.
    """
    problems = [problem for dhcp in spec.dhcp for problem in _problems_of_server(dhcp, found)]
    problems += _problems_of_service(spec, access, found, steps)
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
        off = normal.boolean(row.get("disabled", "")) == "yes"
        if row.get("name") != name or row.get("dynamic") == "true" or off:
            continue
        there = _list_of(row.get("address", "") or row.get("available-from", ""))
        if not spec.manage_only:
            if not there:
                message = f"{name} stays open to every address; manage_only = true in the inventory"
                yield SetupProblem(f"{message} restricts it to {ours}", hinders=False)
        elif step is not None and {"address", "available-from"} & step.fields.keys():
            others = ", ".join(prefix for prefix in there if not _covered(prefix, spec.manage_from))
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
