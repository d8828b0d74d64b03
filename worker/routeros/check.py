"""Checks one router as a person would before giving it customers; writes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.core.effect.findings import check_lines
from worker.core.effect.means import cuts_connections
from worker.core.entry.entry import EntryKind
from worker.core.entry.wanted import KINDS
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.router_check import (
    CERTIFICATE_WARNS_MS,
    CheckLine,
    RouterSettings,
    Rows,
    judge,
)
from worker.core.rows.normal import boolean
from worker.core.rows.queues import shadows_of
from worker.core.rows.rows import ANY_SERVER, BINDINGS, NO_ADDRESS, QUEUES, Row
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import RouterConfig
from worker.routeros.commands import Command, Pace
from worker.routeros.connection import RouterConnection
from worker.routeros.failures import no_secret_keys
from worker.routeros.login import compare, connect, identify, log_in
from worker.routeros.session import Session
from worker.settings import Settings

_REACH_ADVICE: Final = (
    "Check host and port in the inventory, and on the router that /ip/service has this service "
    "enabled, available from here and below its session limit"
)


_NO_PREFIX: Final = "::/128"
_PRINTS: Final[Mapping[str, Command]] = {
    "groups": ("/user/group/print", "=.proplist=name,policy"),
    "active": ("/user/active/print", "=.proplist=name,via"),
    "services": ("/ip/service/print",),
    "clock": ("/system/clock/print",),
    "servers": ("/ip/dhcp-server/print",),
    "networks": ("/ip/dhcp-server/network/print", "=.proplist=address,gateway"),
    "pools": ("/ip/pool/print", "=.proplist=name,ranges"),
}
"""By the field of `RouterSettings` that they fill; without `.proplist` where versions differ."""


def check_router(config: RouterConfig, settings: Settings, now: datetime) -> list[CheckLine]:
    """Connect, log in and check.

    Without a pin (`load_inventory(…, allow_unpinned=True)`) the certificate's fingerprint is shown,
    and no password is sent.

    One line for each check, in order, up to one that makes the rest impossible.
    """
    lines: list[CheckLine] = []
    if config.is_exposed:
        detail = f"every user of this host may read {config.password_file}"
        lines.append(CheckLine("warn", "secret-file", detail, f"chmod o= {config.password_file}"))
    try:
        for line in _checks(config, settings, now):
            lines.append(line)  # noqa: PERF402 - lines before a failure count
    except RouterBlocked as error:
        lines.append(CheckLine("fail", error.cause, error.message, error.advice))
    except RouterUnreachable as error:
        lines.append(CheckLine("fail", "connection", error.message, _REACH_ADVICE))
    return lines


def _checks(config: RouterConfig, settings: Settings, now: datetime) -> Iterator[CheckLine]:
    with closing(connect(config, settings)) as connection:
        yield CheckLine("ok", "connection", f"{config.host}:{config.port} answers")
        if config.transport == "api":
            yield CheckLine(
                "warn",
                "certificate",
                "the plain API has no certificate and sends the password unencrypted",
                "Use transport api-ssl, or use this only on a network of your own",
            )
        else:
            by = "signed by the authority" if config.ca_file else "the pinned one"
            yield _certificate(connection, by, now)
        log_in(connection, config, config.password().get_secret_value(), settings)
        yield CheckLine("ok", "login", f"as {config.username}")
        who = identify(connection, settings, config.policy.entries)
        detail = f"{who.identity}, RouterOS {who.version}, serial {who.serial or 'not known'}"
        compare(config, who)
        yield CheckLine("ok", "router", detail)
        kind = KINDS[who.entries]
        if kind.optional:
            yield CheckLine("ok", "entries", f"held in {kind.menu.path}, which the router has")
        if warning := kind.warning(config.policy):
            yield CheckLine(
                "warn", "entries", warning, "Try it with a device before you rely on it"
            )
        if kind.secrets and settings.sealer is None:
            raise no_secret_keys(config.name, kind)
        yield from judge(_settings(connection, config, kind, settings, now))
        session = Session(config.name, connection, who, settings)
        yield from _not_enabled(connection, kind, settings)
        yield from _rows_and_effects(session, kind, config.policy, now)


def _not_enabled(
    connection: RouterConnection, kind: EntryKind, settings: Settings
) -> Iterator[CheckLine]:
    """What `routers setup` would switch on, where the router shows that it is off."""
    found = _read(connection, settings, [(f"{menu}/print",) for menu in kind.enable])
    for (menu, fields), rows in zip(kind.enable.items(), found, strict=True):
        for name, value in fields.items():
            seen = rows[0].get(name, "") if rows else ""
            if seen and boolean(seen) != value:
                detail = f"{menu} has {name}={boolean(seen)}: what Leasewire writes does not act"
                yield CheckLine("warn", "entries", detail, f"{menu}/set {name}={value}")


def _rows_and_effects(
    session: Session, kind: EntryKind, policy: RouterPolicy, now: datetime
) -> Iterator[CheckLine]:
    """Its rows, and what there decides when changes act."""
    if kind.serves_others:  # their own routers decide when changes act
        yield _counted("rows", session.read_leases(None, lambda: None), policy)
        return
    facts = session.read_effect(
        policy.suspend_list,
        {policy.default_server},
        lambda: None,
        ipv6_list=policy.ipv6_list,
    )
    if not facts.ipv6 and not policy.ipv6_suspend_list:
        facts = replace(facts, ipv6_filter=None)  # then no service can have a binding
    facts = replace(facts, read_at_ms=int(now.timestamp() * 1000))
    if policy.rates == "queue":
        queues = session.read_rows(QUEUES, None, lambda: None)
        facts = replace(facts, shadows=shadows_of(queues, policy.installation))
    yield from check_lines(facts, policy.held_in(session.entries))
    yield _counted(
        "rows" if kind.sessions else "leases", session.read_leases(None, lambda: None), policy
    )
    if facts.ipv6:
        yield from _bindings(session, policy)
    searched = [NO_ADDRESS] if cuts_connections(policy, facts) else []
    if facts.ipv6_filter is not None and cuts_connections(policy, facts, ipv6=True):
        searched.append(_NO_PREFIX)
    if searched and policy.mode == "manage":
        yield _connections(session, searched)


def _counted(what: str, rows: Sequence[Row], policy: RouterPolicy) -> CheckLine:
    static = sum(not row.dynamic for row in rows)
    ours = sum(row.own_tag(policy.installation) is not None for row in rows)
    return CheckLine("ok", what, f"{len(rows)} in all, {static} of them static, {ours} ours")


def _bindings(session: Session, policy: RouterPolicy) -> Iterator[CheckLine]:
    """The DHCPv6 server of a router that has some, and its bindings."""
    servers = session.read_ipv6_setup(fresh=False).servers or frozenset()
    if policy.ipv6_server not in (ANY_SERVER, *servers):
        detail = f"{policy.ipv6_server} is not there: services with `ipv6` wait"
        yield CheckLine("warn", "dhcpv6-server", detail, "Correct ipv6_server in the inventory")
    elif not servers:
        return  # addresses come from router advertisements alone
    else:
        yield CheckLine("ok", "dhcpv6-server", f"found {', '.join(sorted(servers))}")
    yield _counted("bindings", session.read_rows(BINDINGS, None, lambda: None), policy)


def _connections(session: Session, addresses: Sequence[str]) -> CheckLine:
    """Whether the connections of a suspended customer could be found, of addresses without any."""
    try:
        problem = session.find_connections(addresses, lambda: None).problem
    except RouterUnreachable as error:  # it took too long
        problem = error.message
    if problem:
        detail = f"open connections of a suspended customer cannot be removed: {problem}"
        advice = "They go on until they end; cut_connections in the inventory says what is tried"
        return CheckLine("warn", "connections", detail, advice)
    return CheckLine("ok", "connections", "those of a suspended customer can be found and removed")


def _certificate(connection: RouterConnection, by: str, now: datetime) -> CheckLine:
    detail = f"{by}; fingerprint {connection.fingerprint}"
    if not connection.certificate_ends_ms:
        return CheckLine("ok", "certificate", detail)
    until = datetime.fromtimestamp(connection.certificate_ends_ms / 1000, UTC)
    detail = f"{detail}; valid until {until:%Y-%m-%d}"
    if until - now > timedelta(milliseconds=CERTIFICATE_WARNS_MS):
        return CheckLine("ok", "certificate", detail)
    advice = "Make a new one on the router; see `leasewire runbook certificate-expiring`"
    return CheckLine("warn", "certificate", detail, advice)


def _read(
    connection: RouterConnection, settings: Settings, prints: Sequence[Command]
) -> list[Rows]:
    """The rows of each print; None: the router refuses to show them."""
    pace = Pace(len(_PRINTS), settings.command_timeout_s, settings.command_timeout_s)
    replies = connection.run("reading its settings", prints, pace)
    return [None if reply.traps else reply.rows for reply in replies]


def _settings(
    connection: RouterConnection,
    config: RouterConfig,
    kind: EntryKind,
    settings: Settings,
    now: datetime,
) -> RouterSettings:
    mine = ("/user/print", "=.proplist=name,group", f"?name={config.username}")
    users, *rows = _read(connection, settings, [mine, *_PRINTS.values()])
    others: dict[str, Any] = dict(zip(_PRINTS, rows, strict=True))
    named = kind.named(config.policy)
    names = [(f"{menu}/print", "=.proplist=name") for menu in named]
    return RouterSettings(
        username=config.username,
        service="www-ssl" if config.transport == "rest" else config.transport,
        policy=config.policy,
        now=now,
        users=users,
        more_policies=kind.policies,
        has_leases=not (kind.sessions or kind.serves_others),
        named=named,
        there=dict(zip(named, _read(connection, settings, names), strict=True)),
        **others,
    )
