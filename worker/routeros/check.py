"""Looks at one router as a person would before trusting it with customers; writes nothing.

Who calls it: `leasewire routers check NAME`.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Final, Literal, NamedTuple

from worker.core.ownership import parse_tag
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import RouterConfig
from worker.routeros.connection import Connection, Pace
from worker.routeros.session import Session, compare, connect, identify, log_in
from worker.settings import Settings

_REACH_ADVICE: Final = (
    "Check host and port in the inventory, that /ip/service has this service enabled there and "
    "available from here, and the session limit"
)


class CheckLine(NamedTuple):
    """One thing that was looked at.

    Attributes:
        level: `fail` keeps Leasewire from working with this router.
        what: `connection`, `certificate`, `login`, `router`, `dhcp-server`, `leases`; the cause of
            a `RouterBlocked` where it is one.
        detail: what was seen.
        advice: what to do about it; empty when all is well.
    """

    level: Literal["ok", "warn", "fail"]
    what: str
    detail: str
    advice: str = ""


def check_router(config: RouterConfig, settings: Settings) -> list[CheckLine]:
    """Connect, log in and look around.

    Args:
        config: may be without a pin (`load_inventory(…, allow_unpinned=True)`): then the
            certificate's fingerprint is shown, and no password is sent.
        settings: for the time limits.

    Returns:
        One line for each thing looked at, in order; none after one that hides the rest.
    """
    lines: list[CheckLine] = []
    try:
        for line in _look(config, settings):
            lines.append(line)  # noqa: PERF402 - what was seen before a failure counts
    except RouterBlocked as error:
        lines.append(CheckLine("fail", error.cause, error.words, error.advice))
    except RouterUnreachable as error:
        lines.append(CheckLine("fail", "connection", error.words, _REACH_ADVICE))
    return lines


def _look(config: RouterConfig, settings: Settings) -> Iterator[CheckLine]:
    with closing(connect(config, settings)) as connection:
        yield CheckLine("ok", "connection", f"{config.host}:{config.port} answers")
        if config.transport == "api":
            yield CheckLine(
                "warn",
                "certificate",
                "the plain API shows none and sends the password in clear",
                "Use transport api-ssl, or keep this to a network of your own",
            )
        else:
            by = "the authority vouches for it" if config.ca_file else "it is the pinned one"
            yield CheckLine("ok", "certificate", f"{by}; fingerprint {connection.fingerprint}")
        log_in(connection, config, config.password().get_secret_value(), settings)
        yield CheckLine("ok", "login", f"as {config.username}")
        who = identify(connection, settings, config.policy.entries)
        detail = f"{who.identity}, RouterOS {who.version}, serial {who.serial or 'not told'}"
        compare(config, who)
        yield CheckLine("ok", "router", detail)
        if who.entries == "mac-server":
            yield CheckLine("ok", "entries", "held in /ip/mac-server/entry, which it answers")
        yield _servers(connection, config, settings)
        leases = Session(config.name, connection, who, settings).read_leases(None, lambda: None)
        tags = [parse_tag(lease.comment) for lease in leases if not lease.dynamic]
        ours = sum(
            tag is not None and tag.installation == config.policy.installation for tag in tags
        )
        yield CheckLine(
            "ok", "leases", f"{len(leases)} in all, {len(tags)} of them static, {ours} ours"
        )


def _servers(connection: Connection, config: RouterConfig, settings: Settings) -> CheckLine:
    doing = "reading DHCP servers"
    pace = Pace(1, settings.command_timeout_s, settings.command_timeout_s)
    (reply,) = connection.run(doing, [("/ip/dhcp-server/print", "=.proplist=name,disabled")], pace)
    rows = connection.rows(doing, reply)
    usable = [row.get("name", "") for row in rows if row.get("disabled") != "true"]
    wanted = config.policy.default_server
    if wanted == "all":
        if usable:
            return CheckLine("ok", "dhcp-server", f"found {', '.join(usable)}")
        return CheckLine("warn", "dhcp-server", "none is enabled", "Set one up on this router")
    if wanted in usable:
        return CheckLine("ok", "dhcp-server", f"{wanted} is there")
    return CheckLine(
        "fail",
        "dhcp-server",
        f"{wanted} is not among the enabled ones: {', '.join(usable) or 'none'}",
        "Correct dhcp_server in the inventory, or set that server up",
    )
