"""Connecting to a router, logging in, and making sure that it is the right one."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from worker.compute_gate import GateSlot
from worker.core.entry.entry import EntryKind
from worker.core.entry.wanted import DEFAULT_KIND, KINDS, possible_kinds
from worker.core.policy.router_check import group_of
from worker.core.rows.normal import seconds
from worker.core.rows.rows import NO_MAC
from worker.errors import RouterBlocked
from worker.inventory import RouterConfig
from worker.routeros.commands import Command, Pace
from worker.routeros.connection import ApiConnection, RouterConnection
from worker.routeros.failures import no_entry_menu, old_login, refused_login
from worker.routeros.rest_connection import RestConnection
from worker.routeros.transport import open_transport
from worker.settings import Settings


class RouterIdentity(NamedTuple):
    """What a router says about itself; see `worker.ports.RouterSession`."""

    identity: str
    version: str
    serial: str
    entries: str = DEFAULT_KIND.name
    uptime_s: int | None = None


def connect(
    config: RouterConfig, settings: Settings, gate: GateSlot | None = None
) -> RouterConnection:
    """Connect as the inventory says, without logging in.

    Raises:
        RouterUnreachable: no connection.
        RouterBlocked: certificate.
    """
    opening = partial(
        open_transport, config, settings.connect_timeout_s, settings.command_timeout_s, gate
    )
    if config.transport == "rest":
        return RestConnection(config.name, config.host, opening)
    return ApiConnection(config.name, opening())


def log_in(
    connection: RouterConnection, config: RouterConfig, password: str, settings: Settings
) -> None:
    """Log in.

    Raises:
        RouterUnreachable: no answer, or a temporary one.
        RouterBlocked: this user may not log in, or not this way.
    """
    reply = connection.log_in(config.username, password, _first_pace(settings))
    if reply.traps:
        raise refused_login(config.name, config.username, reply.traps)
    if "ret" in reply.done:
        raise old_login(config.name)


def identify(
    connection: RouterConnection, settings: Settings, entries: str = DEFAULT_KIND.name
) -> RouterIdentity:
    """Ask the router who it is and which kind of entry it can hold, in one round trip.

    `entries` is the name of a kind, or `auto`, as the router's policy has it.

    Raises:
        RouterUnreachable: it does not answer.
        RouterBlocked: we may not ask.
    """
    possible = possible_kinds(entries)
    asked = [kind for kind in possible if kind.optional]
    name, resource, board, license_, *probes = connection.run(
        "reading identity",
        [
            ("/system/identity/print", "=.proplist=name"),
            ("/system/resource/print", "=.proplist=version,uptime"),
            # a CHR lacks the first menu, other boards the system id: a trap is an answer too
            ("/system/routerboard/print", "=.proplist=serial-number"),
            ("/system/license/print", "=.proplist=system-id"),
            *(_probe(kind) for kind in asked),
        ],
        _first_pace(settings),
    )
    there = [kind for kind, probe in zip(asked, probes, strict=True) if not probe.traps]
    version = _value(connection.rows("reading version", resource), "version")
    return RouterIdentity(
        identity=_value(connection.rows("reading identity", name), "name"),
        version=version.partition(" ")[0],  # `7.23.7 (long-term)`
        serial=_value(board.rows, "serial-number") or _value(license_.rows, "system-id"),
        uptime_s=seconds(_value(resource.rows, "uptime")),
        entries=(there[0] if there else DEFAULT_KIND).name,
    )


def _probe(kind: EntryKind) -> Command:
    """A print that a router with the kind's menu answers with no row, every other with a trap."""
    none = kind.own_fields({kind.device: NO_MAC})
    terms = (f"?{name}={value}" for name, value in none.items())
    return (f"{kind.menu.path}/print", "=.proplist=.id", *terms)


def compare(config: RouterConfig, who: RouterIdentity) -> None:
    """Refuse a router that is another one, or lacks a menu, that the inventory expects.

    Raises:
        RouterBlocked: before anything was written to it.
    """
    for what, expected, seen in (
        ("identity", config.expect_identity, who.identity),
        ("serial", config.expect_serial, who.serial),
    ):
        if expected is not None and seen != expected:
            raise RouterBlocked(
                config.name,
                f"{what}-mismatch",
                f"its {what} is {seen!r}, expected is {expected!r}",
                f"If it is the right router, correct expect_{what} in the inventory",
            )
    expected_kind = KINDS.get(config.policy.entries)
    if expected_kind is not None and expected_kind.name != who.entries:
        raise no_entry_menu(config.name, expected_kind)


def check_policies(
    connection: RouterConnection, config: RouterConfig, kind: EntryKind, settings: Settings
) -> None:
    """Refuse a user that may not what this kind of entry needs, where the router shows that.

    Raises:
        RouterUnreachable: it does not answer.
        RouterBlocked: a policy is missing.
    """
    if not kind.policies:
        return
    prints = [
        ("/user/print", "=.proplist=name,group", f"?name={config.username}"),
        ("/user/group/print", "=.proplist=name,policy"),
    ]
    users, groups = connection.run("reading its policies", prints, _first_pace(settings))
    if users.traps or groups.traps or not users.rows:
        return
    name, has = group_of(users.rows[0], groups.rows)
    if missing := ",".join(sorted(kind.policies - has)):
        raise RouterBlocked(
            config.name,
            "not-permitted",
            f"group {name} of {config.username} lacks {missing}, which {kind.menu.path} needs",
            f"/user/group/set {name} policy={missing}",
        )


def _first_pace(settings: Settings) -> Pace:
    return Pace(
        window=5, silence_s=settings.first_reply_timeout_s, total_s=settings.first_reply_timeout_s
    )


def _value(rows: Sequence[Mapping[str, str]], name: str) -> str:
    return rows[0].get(name, "") if rows else ""
