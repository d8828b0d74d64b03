"""`leasewire routers setup`: make a router ready for services."""

import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Final, NoReturn

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, counted, print_json, print_table
from leasewire.routers.policy import NameArgument
from worker.core.entry.wanted import possible_kinds
from worker.core.policy.router_setup import (
    CERTIFICATE,
    SERVICE,
    Rows,
    SetupProblem,
    SetupStep,
    plan_setup,
    problems_of,
    wanted_rows,
)
from worker.core.policy.setup_script import script_of
from worker.core.policy.setup_spec import RouterAccess, SetupSpec
from worker.core.rows.menus import version_of
from worker.errors import RouterBlocked, RouterUnreachable, StoreUnavailable
from worker.inventory import RouterConfig
from worker.inventory.config import DEFAULT_PORT
from worker.log_setup import hide_secret
from worker.routeros.setup import SetupSession, StepRefused, pin_of, pinned, prove
from worker.settings import Settings

FAILED: Final = 1
OUT_OF_REACH: Final = 3
BAD_INPUT: Final = 2
_SERVICES: Final = {"api-ssl": "api-ssl", "rest": "www-ssl", "api": "api"}
_TRIES: Final = 20
_TRY_AGAIN_S: Final = 0.5

_NO_TLS: Final = (
    "A router that has no certificate yet, or whose service with TLS is switched off, begins with",
    "--bootstrap-user NAME --bootstrap-plain: it logs in as that user over the API without TLS",
    "(port 8728), makes the certificate, and does the rest over TLS. That user's password goes",
    "over the network in clear: do it on a network of your own, or paste what --script prints.",
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
    name: NameArgument,
    *,
    apply: ApplyOption = False,
    script: Annotated[
        bool, typer.Option("--script", help="Print it for an empty router; connect to none.")
    ] = False,
    routeros: Annotated[
        str, typer.Option(help="RouterOS version that the script is for.")
    ] = "7.18",
    bootstrap_user: Annotated[
        str | None,
        typer.Option(help="Log in as this user, whose password is asked for; else as ours."),
    ] = None,
    bootstrap_plain: Annotated[
        bool, typer.Option("--bootstrap-plain", help="Begin over the API without TLS.")
    ] = False,
    bootstrap_port: Annotated[
        int | None, typer.Option(help="Port to begin with; else the usual one.", min=1, max=65_535)
    ] = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Make a router ready: DHCP, our user, the API over TLS, the rule for suspended services.

    What is wanted stands in the inventory, in [routers.NAME.setup]. Shows what the router lacks of
    it; with --apply it is written, and the last step logs in as our user over TLS and prints the
    fingerprint to pin. Rows that the inventory does not name are left as they are; a second run
    finds nothing to do.

    At first, when our user is not there yet: --bootstrap-user admin. The password is asked for on
    the terminal; without one it is the first line of standard input. A router that shows no
    certificate yet needs --bootstrap-plain, on a network of your own: then only the certificate is
    made in clear, and the rest goes over TLS.

    Exit 0: nothing to do, or done; 1: refused; 2: there is something to do, or something in the
    way; 3: out of reach.

    Example: leasewire routers setup tower-7 --bootstrap-user admin --apply
    """
    context = Context(inventory)
    config = context.unpinned_inventory.routers.get(name)
    if config is None:
        _end(BAD_INPUT, f"There is no router {name} in {context.settings.inventory}.")
    if config.setup is None:
        _end(
            BAD_INPUT,
            f"The inventory has no set-up for {name}, such as:",
            _EXAMPLE.format(name=name),
        )
    access = _access(config, offline=script)
    if script:
        wanted = wanted_rows(config.setup, access, version=version_of(routeros), certificate=True)
        for line in script_of(wanted, access, config.password().get_secret_value()):
            typer.echo(line)
        return
    first, password = _first_connection(
        config, bootstrap_user, bootstrap_port, plain=bootstrap_plain
    )
    run = _Run(context, config, config.setup, access)
    with closing(_session(first, password, context.settings)) as session:
        steps, problems = run.plan(session)
        if not apply or any(problem.hinders for problem in problems):
            _show(name, steps, problems, as_json=as_json)
            end_preview(changes=bool(steps))
        try:
            run.apply(session, first, password, steps)
        finally:
            _note_done(context, name, len(run.done), len(steps), actor_of(actor))
    done = run.done
    pin, identity = run.proof()
    if as_json:
        print_json({"router": name, "done": [_document(each) for each in done], "fingerprint": pin})
        return
    for problem in problems:
        typer.secho(f"! {clean(problem.message)}", fg="yellow")
    made = f"{counted(len(done), 'change')} made" if done else "nothing to do"
    typer.echo(f"{name}: {made}")
    over = "over TLS" if pin else "over the plain API"
    typer.echo(f"✓ {config.username} logs in to {clean(identity)} {over}")
    if bootstrap_plain and pin:
        typer.echo("Where nobody else needs the plain API, switch it off: /ip/service/disable api")
    if pin and not (config.fingerprint or config.ca_file):
        typer.echo(f'Pin its certificate in the inventory:\n\nfingerprint = "{pin}"')


def _note_done(context: Context, name: str, done: int, planned: int, actor: str) -> None:
    """Record what was made, and that the rest was not."""
    if not done:
        return
    detail = counted(done, "change")
    if done < planned:
        detail = f"{done} of {counted(planned, 'change')}; then it stopped"
        typer.echo(f"{name}: {detail}. Run it again to go on.", err=True)
    try:
        context.store.fleet.note(name, "setup", detail, actor)
    except StoreUnavailable:
        # The first router comes before Redis: `leasewire up` asks for its pin.
        typer.echo("! Redis is out of reach: `routers actions` will not tell of this.", err=True)


class _Run:
    """One set-up of one router."""

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
        found = session.read(self._access.enable)
        version, needed = session.version, _certificate_needed(found, self._access)
        wanted = wanted_rows(self._spec, self._access, version=version, certificate=needed)
        steps = plan_setup(wanted, found)
        seen_from = session.seen_from()
        return steps, problems_of(self._spec, self._access, found, steps, seen_from)

    def apply(
        self, session: SetupSession, first: RouterConfig, password: str, steps: list[SetupStep]
    ) -> None:
        """Write the steps; nothing secret in clear where it can be had over TLS."""
        if first.transport != "api" or self._config.transport == "api":
            self._write(session, steps)
            return
        self._write(session, [s for s in steps if s.menu in (CERTIFICATE, SERVICE)])
        session.close()
        known = pinned(self._config, self._pin())
        admin = replace(known, username=first.username)
        with closing(SetupSession(admin, password, self._settings)) as over_tls:
            rest, _ = self.plan(over_tls)
            self._write(over_tls, rest)

    def proof(self) -> tuple[str, str]:
        """Log in as our user as workers will; the pin (empty without TLS) and the identity."""
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
            _end(FAILED, str(error))


def _access(config: RouterConfig, *, offline: bool) -> RouterAccess:
    service = _SERVICES[config.transport]
    return RouterAccess(
        installation=config.policy.installation,
        host=config.server_name or config.host,
        service=service,  # type: ignore[arg-type]  # one of the three
        username=config.username,
        suspend_list=config.policy.suspend_list,
        enable={
            menu: fields
            for kind in possible_kinds(config.policy.entries)
            # A script cannot ask whether the router has a menu that the inventory does not name.
            if not offline or kind.name == config.policy.entries
            for menu, fields in kind.enable.items()
        },
    )


def _first_connection(
    config: RouterConfig, user: str | None, port: int | None, *, plain: bool
) -> tuple[RouterConfig, str]:
    """How to get in at first, and the password."""
    if user is None:
        if plain or port:
            _end(BAD_INPUT, "--bootstrap-plain and --bootstrap-port go with --bootstrap-user")
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
        code = OUT_OF_REACH if isinstance(error, RouterUnreachable) else FAILED
        _end(code, clean(error), *_NO_TLS)


def _shows_certificate(first: RouterConfig, settings: Settings) -> bool:
    """False: its service with TLS has none, or is switched off, as far as can be seen."""
    try:
        return bool(pin_of(first, settings))
    except RouterUnreachable as error:
        # A router that does not even refuse is away.
        return error.message.startswith("connecting to") and "refused" not in error.message
    except RouterBlocked:
        return False


def _ask(user: str, name: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {user} on {name}", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _certificate_needed(found: Rows, access: RouterAccess) -> bool:
    """Whether the service has no certificate, or one of ours, which is then looked after."""
    rows = [row for row in found.get(SERVICE, ()) if row.get("name") == access.service]
    own = f"leasewire-{access.service}"
    return any(
        row.get("certificate", "none") in ("", "none", own)
        for row in rows
        if row.get("dynamic") != "true"
    )


def _show(
    name: str, steps: list[SetupStep], problems: list[SetupProblem], *, as_json: bool
) -> None:
    if as_json:
        said = [problem._asdict() for problem in problems]
        print_json({"router": name, "steps": [_document(s) for s in steps], "problems": said})
        return
    for problem in problems:
        sign, colour = ("✗", "red") if problem.hinders else ("!", "yellow")
        typer.secho(f"{sign} {clean(problem.message)}", fg=colour)
    rows = [(each.verb, each.menu, each.name, _changes(each)) for each in steps]
    print_table(("command", "menu", "row", "fields"), rows, f"{name}: nothing to do.")
    if steps and not any(problem.hinders for problem in problems):
        them = "it" if len(steps) == 1 else "them"
        typer.echo(f"\n{counted(len(steps), 'change')}. Run with --apply to make {them}.")


def _changes(step: SetupStep) -> str:
    return " ".join(
        f"{name}={step.before[name]} -> {value}" if name in step.before else f"{name}={value}"
        for name, value in step.fields.items()
    )


def _document(step: SetupStep) -> dict[str, object]:
    return {
        "verb": step.verb,
        "menu": step.menu,
        "row": step.name,
        "fields": dict(step.fields),
        "before": dict(step.before),
    }


def _end(code: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(code)
