"""`leasewire routers setup`: make a router ready for services."""

import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from leasewire.answer import (
    Answer,
    ApplyOption,
    Exit,
    Line,
    Part,
    TextTable,
    bad_input,
    clean,
    counted,
    fail,
)
from leasewire.context import ActorOption, Context, RouterArgument
from leasewire.routers.setup_radius import with_radius
from worker.core.entry.wanted import possible_kinds
from worker.core.policy.router_setup import plan_setup
from worker.core.policy.setup_firewall import fasttrack_steps
from worker.core.policy.setup_problems import SetupProblem, problems_of
from worker.core.policy.setup_rows import (
    CERTIFICATE,
    IPV6_MENUS,
    RADIUS_MENUS,
    SERVICE,
    Rows,
    SetupStep,
    wanted_rows,
    with_ipv6,
)
from worker.core.policy.setup_script import script_of
from worker.core.policy.setup_spec import RouterAccess, SetupSpec
from worker.core.rows.menus import version_of
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import RouterConfig
from worker.inventory.config import DEFAULT_PORT
from worker.log_setup import hide_secret
from worker.routeros.setup import SetupSession, StepRefused, pin_of, pinned, prove
from worker.settings import Settings

_SERVICES: Final = {"api-ssl": "api-ssl", "rest": "www-ssl", "api": "api"}
_TRIES: Final = 20
_TRY_AGAIN_S: Final = 0.5

_NO_TLS: Final = (
    "If the router has no certificate yet, or its TLS service is disabled, use",
    "--bootstrap-user NAME --bootstrap-plain: this logs in as that user over the API without TLS",
    "(port 8728), creates the certificate, and does the rest over TLS. The password of that user",
    "is sent in clear text: use a trusted network, or paste what --script prints.",
)
_EXAMPLE: Final = """\
[routers.{name}.setup]
manage_from = ["192.0.2.0/24"]        # from where we come
[[routers.{name}.setup.dhcp]]
server = "dhcp-customers"
interface = "vlan-32"
network = "198.51.100.0/24"
gateway = "198.51.100.1"
ranges = ["198.51.100.100-198.51.100.254"]
dns_servers = ["198.51.100.1"]
lease_time = "30m\""""


def setup_command(  # noqa: PLR0913 - each is an option
    context: Context,
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    script: Annotated[
        bool, typer.Option("--script", help="Print a script for an empty router; do not connect.")
    ] = False,
    routeros: Annotated[str, typer.Option(help="RouterOS version of the script.")] = "7.18",
    bootstrap_user: Annotated[
        str | None,
        typer.Option(help="Log in as this user and ask for the password. Default: our user."),
    ] = None,
    bootstrap_plain: Annotated[
        bool, typer.Option("--bootstrap-plain", help="Begin over the API without TLS.")
    ] = False,
    bootstrap_port: Annotated[
        int | None,
        typer.Option(help="Port to begin with. Default: the usual one.", min=1, max=65_535),
    ] = None,
    actor: ActorOption = "",
) -> Answer:
    """Set up a router: DHCP, our user, the API over TLS, the rules for suspended services.

    [routers.NAME.setup] in the inventory says what the router should have. Shows what is missing;
    with --apply it is written, then Leasewire logs in as its own user over TLS and prints the
    fingerprint to pin. Rows that the inventory does not name stay as they are; a second run finds
    nothing to do.

    The first time, when our user does not exist yet: --bootstrap-user admin. The password is asked
    for on the terminal; without a terminal it is the first line of standard input. A router that
    has no certificate yet needs --bootstrap-plain, on a trusted network: only the certificate is
    created in clear text, the rest over TLS.

    Exit 0: nothing to do, or done; 1: refused; 2: something prevents it; 4: something to do; 3: the
    router cannot be reached.

    Example: leasewire routers setup tower-7 --bootstrap-user admin --apply
    """
    config = context.router(name, unpinned=True)
    if config.setup is None:
        bad_input(f"The inventory has no set-up for {name}. Example:", _EXAMPLE.format(name=name))
    access = with_radius(context.inventory, config, _access(config, offline=script))
    if script:
        wanted = wanted_rows(config.setup, access, version=version_of(routeros), certificate=True)
        password = config.password().get_secret_value()
        lines = list(script_of(wanted, access, password, config.setup.fasttrack))
        return Answer({"router": name, "script": lines}, lines)
    first, password = _first_login(config, bootstrap_user, bootstrap_port, plain=bootstrap_plain)
    run = _Run(context, config, config.setup, access)
    with closing(_session(first, password, context.settings)) as session:
        steps, problems = run.plan(session)
        prevented = any(problem.hinders for problem in problems)
        if not apply or prevented:
            return _preview(name, steps, problems, prevented=prevented)
        try:
            run.apply(session, first, password, steps)
        finally:
            _note_done(context, name, len(run.done), len(steps), actor)
    pin, identity = run.proof()
    done = f"{counted(len(run.done), 'change')} made" if run.done else "nothing to do"
    how = "over TLS" if pin else "over the plain API"
    text: list[Part] = [
        *(Line(f"! {problem.message}", "yellow") for problem in problems),
        f"{name}: {done}",
        f"✓ {config.username} logs in to {clean(identity)} {how}",
    ]
    if bootstrap_plain and pin:
        text.append("Disable the plain API if nobody else uses it: /ip/service/disable api")
    if pin and not (config.fingerprint or config.ca_file):
        text.append(f'Pin its certificate in the inventory:\n\nfingerprint = "{pin}"')
    documents = [_document(step) for step in run.done]
    return Answer({"router": name, "done": documents, "fingerprint": pin}, text)


def _note_done(context: Context, name: str, done: int, planned: int, actor: str) -> None:
    """Record what was changed, and that the rest was not."""
    if not done:
        return
    detail = counted(done, "change")
    if done < planned:
        detail = f"{done} of {counted(planned, 'change')}; then it stopped"
        typer.echo(f"{name}: {detail}. Run it again to continue.", err=True)
    # The first router is set up before Redis exists: `leasewire up` needs its fingerprint.
    context.note(actor, "router.set_up", name, detail)


class _Run:
    """Sets up one router."""

    def __init__(
        self, context: Context, config: RouterConfig, spec: SetupSpec, access: RouterAccess
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._config = config
        self._spec = spec
        self._access = access
        self.done: list[SetupStep] = []

    def plan(self, session: SetupSession) -> tuple[list[SetupStep], list[SetupProblem]]:
        more = [*self._access.enable, *IPV6_MENUS, *RADIUS_MENUS, *self._access.named]
        found = session.read(more)
        asked = bool(self._config.policy.ipv6_suspend_list)
        access = with_ipv6(self._access, found, asked=asked)
        version, needed = session.version, _certificate_needed(found, access)
        wanted = wanted_rows(self._spec, access, version=version, certificate=needed)
        steps = plan_setup(wanted, found)
        steps += fasttrack_steps(self._spec.fasttrack, access, found)
        seen_from = session.seen_from()
        problems = problems_of(self._spec, access, wanted, found, steps, seen_from=seen_from)
        return steps, problems

    def apply(
        self, session: SetupSession, first: RouterConfig, password: str, steps: list[SetupStep]
    ) -> None:
        """Write the steps; secrets go over TLS wherever the router has it."""
        if first.transport != "api" or self._config.transport == "api":
            self._write(session, steps)
            return
        self._write(session, [step for step in steps if step.menu in (CERTIFICATE, SERVICE)])
        session.close()
        known = pinned(self._config, self._pin())
        admin = replace(known, username=first.username)
        with closing(SetupSession(admin, password, self._settings)) as over_tls:
            rest, _ = self.plan(over_tls)
            self._write(over_tls, rest)

    def proof(self) -> tuple[str, str]:
        """Log in as a worker would; returns the fingerprint (empty without TLS) and identity."""
        if self._config.transport == "api":
            return "", prove(self._config, self._settings)
        pin = self._pin()
        return pin, prove(pinned(self._config, pin), self._settings)

    def _pin(self) -> str:
        """The fingerprint; a service that was just enabled needs a moment."""
        for _ in range(_TRIES - 1):
            try:
                return pin_of(self._config, self._settings)
            except RouterUnreachable:
                time.sleep(_TRY_AGAIN_S)
        return pin_of(self._config, self._settings)

    def _write(self, session: SetupSession, steps: list[SetupStep]) -> None:
        ours = self._config.password().get_secret_value()
        try:
            for number, step in enumerate(session.apply(steps, ours), 1):
                self.done.append(step)
                if sys.stderr.isatty():
                    typer.echo(f"\r{number}/{len(steps)}", nl=number == len(steps), err=True)
        except StepRefused as error:
            fail(error)


def _access(config: RouterConfig, *, offline: bool) -> RouterAccess:
    service, kinds = _SERVICES[config.transport], possible_kinds(config.policy.entries)
    return RouterAccess(
        installation=config.policy.installation,
        host=config.server_name or config.host,
        service=service,  # type: ignore[arg-type]  # one of the three
        username=config.username,
        suspend_list=config.policy.suspend_list,
        # Nor can a script ask whether it has a DHCPv6 server.
        ipv6_list=config.policy.ipv6_suspend_list if offline else config.policy.ipv6_list,
        enable={
            menu: fields
            for kind in kinds
            # A script cannot ask whether the router has a menu that the inventory does not name.
            if not offline or kind.name == config.policy.entries
            for menu, fields in kind.enable.items()
        },
        policies=frozenset().union(*(kind.policies for kind in kinds)),
        named={menu: names for kind in kinds for menu, names in kind.named(config.policy).items()},
    )


def _first_login(
    config: RouterConfig, user: str | None, port: int | None, *, plain: bool
) -> tuple[RouterConfig, str]:
    """How to log in first, and the password."""
    if user is None:
        if plain or port:
            bad_input("--bootstrap-plain and --bootstrap-port need --bootstrap-user")
        return config, config.password().get_secret_value()
    password = _ask(user, config.name)
    hide_secret(password)
    transport = "api" if plain else config.transport
    if port is None:
        port = config.port if transport == config.transport else DEFAULT_PORT[transport]
    known = replace(config, username=user, transport=transport, port=port)
    return known, password


def _session(first: RouterConfig, password: str, settings: Settings) -> SetupSession:
    try:
        return SetupSession(first, password, settings)
    except (RouterUnreachable, RouterBlocked) as error:
        if first.transport == "api" or _shows_certificate(first, settings):
            raise
        code = Exit.UNREACHABLE if isinstance(error, RouterUnreachable) else Exit.FAILED
        fail(clean(error), *_NO_TLS, code=code)


def _shows_certificate(first: RouterConfig, settings: Settings) -> bool:
    """False: its TLS service has none, or seems to be disabled."""
    try:
        return bool(pin_of(first, settings))
    except RouterUnreachable as error:
        # A router that does not refuse the connection either is down.
        return error.message.startswith("connecting to") and "refused" not in error.message
    except RouterBlocked:
        return False


def _ask(user: str, name: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {user} on {name}", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _certificate_needed(found: Rows, access: RouterAccess) -> bool:
    """Whether the service has no certificate, or one of ours, which we keep up to date."""
    rows = [row for row in found.get(SERVICE, ()) if row.get("name") == access.service]
    own = f"leasewire-{access.service}"
    return any(
        row.get("certificate", "none") in ("", "none", own)
        for row in rows
        if row.get("dynamic") != "true"
    )


def _preview(
    name: str, steps: list[SetupStep], problems: list[SetupProblem], *, prevented: bool
) -> Answer:
    text: list[Part] = []
    for problem in problems:
        sign, colour = ("✗", "red") if problem.hinders else ("!", "yellow")
        text.append(Line(f"{sign} {problem.message}", colour))
    rows = [_document(step) | {"fields": _changes(step)} for step in steps]
    text.append(TextTable(rows, "command=verb, menu, row, fields", f"{name}: nothing to do."))
    if steps and not prevented:
        text.append(f"\n{counted(len(steps), 'change')}. Run with --apply to make them.")
    code = Exit.BAD_INPUT if prevented else Exit.CHANGES if steps else Exit.OK
    return Answer(
        {
            "router": name,
            "steps": [_document(step) for step in steps],
            "problems": [problem._asdict() for problem in problems],
        },
        text,
        code,
    )


def _changes(step: SetupStep) -> str:
    return step.note or " ".join(
        f"{name}={step.before[name]} -> {value}" if name in step.before else f"{name}={value}"
        for name, value in step.fields.items()
    )


def _document(step: SetupStep) -> dict[str, Any]:
    document = {
        "verb": step.verb,
        "menu": step.menu,
        "row": step.name,
        "fields": dict(step.fields),
        "before": dict(step.before),
    }
    return document | ({"note": step.note} if step.note else {})
