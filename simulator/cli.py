"""The command `leasewire simulator`, also `python -m simulator`."""

import asyncio
import json
import os
import resource
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.fleet import Fleet
from simulator.operator_side import about
from simulator.options import LOOPBACK, RouterOptions
from simulator.profile import Profile, read_profile

DEMO_PASSWORD = "demo"  # noqa: S105 - asked for by --demo-password, loopback is the default
_DEFAULTS = RouterOptions()


class Order(StrEnum):
    """Order in which tagged commands in flight run."""

    FIFO = "fifo"
    SHUFFLE = "shuffle"


def simulator_command(  # noqa: PLR0913 - one parameter a flag
    *,
    version: Annotated[
        str | None, typer.Option(help=f"RouterOS version. Default: {_DEFAULTS.version}.")
    ] = None,
    user: Annotated[str, typer.Option(help="The one administrator.")] = "leasewire",
    password_file: Annotated[
        Path | None, typer.Option(help="File with the administrator's password.", exists=True)
    ] = None,
    password_env: Annotated[
        str | None, typer.Option(help="Environment variable with the password.")
    ] = None,
    demo_password: Annotated[
        bool, typer.Option("--demo-password", help=f"Take the password '{DEMO_PASSWORD}'.")
    ] = False,
    identity: Annotated[str, typer.Option(help="Name of the router.")] = "MikroTik",
    serial: Annotated[str | None, typer.Option(help="Serial number; made up if not given.")] = None,
    board: Annotated[
        str | None, typer.Option(help=f"Model, or 'chr'. Default: {_DEFAULTS.board}.")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    api_port: Annotated[int, typer.Option(help="API port; 0 takes a free one.")] = 0,
    api_ssl_port: Annotated[int, typer.Option(help="API over TLS; 0 takes a free one.")] = 0,
    rest_port: Annotated[
        int | None, typer.Option(help="REST over HTTPS; not served if not given.")
    ] = None,
    rest_http_port: Annotated[
        int | None, typer.Option(help="REST over HTTP (7.9 on); not served if not given.")
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option(help="PEM file with certificate and key, made on first start; or 'none'."),
    ] = None,
    own_addresses: Annotated[
        bool,
        typer.Option("--own-addresses", help="Count addresses up from --listen, not ports."),
    ] = False,
    state: Annotated[
        Path | None, typer.Option(help="File that keeps the routers' states between runs.")
    ] = None,
    control: Annotated[Path | None, typer.Option(help="Control socket to make.")] = None,
    routers: Annotated[int, typer.Option(help="How many; fixed ports count up.", min=1)] = 1,
    latency_ms: Annotated[float, typer.Option(help="Round trip of each reply.", min=0)] = 0,
    service_ms: Annotated[float, typer.Option(help="Time that each write takes.", min=0)] = 0,
    order: Annotated[
        Order | None, typer.Option(help="Order of tagged commands. Default: fifo.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is random.")] = 0,
    seed_guide: Annotated[
        bool, typer.Option("--seed-guide", help="Have the DHCP server dhcp-vlan-32 at start.")
    ] = False,
    with_mac_server: Annotated[
        bool,
        typer.Option("--with-mac-server", help="Have /ip/mac-server, which no RouterOS has."),
    ] = False,
    dhcp: Annotated[
        str, typer.Option(help="Answer DHCP on this interface (IFACE, or IFACE=ROUTER-INTERFACE).")
    ] = "",
    dhcp6: Annotated[
        str, typer.Option("--dhcp6", help="Answer DHCPv6 on this interface, in the same form.")
    ] = "",
    forward: Annotated[
        str, typer.Option(help="Forward traffic: IFACE=ROUTER-INTERFACE,IFACE=ether1.")
    ] = "",
    cable: Annotated[
        str, typer.Option(help="Two ports of the router that a cable joins: ether4=ether5.")
    ] = "",
    profile: Annotated[
        Path | None,
        typer.Option(help="Report of `leasewire selftest`: behave as that router did."),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of a fault on from the start (JSON).")
    ] = None,
    switch: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of a behaviour that no source decides.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens in JSON.")] = False,
) -> None:
    """Run simulated RouterOS routers until SIGTERM or SIGINT.

    Example: leasewire simulator --user leasewire --demo-password
    """
    faults: dict[str, object] = {"latency_ms": latency_ms, "service_ms": service_ms}
    found = _profile(profile)
    switches = found.switches | ({"tagged_order": order.value} if order else {})
    options = RouterOptions(
        version=version or found.version,
        user=user,
        password=_password(password_file, password_env, demo=demo_password),
        identity=identity,
        serial=serial,
        board=board or found.board,
        listen=listen,
        own_addresses=own_addresses,
        api_port=api_port,
        api_ssl_port=api_ssl_port,
        rest_port=rest_port,
        rest_http_port=rest_http_port,
        with_mac_server=with_mac_server,
        dhcp=dhcp,
        dhcp6=dhcp6,
        forward=forward,
        cable=cable,
        certificate=certificate,
        seed_guide=seed_guide,
        seed=seed,
        faults=faults | _settings(fault or []),
        switches=switches | _settings(switch or []),
    )
    try:
        _allow_open_files()
        asyncio.run(
            _run(Fleet(options, routers, control, state), options, control, as_json=as_json)
        )
    except (OSError, ValueError) as error:
        typer.echo(f"simulator: {getattr(error, 'strerror', None) or error}", err=True)
        # As everywhere: 2 where the words on the command line are wrong, 1 where something failed.
        raise typer.Exit(2 if isinstance(error, ValueError) else 1) from None


def _profile(path: Path | None) -> Profile:
    if path is None:
        return Profile(_DEFAULTS.version, _DEFAULTS.board, {})
    try:
        return read_profile(path)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise typer.BadParameter(str(problem), param_hint="--profile") from None


def _password(file: Path | None, variable: str | None, *, demo: bool) -> str:
    ways = [way for way in (file, variable, demo or None) if way is not None]
    if len(ways) != 1:
        problem = "give one of --password-file, --password-env, --demo-password"
        raise typer.BadParameter(problem)
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\n")
    if variable is not None:
        value = os.environ.get(variable)  # noqa: TID251 - the flag names the variable
        if value is None:
            problem = f"{variable} is not set"
            raise typer.BadParameter(problem, param_hint="--password-env")
        return value
    return DEMO_PASSWORD


def _settings(given: list[str]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def _allow_open_files() -> None:
    """Take as many open files as may be had: a thousand routers have thousands of sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(
    fleet: Fleet, options: RouterOptions, control: Path | None, *, as_json: bool
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        await fleet.start()
        routers = [about(server) for server in fleet.servers.values()]
        sys.stdout.write(_ready(routers, options, control, as_json=as_json) + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await fleet.stop()


def _ready(
    routers: list[dict[str, Any]], options: RouterOptions, control: Path | None, *, as_json: bool
) -> str:
    if as_json:
        where = str(control) if control else None
        ready = {"user": options.user, "control": where, "certificate": options.certificate}
        return json.dumps({**ready, "routers": routers})
    first = routers[0]
    text = f"RouterOS {options.version} (simulated) '{first['identity']}' on {first['host']}:"
    text += f" api {first['api_port']}, api-ssl {first['api_ssl_port']}"
    text += f", rest {first['rest_port']}" if first["rest_port"] else ""
    if first["fingerprint_sha256"]:
        text += f" sha256 {first['fingerprint_sha256']}"
    if len(routers) > 1:
        text += f"; and {len(routers) - 1} more"
    if options.certificate:
        none = options.certificate == "none"
        text += "; without a certificate" if none else f"; certificate {options.certificate}"
    if control:
        text += f"; control {control}"
    return text


def main() -> None:
    """Run the command by itself."""
    typer.run(simulator_command)
